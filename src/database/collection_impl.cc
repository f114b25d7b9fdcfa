#include "database/collection_impl.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/door.h"
#include "database/graph_maintainer.h"
#include "database/graph_upkeep.h"

namespace roxanne::database {

CollectionImpl::CollectionImpl(uint32_t id, schema::CollectionRecord record,
                               std::shared_ptr<DatabaseImpl> database)
    : id_(id),
      record_(std::move(record)),
      database_(std::move(database)),
      upkeep_(std::make_unique<GraphUpkeep>(*database_, *this)) {}

CollectionImpl::~CollectionImpl() = default;

void CollectionImpl::open() { open_status_ = load(); }

Status CollectionImpl::load() {
  ROX_ASSIGN_OR_RETURN(
      std::unique_ptr<storage::RowFile> file,
      storage::RowFile::open(database_->file_system(), database_->files().vectors_path(id_),
                             static_cast<uint32_t>(row_bytes()), database_->options().read_only));
  ROX_ASSIGN_OR_RETURN(index::LiveSet live, load_live_set());
  ROX_ASSIGN_OR_RETURN(index::LiveSet named, load_graph_record(file->slot_capacity()));
  slots_ = std::make_unique<SlotKeeper>(live, std::move(named), file->slot_capacity());
  ROX_ASSIGN_OR_RETURN(const auto last,
                       database_->store()->last_key(schema::table_prefix('k', id_)));
  if (last.has_value()) note_key(last->substr(schema::table_prefix('k', id_).size()));
  vectors_ = std::make_shared<index::VectorStore>(std::move(file), database_->budget());
  publish({.live = std::move(live)});
  return Status::ok();
}

// A graph is derived data: a record that cannot be read costs speed, not the collection. Until the
// graph is loaded, all slots that it might name count as named: those below the end that the record
// tells, or, of a graph that changes in place, all that the file had when the graph was last made
// durable. Keeps D8.
Result<index::LiveSet> CollectionImpl::load_graph_record(uint64_t slot_capacity) {
  ROX_ASSIGN_OR_RETURN(const auto bytes, database_->store()->get(schema::graph_key(id_)));
  if (!bytes.has_value()) return index::LiveSet();
  const auto record = schema::decode_graph_record(*bytes);
  uint64_t slot_end = slot_capacity;
  if (record.is_ok()) {
    set_graph_record(*record);
    if (!record->changes_in_place()) slot_end = std::min<uint64_t>(record->slot_end, slot_capacity);
    graph_waits_ = true;
  } else {
    set_index_error(record.status().message());
  }
  return index::set_of_slots_below(slot_end);
}

Result<index::LiveSet> CollectionImpl::load_live_set() const {
  std::vector<index::LiveSet::Change> chunks;  // in the order of their numbers, as keys are
  auto cursor = database_->store()->scan(schema::table_prefix('l', id_));
  for (; cursor.valid(); cursor.next()) {
    ROX_ASSIGN_OR_RETURN(const uint32_t number, schema::decode_slot_key(cursor.key()));
    ROX_ASSIGN_OR_RETURN(const index::LiveChunk chunk, schema::decode_chunk(cursor.value()));
    if (number > kCollectionPointsMax / index::kLiveChunkSlots) {
      return Status::corruption("kv: live bitmap number " + std::to_string(number) +
                                " is out of range");
    }
    chunks.push_back({number, std::make_shared<index::LiveChunk>(chunk)});
  }
  ROX_RETURN_IF_ERROR(cursor.status());
  index::LiveSet live;
  live.set_chunks(chunks);
  return live;
}

Status CollectionImpl::usable() const {
  if (database_->is_closed()) return Status::not_found("the database is closed");
  std::lock_guard lock(mutex_);
  if (retired_) return Status::not_found("collection " + name() + " was dropped");
  return open_status_;
}

void CollectionImpl::retire() {
  std::lock_guard lock(mutex_);
  retired_ = true;
  version_.reset();
  vectors_.reset();
}

std::shared_ptr<const Version> CollectionImpl::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

std::shared_ptr<index::VectorStore> CollectionImpl::vectors() const {
  std::lock_guard lock(mutex_);
  return vectors_;
}

std::vector<uint32_t> CollectionImpl::take_slots(size_t count) {
  slots_->release(database_->committer().synced_commits());
  const bool reuse = slots_->has_free() && database_->no_readers_elsewhere();
  return slots_->take(count, reuse);
}

void CollectionImpl::publish(Publication next) {
  changes_since_open_ += next.rows.size() + next.freed.size();
  // Not by make_shared: slots that were freed remember versions that are gone, and would keep their
  // memory.
  std::shared_ptr<Version> version(new Version);
  version->live = std::move(next.live);
  if (graph_ != nullptr && is_worth_a_graph(version->live.count())) {
    version->graph = graph_;
    version->node_count = indexed_.count();
    version->tail = next_tail(version->live, next);
  }
  version->snapshot = std::make_unique<storage::KeyValueStore::Snapshot>(database_->store());
  std::shared_ptr<const Version> old;  // its snapshot is let go outside the lock
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(version_, std::move(version));
  }
  if (old != nullptr) slots_->free(old, next.commit, std::move(next.freed));
  old.reset();
  slots_->release(database_->committer().synced_commits());
}

