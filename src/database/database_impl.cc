#include "database/database_impl.h"

#include <algorithm>
#include <chrono>

#include "base/status_macros.h"
#include "database/door.h"
#include "database/graph_maintainer.h"
#include "database/graph_upkeep.h"
#include "database/memory_limit.h"
#include "database/recovery.h"
#include "database/schema.h"
#include "database/seal.h"
#include "database/serving_graph.h"
#include "kernels/distance.h"

namespace roxanne::database {
namespace {

// Smaller collections are searched exactly: a walk through a graph is not faster there.
constexpr uint64_t kGraphPointsMin = 10'000;
// Durability::kGrouped: what a power cut can cost at most.
constexpr std::chrono::milliseconds kGroupedInterval{100};

constexpr int kReaderLockTries = 500;
constexpr uint32_t kThreadCountMax = 1024;

}  // namespace

DatabaseImpl::DatabaseImpl(std::string path, const DatabaseOptions& options)
    : options_(options),
      file_system_(options.file_system != nullptr ? *options.file_system
                                                  : storage::posix_file_system()),
      files_(file_system_, std::move(path)),
      committer_(std::make_unique<Committer>(*this)),
      index_builder_(std::make_unique<IndexBuilder>(*this)),
      maintainer_(std::make_unique<GraphMaintainer>(*this)) {
  if (options_.memory_limit_bytes == 0) options_.memory_limit_bytes = memory_of_process() / 2;
  if (options_.thread_count == 0) {
    options_.thread_count = static_cast<uint32_t>(base::processor_count());
  }
}

DatabaseImpl::~DatabaseImpl() = default;

Result<std::shared_ptr<DatabaseImpl>> DatabaseImpl::open(const std::string& path,
                                                         const DatabaseOptions& options) {
  if (path.empty()) return Status::invalid_argument("the database's path is empty");
  if (options.memory_limit_bytes != 0 && options.memory_limit_bytes < kMemoryLimitMin) {
    return Status::invalid_argument("memory_limit is " +
                                    std::to_string(options.memory_limit_bytes) +
                                    " bytes; it must be at least 32 MiB");
  }
  if (options.thread_count > kThreadCountMax) {
    return Status::invalid_argument("thread_count is " + std::to_string(options.thread_count) +
                                    "; it must be at most " + std::to_string(kThreadCountMax));
  }
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  std::shared_ptr<DatabaseImpl> database(new DatabaseImpl(trimmed, options));
  const Status opened = database->open_folder();
  if (!opened.is_ok()) {
    // Collections and their database hold each other until one lets go.
    for (const auto& collection : database->collections()) collection->retire();
    database->collections_.clear();
    return opened;
  }
  return database;
}

Status DatabaseImpl::open_folder() {
  ROX_ASSIGN_OR_RETURN(const bool exists, file_system_.exists(path() + "/FORMAT"));
  if (exists && options_.error_if_exists) {
    return Status::already_exists(path() + ": a database is there already");
  }
  if (!exists && (options_.read_only || !options_.create_if_missing)) {
    return Status::not_found(path() + ": no database there");
  }
  if (options_.read_only) {
    ROX_ASSIGN_OR_RETURN(lock_, lock_for_reading());
  } else {
    if (!exists) ROX_RETURN_IF_ERROR(files_.make_folder());
    ROX_ASSIGN_OR_RETURN(lock_, file_system_.lock(path() + "/LOCK", storage::LockMode::kExclusive));
  }
  if (exists) {
    ROX_ASSIGN_OR_RETURN(format_version_, files_.read_format());
  }
  ROX_ASSIGN_OR_RETURN(seal_, check_seal(file_system_, path()));
  if (!options_.read_only) ROX_RETURN_IF_ERROR(remove_seal(file_system_, path()));

  fit_heap(options_.memory_limit_bytes);
  const MemoryShares shares = share_memory(options_.memory_limit_bytes);
  budget_ = std::make_unique<index::MemoryBudget>(shares.vectors_bytes);
  pool_ = std::make_unique<base::ThreadPool>(options_.thread_count - 1);
  ROX_RETURN_IF_ERROR(open_store(!exists));
  ROX_RETURN_IF_ERROR(load_catalogue());
  ROX_RETURN_IF_ERROR(recover());
  if (!exists) ROX_RETURN_IF_ERROR(files_.write_format());
  if (!options_.read_only && options_.durability == Durability::kGrouped) {
    syncer_ = std::thread([this] { sync_in_background(); });
  }
  if (!options_.read_only && options_.automatic_index) {
    index_builder_->start();
    maintainer_->start();
  }
  return Status::ok();
}

// A writer looks at this lock now and then, for a moment: then trying again helps.
Result<std::unique_ptr<storage::FileLock>> DatabaseImpl::lock_for_reading() const {
  Status status;
  for (int i = 0; i < kReaderLockTries; ++i) {
    auto lock = file_system_.lock(path() + "/READERS", storage::LockMode::kShared);
    if (lock.is_ok()) return lock;
    status = lock.status();
    if (status.code() != StatusCode::kLocked) break;
    file_system_.sleep_us(1000);
  }
  return status;
}

Status DatabaseImpl::upgrade_format() {
  if (format_version_ == kFormatVersion) return Status::ok();
  ROX_RETURN_IF_ERROR(files_.write_format());
  format_version_ = kFormatVersion;
  return Status::ok();
}

Status DatabaseImpl::open_store(bool is_new) {
  const auto store = storage::KeyValueStore::open(
      file_system_, files_.store_path(),
      {.create_if_missing = is_new,
       .read_only = options_.read_only,
       .memory_bytes = share_memory(options_.memory_limit_bytes).store_bytes});
  if (!store.is_ok()) {
    // A file that should be there and is not, is damage.
    if (store.status().code() == StatusCode::kNotFound ||
        store.status().code() == StatusCode::kInvalidArgument) {
      return Status::corruption(store.status().message());
    }
    return store.status();
  }
  store_ = *store;
  return Status::ok();
}

Status DatabaseImpl::load_catalogue() {
  auto cursor = store_->scan(schema::kCollectionTable);
  for (; cursor.valid(); cursor.next()) {
    if (cursor.key().size() != schema::collection_key(0).size()) {
      return Status::corruption("kv: a collection's key is malformed");
    }
    const std::string key(cursor.key());
    uint32_t id = 0;
    for (size_t i = 1; i < key.size(); ++i) id = (id << 8) | static_cast<uint8_t>(key[i]);
    ROX_ASSIGN_OR_RETURN(schema::CollectionRecord record, schema::decode_record(cursor.value()));
    const std::string name = record.name;
    auto collection = std::make_shared<CollectionImpl>(id, std::move(record), shared_from_this());
    std::lock_guard lock(catalogue_mutex_);
    collections_[name] = std::move(collection);
  }
  ROX_RETURN_IF_ERROR(cursor.status());
  for (const auto& collection : collections()) collection->open();
  return Status::ok();
}

Status DatabaseImpl::recover() {
  if (!options_.read_only) ROX_RETURN_IF_ERROR(remove_orphans());
  for (const auto& collection : collections()) {
    if (!collection->open_status().is_ok()) continue;
    ROX_RETURN_IF_ERROR(replay_redo(*this, *collection));
  }
  return Status::ok();
}

// What no reader elsewhere needs any more, and the catalogue does not name.
Status DatabaseImpl::remove_orphans() {
  if (!no_readers_elsewhere()) return Status::ok();
  const auto all = collections();
  ROX_RETURN_IF_ERROR(files_.remove_collections_but([&](uint32_t id) {
    return std::any_of(all.begin(), all.end(), [&](const auto& c) { return c->id() == id; });
  }));
  for (const auto& collection : all) {
    if (!collection->open_status().is_ok()) continue;
    ROX_RETURN_IF_ERROR(remove_stale_graphs(*collection));
  }
  return Status::ok();
}

Status DatabaseImpl::remove_stale_graphs(const CollectionImpl& collection) {
  const auto record = collection.graph_record();
  // A record that this build cannot read may name any of them.
  if (!record.has_value() && !collection.index_error().empty()) return Status::ok();
  return files_.remove_graphs_but(collection.id(), record);
}

uint64_t DatabaseImpl::index_points_min() const {
  return options_.index_points_min != 0 ? options_.index_points_min : kGraphPointsMin;
}

std::optional<index::MemoryReservation> DatabaseImpl::reserve_memory(uint64_t bytes) {
  if (bytes > budget_->limit()) return std::nullopt;
  if (budget_->take(bytes)) return index::MemoryReservation(*budget_, bytes);
  uint64_t cached = 0;
  std::vector<std::shared_ptr<index::VectorStore>> stores;
  std::vector<std::shared_ptr<const ServingGraph>> graphs;
  for (const auto& collection : collections()) {
    if (const auto vectors = collection->vectors(); vectors != nullptr) {
      cached += vectors->bytes_in_memory();
      stores.push_back(vectors);
    }
    const auto version = collection->version();
    if (version == nullptr || version->graph == nullptr) continue;
    cached += version->graph->cache_bytes();
    graphs.push_back(version->graph);
  }
  if (cached + budget_->left() < bytes) return std::nullopt;
  // Running scans keep dropped blocks for a moment. Pages go last: searches want them again.
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    for (const auto& vectors : stores) vectors->drop_cached_blocks();
    if (budget_->take(bytes)) return index::MemoryReservation(*budget_, bytes);
    for (size_t g = 0; i > 0 && g < graphs.size(); ++g) {
      const uint64_t left = budget_->left();
      if (left < bytes) graphs[g]->shrink_cache(bytes - left);
    }
    if (budget_->take(bytes)) return index::MemoryReservation(*budget_, bytes);
    file_system_.sleep_us(1000);
  }
  return std::nullopt;
}

