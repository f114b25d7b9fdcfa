// Where a collection's points lie in its vectors file, and what of that file is needed.
#include "database/collection_impl.h"
#include "database/committer.h"
#include "database/database_impl.h"

namespace roxanne::database {
namespace {

// The file is cut where what lies behind the last slot in use is more than one part in so many of
// what lies before it; holes are punched where one block in so many is idle. Less is soon used
// again.
constexpr uint64_t kIdleShare = 4;

}  // namespace

std::vector<uint32_t> CollectionImpl::take_slots_below(size_t count, uint64_t slot_end) {
  slots_->release(database_->committer().synced_commits());
  if (!slots_->has_free() || !database_->no_readers_elsewhere()) return {};
  return slots_->take_below(count, slot_end);
}

uint64_t CollectionImpl::idle_block_count() {
  slots_->release(database_->committer().synced_commits());
  const storage::RowFile& file = vectors()->file();
  const uint64_t rows = file.layout().rows_per_block;
  uint64_t count = 0;
  for (uint64_t block = 0; block < file.block_count(); ++block) {
    if (!file.is_punched(block) && !slots_->any_taken(block * rows, rows)) ++count;
  }
  return count;
}

void CollectionImpl::give_reserve_back() { (void)vectors()->file().cut(slots_->end()); }

// A slot that is free is one whose end is durable and that no reader sees: nothing points at it,
// and none of its bytes will be asked for before it is written again. Keeps D2, D5 and D8. What
// fails here costs space, not points.
void CollectionImpl::give_space_back() {
  const uint64_t idle = idle_block_count();
  if (idle == 0 || !database_->no_readers_elsewhere()) return;
  storage::RowFile& file = vectors()->file();
  const uint64_t rows = file.layout().rows_per_block;
  const bool much_is_idle = idle * kIdleShare >= file.block_count();
  slots_->lower_end();
  const uint64_t needed = (slots_->end() + rows - 1) / rows;
  if ((file.block_count() - needed) * kIdleShare > needed) (void)file.cut(slots_->end());
  if (!much_is_idle) return;
  for (uint64_t block = 0; block < needed; ++block) {
    uint64_t end = block;
    while (end < needed && !file.is_punched(end) && !slots_->any_taken(end * rows, rows)) ++end;
    if (end > block && !file.punch(block, end - block).is_ok()) return;
    block = end;
  }
}

}  // namespace roxanne::database
