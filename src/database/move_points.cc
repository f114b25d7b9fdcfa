#include "database/move_points.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/group_commit.h"
#include "database/schema.h"

namespace roxanne::database {
namespace {

// A step: less than a commit by redo records may have, and little enough that writers need not
// notice.
constexpr uint64_t kStepBytes = 256u << 10;
constexpr uint64_t kStepPoints = 2048;
// Points are moved where fewer than one in so many slots, up to the last live one, are live.
constexpr uint64_t kSparseFactor = 2;
// What a point costs the store beside its row, about; see PendingWrite::store_bytes().
constexpr uint64_t kStoreBytesPerPoint = 600;
constexpr uint64_t kSpaceReserve = 4u << 20;
// A checkpoint is worth it where one block in so many is idle.
constexpr uint64_t kIdleShare = 4;

// One past the highest live slot.
uint64_t live_end(const index::LiveSet& live) {
  for (size_t chunk = live.chunk_count(); chunk-- > 0;) {
    const uint64_t* words = live.chunk_words(chunk);
    if (words == nullptr) continue;
    for (size_t word = index::kLiveChunkSlots / 64; word-- > 0;) {
      if (words[word] == 0) continue;
      return chunk * index::kLiveChunkSlots + word * 64 + std::bit_width(words[word]);
    }
  }
  return 0;
}

// One step. Rows, keys and payloads are read before other writes are kept out: a slot that is live
// in the version held and in the newest one is still the same point's.
class MoveStep {
 public:
  MoveStep(DatabaseImpl& database, CollectionImpl& collection)
      : database_(database), collection_(collection) {}

  Result<uint64_t> run() {
    version_ = collection_.version();
    vectors_ = collection_.vectors();
    if (version_ == nullptr || vectors_ == nullptr || !is_move_due(collection_, *version_)) {
      return uint64_t{0};
    }
    if (collection_.graph_waits()) return uint64_t{0};  // it may name any slot
    choose();
    ROX_RETURN_IF_ERROR(read());
    ROX_RETURN_IF_ERROR(database_.committer().run_alone([this] { return commit(); }));
    return uint64_t{moves_.size()};
  }

 private:
  using Move = GroupCommit::Move;

  // The highest live slots, descending; those that lie dense enough stay.
  void choose() {
    const uint64_t count_max =
        std::clamp<uint64_t>(kStepBytes / collection_.row_bytes(), 1, kStepPoints);
    const uint64_t dense_end = kSparseFactor * version_->live.count();
    for (uint64_t slot = live_end(version_->live); slot-- > dense_end;) {
      if (moves_.size() == count_max) break;
      const auto number = static_cast<uint32_t>(slot);
      if (version_->live.contains(number)) moves_.push_back({.from = number});
    }
  }

  Status read() {
    const size_t row_bytes = collection_.row_bytes();
    const bool has_number_keys = collection_.options().key_type == KeyType::kU64;
    bytes_.resize(moves_.size() * row_bytes);
    std::vector<std::string> wanted;
    for (size_t i = 0; i < moves_.size(); ++i) {
      Move& move = moves_[i];
      ROX_ASSIGN_OR_RETURN(
          move.row, vectors_->read(move.from, std::span(bytes_).subspan(i * row_bytes, row_bytes)));
      if (has_number_keys) move.key = schema::encode_u64(move.row.tag);
      wanted.push_back(schema::slot_key('p', collection_.id(), move.from));
    }
    const auto snapshot = version_->snapshot.get();
    ROX_ASSIGN_OR_RETURN(auto payloads, database_.store()->get_many(wanted, snapshot));
    for (size_t i = 0; i < moves_.size(); ++i) moves_[i].payload = std::move(payloads[i]);
    if (has_number_keys) return Status::ok();
    for (std::string& key : wanted) key[0] = 's';
    ROX_ASSIGN_OR_RETURN(auto keys, database_.store()->get_many(wanted, snapshot));
    for (size_t i = 0; i < moves_.size(); ++i) {
      if (!keys[i].has_value()) {
        return Status::corruption("kv: slot " + std::to_string(moves_[i].from) + " of collection " +
                                  collection_.name() + " has no key");
      }
      moves_[i].key = *std::move(keys[i]);
    }
    return Status::ok();
  }

