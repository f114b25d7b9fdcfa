#include "storage/page_map.h"

#include <utility>

#include "base/status_macros.h"

namespace roxanne::storage {

void LiveVersions::add(uint64_t version) {
  const std::lock_guard lock(mutex_);
  versions_.insert(version);
}

void LiveVersions::remove(uint64_t version) {
  const std::lock_guard lock(mutex_);
  versions_.erase(version);
}

uint64_t LiveVersions::oldest(uint64_t none) const {
  const std::lock_guard lock(mutex_);
  return versions_.empty() ? none : *versions_.begin();
}

PageMap::PageMap(std::shared_ptr<LiveVersions> live_versions, uint64_t version)
    : live_versions_(std::move(live_versions)), version_(version) {
  live_versions_->add(version_);
}

PageMap::~PageMap() { live_versions_->remove(version_); }

uint64_t PageMap::memory_bytes() const {
  uint64_t leaves = 0;
  for (const auto& branch : branches_) {
    for (const auto& leaf : branch->leaves) leaves += leaf != nullptr ? 1 : 0;
  }
  return leaves * sizeof(MapLeaf) + branches_.size() * sizeof(Branch);
}

PageMapEditor::PageMapEditor(const PageMap& base, std::shared_ptr<LiveVersions> live_versions)
    : map_(std::make_shared<PageMap>(std::move(live_versions), base.version_ + 1)) {
  map_->branches_ = base.branches_;
  map_->logical_page_count_ = base.logical_page_count_;
  map_->used_page_count_ = base.used_page_count_;
}

void PageMapEditor::open_branch(uint32_t index) {
  if (branch_ != nullptr && branch_index_ == index) return;
  close_branch();
  auto& branches = map_->branches_;
  while (branches.size() <= index) branches.push_back(std::make_shared<PageMap::Branch>());
  branch_ = std::make_shared<PageMap::Branch>(*branches[index]);
  branch_index_ = index;
}

void PageMapEditor::open_leaf(uint32_t index) {
  if (leaf_ != nullptr && leaf_index_ == index) return;
  close_leaf();
  open_branch(index / PageMap::kBranchLeaves);
  const MapLeaf* old = branch_->leaves[index % PageMap::kBranchLeaves].get();
  leaf_ = old != nullptr ? std::make_shared<MapLeaf>(*old) : std::make_shared<MapLeaf>();
  leaf_index_ = index;
  changed_leaves_.push_back(index);
}

void PageMapEditor::close_leaf() {
  if (leaf_ == nullptr) return;
  if (leaf_->used_count == 0) leaf_.reset();
  branch_->leaves[leaf_index_ % PageMap::kBranchLeaves] = std::move(leaf_);
  leaf_.reset();
}

void PageMapEditor::close_branch() {
  close_leaf();
  if (branch_ == nullptr) return;
  map_->branches_[branch_index_] = std::move(branch_);
  branch_.reset();
}

uint32_t PageMapEditor::set(uint32_t logical_page, uint32_t physical_page) {
  ROX_CHECK(logical_page < kLogicalPagesMax);
  open_leaf(logical_page / kMapEntries);
  uint32_t& place = leaf_->physical[logical_page % kMapEntries];
  const uint32_t old = std::exchange(place, physical_page);
  const uint32_t now_used = physical_page != kNoPage ? 1 : 0;
  const uint32_t was_used = old != kNoPage ? 1 : 0;
  leaf_->used_count += now_used - was_used;
  map_->used_page_count_ += now_used - was_used;
  return old;
}

void PageMapEditor::set_leaf(uint32_t index, std::shared_ptr<const MapLeaf> leaf) {
  close_leaf();
  open_branch(index / PageMap::kBranchLeaves);
  auto& place = branch_->leaves[index % PageMap::kBranchLeaves];
  ROX_CHECK(place == nullptr);
  map_->used_page_count_ += leaf->used_count;
  place = std::move(leaf);
}

// Branches and pages beyond the last page there is are dropped.
void PageMapEditor::find_end() {
  auto& branches = map_->branches_;
  map_->logical_page_count_ = 0;
  for (; !branches.empty(); branches.pop_back()) {
    for (uint32_t i = PageMap::kBranchLeaves; i-- > 0;) {
      const MapLeaf* leaf = branches.back()->leaves[i].get();
      if (leaf == nullptr) continue;
      uint32_t used = kMapEntries;
      while (leaf->physical[used - 1] == kNoPage) --used;
      const uint32_t branch = static_cast<uint32_t>(branches.size()) - 1;
      map_->logical_page_count_ = (branch * PageMap::kBranchLeaves + i) * kMapEntries + used;
      return;
    }
  }
}

PageSnapshot PageMapEditor::finish() {
  close_branch();
  find_end();
  return std::move(map_);
}

}  // namespace roxanne::storage
