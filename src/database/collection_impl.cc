#include "database/collection_impl.h"

#include <algorithm>
#include <chrono>

#include "base/status_macros.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/door.h"

namespace roxanne::database {
namespace {

// Below this many query-row pairs, waking another thread costs more than it brings.
constexpr uint64_t kPairsPerLane = 32 * 1024;
// Bounds the candidate lists of one pass over the vectors.
constexpr size_t kCandidateBytesMax = 32u << 20;
constexpr size_t kCandidateBytes = 24;
constexpr size_t kQueriesPerPassMax = 4096;

uint64_t microseconds_since(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now() - start)
                                   .count());
}

}  // namespace

CollectionImpl::CollectionImpl(uint32_t id, schema::CollectionRecord record,
                               std::shared_ptr<DatabaseImpl> database)
    : id_(id), record_(std::move(record)), database_(std::move(database)) {}

void CollectionImpl::open() { open_status_ = load(); }

Status CollectionImpl::load() {
  ROX_ASSIGN_OR_RETURN(
      std::unique_ptr<storage::RowFile> file,
      storage::RowFile::open(database_->file_system(), database_->vectors_path(id_),
                             static_cast<uint32_t>(row_bytes()), database_->options().read_only));
  ROX_ASSIGN_OR_RETURN(index::LiveSet live, load_live_set());
  allocator_ = std::make_unique<SlotAllocator>(live, file->slot_capacity());
  ROX_ASSIGN_OR_RETURN(const auto last,
                       database_->store()->last_key(schema::table_prefix('k', id_)));
  if (last.has_value()) note_key(last->substr(schema::table_prefix('k', id_).size()));
  vectors_ = std::make_shared<index::VectorStore>(std::move(file), database_->budget());
  publish(std::move(live), {}, 0);
  return Status::ok();
}

Result<index::LiveSet> CollectionImpl::load_live_set() const {
  index::LiveSet live;
  auto cursor = database_->store()->scan(schema::table_prefix('l', id_));
  for (; cursor.valid(); cursor.next()) {
    ROX_ASSIGN_OR_RETURN(const uint32_t number, schema::decode_slot_key(cursor.key()));
    ROX_ASSIGN_OR_RETURN(const index::LiveChunk chunk, schema::decode_chunk(cursor.value()));
    if (number > kCollectionPointsMax / index::kLiveChunkSlots) {
      return Status::corruption("kv: live bitmap number " + std::to_string(number) +
                                " is out of range");
    }
    live.set_chunk(number, std::make_shared<index::LiveChunk>(chunk));
  }
  ROX_RETURN_IF_ERROR(cursor.status());
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

void CollectionImpl::release_freed_slots() {
  while (!freed_.empty() && freed_.front().last_seen_by.expired() &&
         freed_.front().commit <= database_->committer().synced_commits()) {
    allocator_->give_back(freed_.front().slots);
    freed_.pop_front();
  }
}

std::vector<uint32_t> CollectionImpl::take_slots(size_t count) {
  release_freed_slots();
  const bool reuse = allocator_->free_count() > 0 && database_->no_readers_elsewhere();
  return allocator_->take(count, reuse);
}

void CollectionImpl::publish(index::LiveSet live, std::vector<uint32_t> freed, uint64_t commit) {
  auto version = std::make_shared<Version>();
  version->live = std::move(live);
  version->snapshot = std::make_unique<storage::KeyValueStore::Snapshot>(database_->store());
  std::shared_ptr<const Version> old;  // its snapshot is let go outside the lock
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(version_, std::move(version));
  }
  // Every publish has an entry, so that slots wait for readers of all versions before it.
  if (old != nullptr) freed_.push_back({old, commit, std::move(freed)});
  old.reset();
  release_freed_slots();
}

void CollectionImpl::refresh(uint64_t commit) {
  const std::shared_ptr<const Version> current = version();
  if (current != nullptr) publish(current->live, {}, commit);
}