  // No other commit is under way.
  Status commit() {
    ROX_RETURN_IF_ERROR(database_.check_writable());
    ROX_RETURN_IF_ERROR(collection_.usable());
    const auto newest = collection_.version();
    std::erase_if(moves_, [&](const Move& move) { return !newest->live.contains(move.from); });
    if (moves_.empty()) return Status::ok();
    ROX_RETURN_IF_ERROR(check_space());
    const std::vector<uint32_t> slots =
        collection_.take_slots_below(moves_.size(), moves_.back().from);
    moves_.resize(slots.size());
    if (slots.empty()) return Status::ok();
    const Status reserved = vectors_->file().reserve(slots);
    if (!reserved.is_ok()) {
      collection_.slots().give_back(slots);
      return reserved;
    }
    for (size_t i = 0; i < slots.size(); ++i) moves_[i].row.slot = slots[i];
    GroupCommit group(database_);
    group.stage_moves(collection_, moves_);
    bool must_stop = false;
    const Status committed = group.commit(must_stop);
    if (must_stop) database_.committer().fail(committed);
    ROX_RETURN_IF_ERROR(committed);
    return database_.committer().checkpoint_if_due();
  }

  Status check_space() const {
    ROX_ASSIGN_OR_RETURN(const uint64_t free, database_.file_system().free_bytes(database_.path()));
    uint64_t needed = kSpaceReserve + database_.store()->buffered_bytes();
    for (const Move& move : moves_) {
      needed += 2 * (collection_.row_bytes() + kStoreBytesPerPoint + 2 * move.key.size());
      if (move.payload.has_value()) needed += 2 * move.payload->size();
    }
    if (free >= needed) return Status::ok();
    return Status::disk_full(database_.path() + ": no room to move points in");
  }

  DatabaseImpl& database_;
  CollectionImpl& collection_;
  std::shared_ptr<const Version> version_;       // shared with readers
  std::shared_ptr<index::VectorStore> vectors_;  // shared with the collection
  std::vector<Move> moves_;                      // descending by slot
  std::vector<std::byte> bytes_;                 // of their rows
};

}  // namespace

bool is_move_due(const CollectionImpl& collection, const Version& version) {
  const uint64_t end = live_end(version.live);
  const auto vectors = collection.vectors();
  return vectors != nullptr && end > vectors->file().layout().rows_per_block &&
         end > kSparseFactor * version.live.count();
}

Result<uint64_t> move_points_down(DatabaseImpl& database, CollectionImpl& collection) {
  return MoveStep(database, collection).run();
}

void GroupCommit::stage_moves(CollectionImpl& collection, const std::vector<Move>& moves) {
  Staged& staged = staged_for(collection);
  for (const Move& move : moves) {
    const uint32_t slot = move.row.slot;
    batch_.put(schema::point_key(collection.id(), move.key), schema::encode_u32(slot));
    if (collection.options().key_type == KeyType::kString) {
      batch_.put(schema::slot_key('s', collection.id(), slot), move.key);
    }
    if (move.payload.has_value()) {
      batch_.put(schema::slot_key('p', collection.id(), slot), *move.payload);
    }
    free_slot(collection, staged, move.from);
    set_live(staged, slot, true);
    staged.taken.push_back(slot);
    staged.rows.push_back(move.row);
    row_bytes_ += collection.row_bytes();
  }
}

Status tidy_slots(DatabaseImpl& database, CollectionImpl& collection,
                  const std::function<bool()>& goes_on) {
  Committer& committer = database.committer();
  while (goes_on()) {
    const uint64_t before = committer.commits();
    ROX_ASSIGN_OR_RETURN(const uint64_t moved, move_points_down(database, collection));
    if (moved == 0) break;
    if (committer.commits() != before + 1) return Status::ok();  // others write again
  }
  return committer.run_alone([&]() -> Status {
    ROX_RETURN_IF_ERROR(database.check_writable());
    ROX_RETURN_IF_ERROR(collection.usable());
    const uint64_t blocks = collection.vectors()->file().block_count();
    if (collection.idle_block_count() * kIdleShare < blocks || blocks == 0) return Status::ok();
    if (!database.no_readers_elsewhere()) return Status::ok();
    const Status status = committer.checkpoint();
    if (!status.is_ok()) committer.fail(status);
    return status;
  });
}

}  // namespace roxanne::database
