// Where the pages of a page file lie: a table of shared pieces that never change once published.
//
// A writer copies the pieces it changes (a leaf of 4 KiB, a branch of 16 KiB, the root) and shares
// the rest, so that a snapshot costs its holder a pointer and the writer never waits for it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "storage/page_format.h"

namespace roxanne::storage {

struct MapLeaf {
  std::array<uint32_t, kMapEntries> physical{};  // kNoPage where there is none
  uint32_t used_count = 0;                       // entries that are not kNoPage
};

// Knows which versions of a map somebody still holds. All calls may run at once.
class LiveVersions {
 public:
  void add(uint64_t version);
  void remove(uint64_t version);
  // The oldest; `none` where there is none.
  uint64_t oldest(uint64_t none) const;

 private:
  mutable std::mutex mutex_;     // guards versions_
  std::set<uint64_t> versions_;  // as many as there are snapshots of different moments
};

// One version. Any number of threads may read it at once; nobody changes it.
class PageMap {
 public:
  // Two owners, the map and the page store: a snapshot may outlive the store.
  explicit PageMap(std::shared_ptr<LiveVersions> live_versions);
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;
  ~PageMap();

  // kNoPage where there is no such page.
  uint32_t physical_page(uint32_t logical_page) const {
    if (logical_page >= logical_page_count_) return kNoPage;
    const uint32_t leaf = logical_page / kMapEntries;
    const MapLeaf* entries = branches_[leaf / kBranchLeaves]->leaves[leaf % kBranchLeaves].get();
    return entries == nullptr ? kNoPage : entries->physical[logical_page % kMapEntries];
  }

  // One past the highest logical page there is.
  uint32_t logical_page_count() const { return logical_page_count_; }
  // Logical pages that there are.
  uint32_t used_page_count() const { return used_page_count_; }
  uint64_t version() const { return version_; }
  uint32_t leaf_count() const;
  // Null where the leaf is empty.
  const MapLeaf* leaf(uint32_t index) const;
  uint64_t memory_bytes() const;

 private:
  friend class PageMapEditor;
  static constexpr uint32_t kBranchLeaves = 1024;
  struct Branch {
    // Owned by every version that has not changed them.
    std::array<std::shared_ptr<const MapLeaf>, kBranchLeaves> leaves;
    uint32_t leaf_count = 0;  // that are not null
  };

  std::vector<std::shared_ptr<const Branch>> branches_;  // owned as the leaves are; none is null
  std::shared_ptr<LiveVersions> live_versions_;
  uint64_t version_ = 0;
  uint32_t logical_page_count_ = 0;
  uint32_t used_page_count_ = 0;
};

// A reader's hold on one version: the pages it names are not written again while it is held.
using PageSnapshot = std::shared_ptr<const PageMap>;

// Makes the next version of a map. Ascending logical pages cost least: a leaf is then copied once.
class PageMapEditor {
 public:
  PageMapEditor(const PageMap& base, std::shared_ptr<LiveVersions> live_versions);

  // Returns what was there before.
  uint32_t set(uint32_t logical_page, uint32_t physical_page);
  // Puts a whole leaf where none was.
  void set_leaf(uint32_t index, std::shared_ptr<const MapLeaf> leaf);

  // Leaves that set() changed, ascending where the pages were.
  const std::vector<uint32_t>& changed_leaves() const { return changed_leaves_; }
  PageSnapshot finish();

 private:
  PageMap::Branch& open_branch(uint32_t index);
  MapLeaf& open_leaf(uint32_t index);
  void close_leaf();
  void close_branch();
  void drop_empty_end();

  std::shared_ptr<PageMap> map_;
  std::shared_ptr<PageMap::Branch> branch_;  // the one being changed; becomes the map's
  std::shared_ptr<MapLeaf> leaf_;            // the one being changed; becomes the branch's
  uint32_t branch_index_ = 0;
  uint32_t leaf_index_ = 0;
  std::vector<uint32_t> changed_leaves_;
};

}  // namespace roxanne::storage
