#include "database/collection_impl.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/door.h"

namespace roxanne::database {
namespace {

// A collection that shrinks keeps its graph until it is this much smaller than one that gets one.
constexpr uint64_t kShrinkFactor = 2;

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
  ROX_RETURN_IF_ERROR(load_graph_record(file->slot_capacity()));
  allocator_ = std::make_unique<SlotAllocator>(index::united(live, named_), file->slot_capacity());
  resting_ = index::slots_of(index::without(named_, live));
  ROX_ASSIGN_OR_RETURN(const auto last,
                       database_->store()->last_key(schema::table_prefix('k', id_)));
  if (last.has_value()) note_key(last->substr(schema::table_prefix('k', id_).size()));
  vectors_ = std::make_shared<index::VectorStore>(std::move(file), database_->budget());
  publish(std::move(live), {}, 0);
  return Status::ok();
}

// A graph is derived data: a record that cannot be read costs speed, not the collection.
Status CollectionImpl::load_graph_record(uint64_t slot_capacity) {
  ROX_ASSIGN_OR_RETURN(const auto bytes, database_->store()->get(schema::graph_key(id_)));
  if (!bytes.has_value()) return Status::ok();
  const auto record = schema::decode_graph_record(*bytes);
  uint64_t slot_end = slot_capacity;
  if (record.is_ok()) {
    std::lock_guard lock(mutex_);
    graph_record_ = *record;
    slot_end = std::min<uint64_t>(record->slot_end, slot_capacity);
    graph_waits_ = true;
  } else {
    set_index_error(record.status().message());
  }
  named_ = index::set_of_slots_below(slot_end);
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
    rest_or_give_back(freed_.front().slots);
    freed_.pop_front();
  }
}

// Keeps D8.
void CollectionImpl::rest_or_give_back(const std::vector<uint32_t>& slots) {
  std::vector<uint32_t> free;
  for (const uint32_t slot : slots) (named_.contains(slot) ? resting_ : free).push_back(slot);
  allocator_->give_back(free);
}

std::vector<uint32_t> CollectionImpl::take_slots(size_t count) {
  release_freed_slots();
  const bool reuse = allocator_->free_count() > 0 && database_->no_readers_elsewhere();
  return allocator_->take(count, reuse);
}

