#include "storage/simulated_content.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace roxanne::storage {

size_t SimulatedContent::read(uint64_t offset, std::span<std::byte> out) const {
  const uint64_t begin = std::min<uint64_t>(offset, current_.size());
  const size_t count = std::min<size_t>(out.size(), current_.size() - begin);
  if (count > 0) std::memcpy(out.data(), current_.data() + begin, count);
  return count;
}

uint64_t SimulatedContent::allocated_bytes() const {
  return kPageBytes * static_cast<uint64_t>(std::count(pages_.begin(), pages_.end(), true));
}

uint64_t SimulatedContent::missing_bytes(uint64_t offset, uint64_t length) const {
  if (length == 0) return 0;
  uint64_t missing = 0;
  const uint64_t last = (offset + length - 1) / kPageBytes;
  for (uint64_t page = offset / kPageBytes; page <= last; ++page) {
    if (page >= pages_.size() || !pages_[page]) missing += kPageBytes;
  }
  return missing;
}

void SimulatedContent::mark_pages(uint64_t offset, uint64_t length, bool allocated) {
  if (length == 0) return;
  // A page goes only when all of it does.
  const uint64_t begin = allocated ? offset / kPageBytes : (offset + kPageBytes - 1) / kPageBytes;
  const uint64_t end =
      allocated ? (offset + length + kPageBytes - 1) / kPageBytes : (offset + length) / kPageBytes;
  if (allocated && pages_.size() < end) pages_.resize(end);
  for (uint64_t page = begin; page < std::min<uint64_t>(end, pages_.size()); ++page) {
    pages_[page] = allocated;
  }
}

void SimulatedContent::apply(const Change& change, std::vector<std::byte>& content) {
  switch (change.kind) {
    case Kind::kWrite:
      if (content.size() < change.offset + change.bytes.size()) {
        content.resize(change.offset + change.bytes.size());
      }
      std::copy(change.bytes.begin(), change.bytes.end(),
                content.begin() + static_cast<ptrdiff_t>(change.offset));
      break;
    case Kind::kTruncate:
      content.resize(change.size);
      break;
    case Kind::kGrow:
      if (content.size() < change.size) content.resize(change.size);
      break;
  }
}

void SimulatedContent::change(Change change) {
  apply(change, current_);
  changes_.push_back(std::move(change));
}

void SimulatedContent::write(uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  mark_pages(offset, bytes.size(), true);
  change({Kind::kWrite, Fate::kUnsynced, offset, 0, {bytes.begin(), bytes.end()}});
}

// Sectors lie at multiples of their size within the file, as they do on disk.
template <typename Visit>
void SimulatedContent::for_each_sector(uint64_t offset, std::span<const std::byte> bytes,
                                       Visit visit) {
  while (!bytes.empty()) {
    const size_t count = std::min<size_t>(kSectorBytes - offset % kSectorBytes, bytes.size());
    visit(offset, bytes.first(count));
    offset += count;
    bytes = bytes.subspan(count);
  }
}

void SimulatedContent::write_torn(uint64_t offset, std::span<const std::byte> bytes,
                                  SimulatedRandom& random) {
  for_each_sector(offset, bytes, [&](uint64_t at, std::span<const std::byte> sector) {
    if (random.coin()) write(at, sector);
  });
}

void SimulatedContent::truncate(uint64_t size) {
  pages_.resize(std::min<uint64_t>(pages_.size(), (size + kPageBytes - 1) / kPageBytes));
  change({Kind::kTruncate, Fate::kUnsynced, 0, size, {}});
}

void SimulatedContent::allocate(uint64_t offset, uint64_t length) {
  if (length == 0) return;
  mark_pages(offset, length, true);
  change({Kind::kGrow, Fate::kUnsynced, 0, offset + length, {}});
}

void SimulatedContent::punch_hole(uint64_t offset, uint64_t length) {
  const uint64_t begin = std::min<uint64_t>(offset, size());
  const uint64_t end = std::min<uint64_t>(offset + length, size());
  if (begin == end) return;
  change({Kind::kWrite, Fate::kUnsynced, begin, 0, std::vector<std::byte>(end - begin)});
  mark_pages(offset, length, false);
}

void SimulatedContent::sync() {
  for (Change& change : changes_) {
    if (change.fate == Fate::kUnsynced) change.fate = Fate::kSynced;
  }
  const auto first_open = std::find_if(changes_.begin(), changes_.end(), [](const Change& change) {
    return change.fate != Fate::kSynced;
  });
  for (auto change = changes_.begin(); change != first_open; ++change) apply(*change, durable_);
  changes_.erase(changes_.begin(), first_open);
}

void SimulatedContent::fail_sync() {
  for (Change& change : changes_) {
    if (change.fate == Fate::kUnsynced) change.fate = Fate::kSyncFailed;
  }
}

void SimulatedContent::keep_certainly(const Change& change, Survivor& survivor) {
  apply(change, survivor.bytes);
  switch (change.kind) {
    case Kind::kWrite:
      survivor.certain_size =
          std::max<uint64_t>(survivor.certain_size, change.offset + change.bytes.size());
      break;
    case Kind::kTruncate:
      survivor.certain_size = change.size;
      break;
    case Kind::kGrow:
      survivor.certain_size = std::max(survivor.certain_size, change.size);
      break;
  }
}

void SimulatedContent::keep_by_chance(const Change& change, SimulatedRandom& random,
                                      Survivor& survivor) {
  const uint64_t chance = random.below(4);
  if (chance == 0) return;
  if (change.kind != Kind::kWrite) {
    if (chance == 1) return;  // even odds where nothing can be torn
    apply(change, survivor.bytes);
    survivor.certain_size = std::min<uint64_t>(survivor.certain_size, survivor.bytes.size());
    return;
  }
  if (chance == 1) {
    apply(change, survivor.bytes);
    return;
  }
  for_each_sector(change.offset, change.bytes, [&](uint64_t at, std::span<const std::byte> sector) {
    if (!random.coin()) return;
    apply({Kind::kWrite, Fate::kUnsynced, at, 0, {sector.begin(), sector.end()}}, survivor.bytes);
  });
}

void SimulatedContent::power_cut(PowerCutPolicy policy, SimulatedRandom& random) {
  Survivor survivor{std::move(durable_), 0};
  survivor.certain_size = survivor.bytes.size();
  for (const Change& change : changes_) {
    if (change.fate == Fate::kSynced || policy == PowerCutPolicy::kKeepAll) {
      keep_certainly(change, survivor);
    } else if (policy == PowerCutPolicy::kRandom) {
      keep_by_chance(change, random, survivor);
    }
  }
  const uint64_t uncertain = survivor.bytes.size() - survivor.certain_size;
  if (uncertain > 0 && random.coin()) {
    survivor.bytes.resize(survivor.certain_size + random.below(uncertain + 1));
  }
  durable_ = std::move(survivor.bytes);
  current_ = durable_;
  changes_.clear();
  pages_.resize(std::min<uint64_t>(pages_.size(), (size() + kPageBytes - 1) / kPageBytes));
}

void SimulatedContent::flip(uint64_t offset, std::byte mask) {
  current_[offset] ^= mask;
  if (offset < durable_.size()) durable_[offset] ^= mask;
  for (Change& change : changes_) {
    if (change.kind != Kind::kWrite || offset < change.offset) continue;
    if (offset - change.offset < change.bytes.size()) change.bytes[offset - change.offset] ^= mask;
  }
}

}  // namespace roxanne::storage
