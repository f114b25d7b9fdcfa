// Where the pages of a page file lie: a table of shared pieces that never change once published.
//
// A writer copies the pieces it changes (a leaf of 4 KiB, a branch of 256 leaves, the root) and
// shares the rest, so that a snapshot costs its holder a pointer and the writer never waits for it.
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
  // An empty one. `live_versions` has two owners, the maps and the page store: a snapshot may
  // outlive the store.
  PageMap(std::shared_ptr<LiveVersions> live_versions, uint64_t version);
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
  uint32_t leaf_count() const { return map_pieces(logical_page_count_); }
  // Null where the leaf is empty.
  const MapLeaf* leaf(uint32_t index) const {
    return branches_[index / kBranchLeaves]->leaves[index % kBranchLeaves].get();
  }
  // About; the newest version alone, not what older ones keep.
  uint64_t memory_bytes() const;

  // Calls visit(logical_page, physical_page) in ascending order of logical page.
  template <typename Visit>
  void for_each_page(Visit visit) const;

 private:
  friend class PageMapEditor;
  static constexpr uint32_t kBranchLeaves = 256;
  struct Branch {
    // Owned by every version that has not changed them.
    std::array<std::shared_ptr<const MapLeaf>, kBranchLeaves> leaves;
  };

  std::vector<std::shared_ptr<const Branch>> branches_;  // owned as the leaves are; none is null
  std::shared_ptr<LiveVersions> live_versions_;
  const uint64_t version_;
  uint32_t logical_page_count_ = 0;
  uint32_t used_page_count_ = 0;
};

template <typename Visit>
void PageMap::for_each_page(Visit visit) const {
  for (uint32_t i = 0; i < leaf_count(); ++i) {
    const MapLeaf* entries = leaf(i);
    if (entries == nullptr) continue;
    for (uint32_t j = 0; j < kMapEntries; ++j) {
      if (entries->physical[j] != kNoPage) visit(i * kMapEntries + j, entries->physical[j]);
    }
  }
}

// A reader's hold on one version: the pages it names are not written again while it is held.
using PageSnapshot = std::shared_ptr<const PageMap>;

// Makes the next version of a map. Ascending logical pages cost least: each piece is copied once.
class PageMapEditor {
 public:
  PageMapEditor(const PageMap& base, std::shared_ptr<LiveVersions> live_versions);

  // Returns what was there before. kNoPage removes.
  uint32_t set(uint32_t logical_page, uint32_t physical_page);
  // Puts a whole leaf where none is.
  void set_leaf(uint32_t index, std::shared_ptr<const MapLeaf> leaf);

  // The version that finish() will return.
  uint64_t version() const { return map_->version_; }
  // Indices of the leaves that set() changed; one may be there more than once.
  const std::vector<uint32_t>& changed_leaves() const { return changed_leaves_; }
  PageSnapshot finish();

 private:
  void open_branch(uint32_t index);
  void open_leaf(uint32_t index);
  void close_leaf();
  void close_branch();
  void find_end();

  std::shared_ptr<PageMap> map_;
  std::shared_ptr<PageMap::Branch> branch_;  // the one being changed, the map's once closed
  std::shared_ptr<MapLeaf> leaf_;            // the one being changed, the branch's once closed
  uint32_t branch_index_ = 0;
  uint32_t leaf_index_ = 0;
  std::vector<uint32_t> changed_leaves_;
};

}  // namespace roxanne::storage