// Only what changed since the version before is looked at where that had the same graph.
Tail CollectionImpl::next_tail(const index::LiveSet& live, Publication& next) const {
  const std::shared_ptr<const Version> before = version();
  if (next.tail.has_value() || before == nullptr || before->graph != graph_) {
    return make_tail(live, indexed_,
                     next.tail.has_value() ? *std::move(next.tail) : no_tail_rows());
  }
  Tail tail = before->tail;
  tail.apply({.live_before = before->live,
              .live = live,
              .indexed = indexed_,
              .indexed_chunks = next.indexed_chunks,
              .rows = next.rows,
              .only_grew = next.freed.empty() && next.indexed_chunks.empty()});
  return tail;
}

void CollectionImpl::refresh(uint64_t commit) {
  const std::shared_ptr<const Version> current = version();
  if (current != nullptr) publish({.live = current->live, .commit = commit});
}

Status CollectionImpl::reload_live_set(uint64_t commit) {
  ROX_ASSIGN_OR_RETURN(index::LiveSet live, load_live_set());
  slots_->start_anew(live, vectors()->file().slot_capacity());
  // The tail's rows may be of slots that were not live.
  publish({.live = std::move(live), .commit = commit, .tail = no_tail_rows()});
  return Status::ok();
}

bool CollectionImpl::is_beyond_keys(const std::string& encoded) const {
  return !has_keys_ || encoded > last_key_;
}

void CollectionImpl::note_key(const std::string& encoded) {
  if (!is_beyond_keys(encoded)) return;
  has_keys_ = true;
  last_key_ = encoded;
}

Result<UpsertCounts> CollectionImpl::upsert(const KeysView& keys, const MatrixView& vectors,
                                            const UpsertOptions& options) {
  ROX_RETURN_IF_ERROR(usable());
  if (database_->options().read_only) {
    return Status::read_only(database_->path() + " is open read-only");
  }
  if (keys.size() != vectors.rows()) {
    return Status::invalid_argument(std::to_string(keys.size()) + " keys for " +
                                    std::to_string(vectors.rows()) + " vectors");
  }
  ROX_RETURN_IF_ERROR(check_keys(keys, {.type = this->options().key_type}));
  ROX_RETURN_IF_ERROR(check_payloads(options.payloads, keys.size()));
  ROX_ASSIGN_OR_RETURN(const std::vector<uint32_t> norms, check_vectors(vectors, this->options()));
  if (keys.size() == 0) return UpsertCounts{};
  database_->maintainer().wait_for_room(*this, keys.size());
  PendingWrite write;
  write.collection = this;
  write.keys = &keys;
  write.vectors = &vectors;
  write.norms = &norms;
  write.options = &options;
  database_->committer().commit(write);
  ROX_RETURN_IF_ERROR(write.status);
  return write.counts;
}

Result<uint64_t> CollectionImpl::erase(const KeysView& keys) {
  ROX_RETURN_IF_ERROR(usable());
  if (database_->options().read_only) {
    return Status::read_only(database_->path() + " is open read-only");
  }
  ROX_RETURN_IF_ERROR(check_keys(keys, {.type = options().key_type, .repeats_allowed = true}));
  if (keys.size() == 0) return uint64_t{0};
  PendingWrite write;
  write.collection = this;
  write.keys = &keys;
  database_->committer().commit(write);
  ROX_RETURN_IF_ERROR(write.status);
  return write.erased;
}

Result<Point> CollectionImpl::get(const Key& key, const GetOptions& options) const {
  ROX_RETURN_IF_ERROR(usable());
  ROX_RETURN_IF_ERROR(check_key(this->options().key_type, key));
  const std::shared_ptr<const Version> version = this->version();
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (version == nullptr || vectors == nullptr) return usable();
  const auto& store = database_->store();
  ROX_ASSIGN_OR_RETURN(const auto value, store->get(schema::point_key(id_, schema::encode_key(key)),
                                                    version->snapshot.get()));
  if (!value.has_value()) {
    return Status::not_found("no key " + key.to_string() + " in collection " + name());
  }
  ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_u32(*value));
  Point point;
  point.key = key;
  point.vector.type = this->options().type;
  point.vector.bytes.resize(row_bytes());
  ROX_ASSIGN_OR_RETURN(const storage::RowRef row, vectors->read(slot, point.vector.bytes));
  if (key.type() == KeyType::kU64 && row.tag != key.u64()) {
    return Status::corruption(vectors->file().path() + ": slot " + std::to_string(slot) +
                              " holds key " + std::to_string(row.tag) + ", expected " +
                              key.to_string());
  }
  if (options.with_payload) {
    ROX_ASSIGN_OR_RETURN(point.payload,
                         store->get(schema::slot_key('p', id_, slot), version->snapshot.get()));
  }
  return point;
}

}  // namespace roxanne::database