// Each process that writes leaves another seal, or none.
bool DatabaseImpl::is_as_it_was_opened() const {
  return !seal_.empty() && read_seal(file_system_, path()) == seal_;
}

bool DatabaseImpl::no_readers_elsewhere() const {
  const Result<bool> locked = file_system_.is_locked(path() + "/READERS");
  return locked.is_ok() && !*locked;
}

Status DatabaseImpl::check_writable() const {
  if (closed_) return Status::not_found("the database is closed");
  if (options_.read_only) return Status::read_only(path() + " is open read-only");
  return committer_->failure();
}

Status DatabaseImpl::flush() {
  ROX_RETURN_IF_ERROR(check_writable());
  return committer_->sync_commits();
}

Status DatabaseImpl::close() {
  if (closed_.exchange(true)) return Status::ok();
  index_builder_->stop();
  maintainer_->stop();
  if (syncer_.joinable()) {
    {
      std::lock_guard lock(syncer_mutex_);
      syncer_stops_ = true;
    }
    syncer_wakes_.notify_all();
    syncer_.join();
  }
  Status status;
  if (!options_.read_only) {
    status = close_graphs();
    const auto last = [this]() -> Status {
      ROX_RETURN_IF_ERROR(committer_->checkpoint());
      for (const auto& collection : collections()) {
        if (collection->vectors() != nullptr) collection->give_reserve_back();
      }
      return Status::ok();
    };
    if (status.is_ok()) status = committer_->run_alone(last);
  }
  std::map<std::string, std::shared_ptr<CollectionImpl>, std::less<>> collections;
  {
    std::lock_guard lock(catalogue_mutex_);
    collections.swap(collections_);
  }
  for (const auto& [name, collection] : collections) collection->retire();
  // After the versions' snapshots are gone, so that what was erased is not written once more.
  if (!options_.read_only && status.is_ok()) status = store_->flush();
  if (!options_.read_only && status.is_ok()) status = store_->sync_log();
  // A scan that was left open keeps the store; then there is no seal, which costs a check only.
  const bool is_last = store_.use_count() == 1;
  if (is_last && !options_.read_only) {
    const Status closed = store_->close();
    if (status.is_ok()) status = closed;
  }
  // Nor where the store failed to write a file, although its log has everything. After close():
  // until then more may fail.
  const bool is_whole = store_->background_failure().is_ok();
  store_.reset();
  if (is_last && is_whole && status.is_ok() && !options_.read_only) {
    status = write_seal(file_system_, path());
  }
  lock_.reset();
  return status;
}