void CollectionImpl::publish(index::LiveSet live, std::vector<uint32_t> freed, uint64_t commit) {
  auto version = std::make_shared<Version>();
  version->live = std::move(live);
  if (graph_ != nullptr && is_worth_a_graph(version->live.count())) {
    version->graph = graph_;
    version->tail = tail_of(version->live, this->version().get());
  }
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

bool CollectionImpl::is_worth_a_graph(uint64_t points) const {
  return points > 0 && points >= database_->index_points_min() / kShrinkFactor;
}

// The live slots that graph_ does not name. Only chunks that changed since `previous` are looked at
// where it had the same graph.
index::LiveSet CollectionImpl::tail_of(const index::LiveSet& live, const Version* previous) const {
  if (previous == nullptr || previous->graph != graph_) {
    return index::without(live, graph_->named);
  }
  index::LiveSet tail = previous->tail;
  for (size_t chunk = 0; chunk < live.chunk_count(); ++chunk) {
    if (live.chunk_words(chunk) == previous->live.chunk_words(chunk)) continue;
    tail.set_chunk(chunk, index::chunk_without(live, graph_->named, chunk));
  }
  return tail;
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
  resting_.clear();
  allocator_ = std::make_unique<SlotAllocator>(live, vectors()->file().slot_capacity());
  allocator_->take(allocator_->free_count(), true);
  publish(std::move(live), {}, commit);
  return Status::ok();
}

std::optional<schema::GraphRecord> CollectionImpl::graph_record() const {
  std::lock_guard lock(mutex_);
  return graph_record_;
}

bool CollectionImpl::may_become_resident(const Version& version) const {
  const std::optional<schema::GraphRecord> record = graph_record();
  if (!record.has_value() || record->resident.exists()) return false;
  if (version.graph == nullptr || version.graph->disk == nullptr || version.tail.count() > 0 ||
      version.graph->node_count() != version.live.count()) {
    return false;
  }
  const uint64_t points = version.live.count();
  const uint64_t least = points * (row_bytes() + sizeof(uint64_t) + sizeof(uint32_t)) +
                         index::resident_bytes(options(), points).least +
                         index::build_bytes_least(options(), points);
  // The disk form's cache is given back, but it serves until the other is there.
  const uint64_t cache = version.graph->disk->cache_bytes();
  return least <= database_->budget().left() + cache;
}

std::string CollectionImpl::index_error() const {
  std::lock_guard lock(mutex_);
  return index_error_;
}

void CollectionImpl::set_index_error(const std::string& why) {
  std::lock_guard lock(mutex_);
  index_error_ = why;
}

void CollectionImpl::load_waiting_graph() {
  if (!graph_waits_) return;
  std::lock_guard lock(graph_load_mutex_);
  if (!graph_waits_) return;
  const schema::GraphRecord record = *graph_record();
  const auto load = [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(GraphChoice choice, choose_graph(*this, record));
    ROX_ASSIGN_OR_RETURN(auto graph, load_graph(*this, record, std::move(choice)));
    return database_->committer().run_alone([&]() -> Status {
      ROX_RETURN_IF_ERROR(usable());
      const auto newest = graph_record();  // a repair may have taken it back
      if (!newest.has_value() || newest->file_number != record.file_number) return Status::ok();
      serve_graph(std::move(graph), record, database_->committer().commits());
      return Status::ok();
    });
  };
  const Status loaded = load();
  if (!loaded.is_ok()) set_index_error(loaded.message());
  graph_waits_ = false;
}

void CollectionImpl::serve_graph(std::shared_ptr<const ServingGraph> graph,
                                 const schema::GraphRecord& record, uint64_t commit) {
  {
    std::lock_guard lock(mutex_);
    graph_record_ = record;
    index_error_.clear();
  }
  graph_ = std::move(graph);
  named_ = graph_->named;
  // What the graph before named alone may be written from now on: the store does not name it, and
  // versions that still do know these slots as dead.
  rest_or_give_back(std::exchange(resting_, {}));
  refresh(commit);
}

std::weak_ptr<const ServingGraph> CollectionImpl::stop_serving(uint64_t commit) {
  const std::weak_ptr<const ServingGraph> graph = std::exchange(graph_, nullptr);
  refresh(commit);
  return graph;
}

void CollectionImpl::forget_graph(uint64_t commit) {
  {
    std::lock_guard lock(mutex_);
    graph_record_.reset();
  }
  graph_waits_ = false;
  graph_ = nullptr;
  named_ = index::LiveSet();
  rest_or_give_back(std::exchange(resting_, {}));
  refresh(commit);
}

void CollectionImpl::let_graph_wait() {
  if (graph_record().has_value()) graph_waits_ = true;
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
  info.slots = version->live.slot_end();
  info.index_error = index_error();
  fill_index_info(*version, info);
  info.memory = memory_parts(*version, *vectors);
  for (const MemoryPart& part : info.memory) info.bytes_in_memory += part.bytes;
  return info;
}

namespace {

void add_graph_parts(const ServingGraph& graph, std::vector<MemoryPart>& parts) {
  if (graph.resident != nullptr) {
    parts.push_back({"graph", graph.resident->bytes_in_memory()});
    return;
  }
  const index::DiskMemory memory = graph.disk->memory();
  parts.push_back({"codes", memory.codes});
  parts.push_back({"cells", memory.cells});
  parts.push_back({"page map", memory.page_map});
  parts.push_back({"page cache", graph.disk->cache_bytes()});
  parts.push_back({"search buffers", memory.search_buffers});
}

}  // namespace

std::vector<MemoryPart> CollectionImpl::memory_parts(const Version& version,
                                                     const index::VectorStore& vectors) {
  std::vector<MemoryPart> parts;
  uint64_t live_sets = version.live.bytes_in_memory();
  parts.push_back({"vectors", vectors.bytes_in_memory()});
  if (version.graph != nullptr) {
    add_graph_parts(*version.graph, parts);
    live_sets += version.graph->named.bytes_in_memory() + version.tail.bytes_in_memory();
  }
  parts.push_back({"live sets", live_sets});
  return parts;
}

// A graph that no search has loaded yet is told from its record.
void CollectionImpl::fill_index_info(const Version& version, CollectionInfo& info) const {
  const std::optional<schema::GraphRecord> record = graph_record();
  if (!record.has_value()) return;
  info.index.max_degree = record->max_degree;
  info.index.bytes_on_disk = record->resident.file_bytes + record->disk.file_bytes;
  info.bytes_on_disk += info.index.bytes_on_disk;
  const auto serve = [&](const schema::GraphForm& form) {
    info.regime = &form == &record->resident ? "resident" : "disk";
    info.index.search_list_size = form.search_list_size;
  };
  if (version.graph != nullptr) {
    serve(version.graph->resident != nullptr ? record->resident : record->disk);
    info.index.points = version.live.count() - version.tail.count();
    info.index.bytes_in_memory = version.graph->memory.bytes();
    return;
  }
  info.index.search_list_size =
      (record->resident.exists() ? record->resident : record->disk).search_list_size;
  info.index.points = std::min<uint64_t>(record->node_count, info.points);
  if (!graph_waits_ || !is_worth_a_graph(info.points)) return;
  const uint64_t limit = database_->budget().limit();
  const schema::GraphForm* form = nullptr;
  for (const schema::GraphForm* one : {&record->disk, &record->resident}) {
    if (one->exists() && bytes_to_serve(*this, *record, *one) <= limit) form = one;
  }
  if (form == nullptr) {
    const uint64_t least =
        bytes_to_serve(*this, *record, record->disk.exists() ? record->disk : record->resident);
    info.index_error = "the graph takes " + std::to_string(least) +
                       " bytes of memory; the memory limit allows " + std::to_string(limit);
    return;
  }
  const auto paths = database_->graph_paths(id_, record->file_number);
  const bool is_resident = form == &record->resident;
  uint64_t bytes = 0;
  for (const std::string& path :
       is_resident ? std::vector<std::string>{paths.resident}
                   : std::vector<std::string>{paths.disk.pages, paths.disk.codes}) {
    const Result<uint64_t> size = database_->file_system().file_size(path);
    if (size.is_ok()) bytes += *size;
  }
  if (bytes != form->file_bytes) {
    info.index_error = (is_resident ? paths.resident : paths.disk.pages) +
                       ": missing or of another size than the store says";
    return;
  }
  serve(*form);
}

}  // namespace roxanne::database