Status CollectionImpl::reload_live_set(uint64_t commit) {
  ROX_ASSIGN_OR_RETURN(index::LiveSet live, load_live_set());
  // Readers may still hold versions with slots that are free now: none is used again before the
  // next open.
  freed_.clear();
  allocator_ = std::make_unique<SlotAllocator>(live, vectors()->file().slot_capacity());
  allocator_->take(allocator_->free_count(), true);
  publish(std::move(live), {}, commit);
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

size_t CollectionImpl::lane_count(const Version& version, size_t queries,
                                  const SearchOptions& options) const {
  const uint64_t pairs = version.live.slot_end() * queries;
  const size_t wanted =
      options.thread_count != 0 ? options.thread_count : database_->pool().thread_count() + 1;
  const size_t worth = static_cast<size_t>(std::max<uint64_t>(1, pairs / kPairsPerLane));
  return std::min({wanted, worth, database_->pool().thread_count() + 1});
}

Result<std::vector<std::vector<Neighbor>>> CollectionImpl::search(
    const MatrixView& queries, const SearchOptions& options) const {
  const auto start = std::chrono::steady_clock::now();
  ROX_RETURN_IF_ERROR(usable());
  ROX_RETURN_IF_ERROR(check_search_options(options));
  ROX_RETURN_IF_ERROR(check_vectors(queries, this->options()).status());
  const std::shared_ptr<const Version> version = this->version();
  if (version == nullptr) return usable();
  SearchStats stats;
  std::vector<std::vector<Neighbor>> results;
  results.reserve(queries.rows());
  const size_t lanes = lane_count(*version, queries.rows(), options);
  const size_t per_pass = std::clamp<size_t>(
      kCandidateBytesMax /
          (lanes * std::min<uint64_t>(options.k, version->live.count() + 1) * kCandidateBytes),
      1, kQueriesPerPassMax);
  for (size_t first = 0; first < queries.rows(); first += per_pass) {
    const size_t count = std::min(per_pass, queries.rows() - first);
    ROX_RETURN_IF_ERROR(
        search_block(*version, queries.slice(first, count), options, results, stats));
  }
  if (options.stats != nullptr) {
    options.stats->queries += queries.rows();
    options.stats->reads += stats.reads;
    options.stats->bytes_read += stats.bytes_read;
    options.stats->distance_computations += stats.distance_computations;
    options.stats->latency_us += microseconds_since(start);
  }
  return results;
}

Status CollectionImpl::search_block(const Version& version, const MatrixView& queries,
                                    const SearchOptions& options,
                                    std::vector<std::vector<Neighbor>>& results,
                                    SearchStats& stats) const {
  if (version.live.count() == 0) {
    results.resize(results.size() + queries.rows());
    return Status::ok();
  }
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (vectors == nullptr) return usable();
  const size_t lanes = lane_count(version, queries.rows(), options);
  index::ExactScan scan(queries, this->options().metric, options.k, lanes);
  index::ScanCost cost;
  const auto latest = [this]() -> std::shared_ptr<const index::LiveSet> {
    const std::shared_ptr<const Version> newest = this->version();
    if (newest == nullptr) return std::make_shared<index::LiveSet>();
    return {newest, &newest->live};
  };
  ROX_RETURN_IF_ERROR(
      vectors->scan_all(version.live, latest, database_->pool(), lanes, scan, cost));
  stats.reads += cost.reads;
  stats.bytes_read += cost.bytes_read;
  stats.distance_computations += scan.distance_computations();
  for (const auto& found : scan.finish()) {
    ROX_ASSIGN_OR_RETURN(auto neighbors, to_neighbors(version, found, options));
    results.push_back(std::move(neighbors));
  }
  return Status::ok();
}

Result<std::vector<Neighbor>> CollectionImpl::to_neighbors(
    const Version& version, const std::vector<index::ScanNeighbor>& found,
    const SearchOptions& options) const {
  const auto& store = database_->store();
  const auto look_up = [&](char table) {
    std::vector<std::string> keys;
    for (const auto& neighbor : found) {
      keys.push_back(schema::slot_key(table, id_, static_cast<uint32_t>(neighbor.id)));
    }
    return store->get_many(keys, version.snapshot.get());
  };
  std::vector<Neighbor> neighbors(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    neighbors[i].key = found[i].tag;
    neighbors[i].distance = found[i].distance;
  }
  if (this->options().key_type == KeyType::kString) {
    ROX_ASSIGN_OR_RETURN(auto keys, look_up('s'));
    for (size_t i = 0; i < found.size(); ++i) {
      if (!keys[i].has_value()) {
        return Status::corruption("kv: slot " + std::to_string(found[i].id) + " of collection " +
                                  name() + " has no key");
      }
      neighbors[i].key = Key(std::move(*keys[i]));
    }
  }
  if (options.with_payload) {
    ROX_ASSIGN_OR_RETURN(auto payloads, look_up('p'));
    for (size_t i = 0; i < found.size(); ++i) neighbors[i].payload = std::move(payloads[i]);
  }
  if (options.with_vector) {
    const std::shared_ptr<index::VectorStore> vectors = this->vectors();
    if (vectors == nullptr) return usable();
    for (size_t i = 0; i < found.size(); ++i) {
      Vector vector{this->options().type, std::vector<std::byte>(row_bytes())};
      ROX_RETURN_IF_ERROR(vectors->read(static_cast<uint32_t>(found[i].id), vector.bytes).status());
      neighbors[i].vector = std::move(vector);
    }
  }
  return neighbors;
}

Result<CollectionInfo> CollectionImpl::info() const {
  ROX_RETURN_IF_ERROR(usable());
  const std::shared_ptr<const Version> version = this->version();
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (version == nullptr || vectors == nullptr) return usable();
  CollectionInfo info;
  info.name = name();
  info.options = options();
  info.points = version->live.count();
  info.regime = "exact";
  ROX_ASSIGN_OR_RETURN(info.bytes_on_disk, vectors->file().allocated_bytes());
  info.bytes_in_memory =
      vectors->bytes_in_memory() + version->live.chunk_count() * sizeof(index::LiveChunk);
  info.slots = version->live.slot_end();
  return info;
}

}  // namespace roxanne::database