// What is in a graph then need not be put in again by the next open.
Status DatabaseImpl::close_graphs() {
  for (const auto& collection : collections()) {
    const auto held = collection->upkeep().hold();
    collection->upkeep().close();
  }
  return committer_->failure();
}

void DatabaseImpl::sync_in_background() {
  std::unique_lock lock(syncer_mutex_);
  uint64_t synced = 0;
  while (!syncer_wakes_.wait_for(lock, kGroupedInterval, [this] { return syncer_stops_; })) {
    const uint64_t commits = committer_->commits();
    if (commits == synced) continue;
    // A failure stops later writes, whose callers are told.
    if (!committer_->sync_commits().is_ok()) return;
    synced = commits;
  }
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::create_collection(
    std::string_view name, const CollectionOptions& options) {
  ROX_RETURN_IF_ERROR(check_writable());
  ROX_RETURN_IF_ERROR(check_collection_name(name));
  ROX_RETURN_IF_ERROR(check_collection_options(options));
  std::shared_ptr<CollectionImpl> result;
  const Status status = committer_->run_alone([&]() -> Status {
    {
      std::lock_guard lock(catalogue_mutex_);
      if (collections_.find(name) != collections_.end()) {
        return Status::already_exists("collection " + std::string(name) + " is there already");
      }
    }
    ROX_ASSIGN_OR_RETURN(const auto next, store_->get(schema::kNextCollectionId));
    uint32_t id = 1;
    if (next.has_value()) {
      ROX_ASSIGN_OR_RETURN(id, schema::decode_u32(*next));
    }
    auto collection = std::make_shared<CollectionImpl>(
        id, schema::CollectionRecord{std::string(name), options}, shared_from_this());
    // The files are there, durable, before the catalogue names them. Keeps D4.
    ROX_RETURN_IF_ERROR(files_.create_collection(id, collection->row_bytes()));
    storage::WriteBatch batch;
    batch.put(schema::kNextCollectionId, schema::encode_u32(id + 1));
    batch.put(schema::collection_key(id), schema::encode_record({std::string(name), options}));
    const Status written = store_->write(batch, true);
    if (!written.is_ok()) {
      committer_->fail(written);
      return written;
    }
    // From here on the collection is there, even where it does not open just now.
    collection->open();
    {
      std::lock_guard lock(catalogue_mutex_);
      collections_[std::string(name)] = collection;
    }
    ROX_RETURN_IF_ERROR(collection->open_status());
    result = std::move(collection);
    return Status::ok();
  });
  ROX_RETURN_IF_ERROR(status);
  return result;
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::collection(std::string_view name) const {
  if (closed_) return Status::not_found("the database is closed");
  std::lock_guard lock(catalogue_mutex_);
  const auto found = collections_.find(name);
  if (found == collections_.end()) {
    return Status::not_found(path() + ": no collection " + std::string(name));
  }
  ROX_RETURN_IF_ERROR(found->second->open_status());
  return found->second;
}

Status DatabaseImpl::drop_collection(std::string_view name) {
  ROX_RETURN_IF_ERROR(check_writable());
  // What a build writes into the folder must not come back after it is removed.
  const auto doomed = this->collection(name);
  std::optional<IndexBuilder::Ban> ban;
  std::unique_lock<std::mutex> held;
  if (doomed.is_ok()) {
    ban.emplace(*index_builder_, (*doomed)->id());
    held = (*doomed)->upkeep().hold();
    (*doomed)->upkeep().let_go();
  }
  return committer_->run_alone([&]() -> Status {
    std::shared_ptr<CollectionImpl> collection;
    {
      std::lock_guard lock(catalogue_mutex_);
      const auto found = collections_.find(name);
      if (found == collections_.end()) {
        return Status::not_found(path() + ": no collection " + std::string(name));
      }
      collection = found->second;
    }
    const uint32_t id = collection->id();
    storage::WriteBatch batch;
    batch.erase(schema::collection_key(id));
    for (const char table : {'k', 's', 'p', 'l', 'r', 'g'}) {
      batch.erase_range(schema::table_prefix(table, id), schema::table_end(table, id));
    }
    const Status written = store_->write(batch, true);
    if (!written.is_ok()) {
      committer_->fail(written);
      return written;
    }
    {
      std::lock_guard lock(catalogue_mutex_);
      collections_.erase(collections_.find(name));
    }
    collection->retire();
    // A reader elsewhere that has just opened the folder may still need the files. What is left of
    // them, here or after a crash, a later open removes.
    return no_readers_elsewhere() ? files_.remove_collection(id) : Status::ok();
  });
}

std::vector<std::string> DatabaseImpl::collection_names() const {
  std::lock_guard lock(catalogue_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, collection] : collections_) names.push_back(name);
  return names;
}

std::vector<std::shared_ptr<CollectionImpl>> DatabaseImpl::collections() const {
  std::lock_guard lock(catalogue_mutex_);
  std::vector<std::shared_ptr<CollectionImpl>> all;
  for (const auto& [name, collection] : collections_) all.push_back(collection);
  return all;
}

Result<DatabaseInfo> DatabaseImpl::info() const {
  if (closed_) return Status::not_found("the database is closed");
  DatabaseInfo info;
  info.path = path();
  info.format_version = format_version_;
  info.memory_limit_bytes = options_.memory_limit_bytes;
  info.redo_bytes = committer_->redo_bytes();
  info.isa = kernels::kernels().isa;
  info.memory.push_back({"store", store_->bytes_in_memory()});
  info.memory_used_bytes = info.memory.front().bytes;
  info.resident_set_bytes = resident_set_of_process();
  const Status failure = committer_->failure();
  info.read_only = options_.read_only || !failure.is_ok();
  info.write_error = failure.message();
  for (const auto& collection : collections()) {
    auto one = collection->info();
    if (one.status().code() == StatusCode::kNotFound) continue;  // dropped just now
    if (!one.is_ok()) {
      info.collections.push_back(
          {.name = collection->name(), .options = collection->options(), .regime = "damaged"});
      continue;
    }
    info.bytes_on_disk += one->bytes_on_disk;
    info.memory_used_bytes += one->bytes_in_memory;
    info.collections.push_back(std::move(*one));
  }
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(files_.store_path()));
  for (const std::string& name : names) {
    const auto size = file_system_.file_size(files_.store_path() + "/" + name);
    if (size.is_ok()) info.bytes_on_disk += *size;  // a file may go while we look
  }
  return info;
}

}  // namespace roxanne::database
