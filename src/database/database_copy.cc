#include "database/database_copy.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_upkeep.h"
#include "database/seal.h"
#include "index/disk_copy.h"
#include "storage/file_copier.h"
#include "storage/row_file.h"
#include "storage/small_file.h"

namespace roxanne::database {
namespace {

constexpr uint64_t kFormatBytesMax = 4096;

// The folder that is filled. What was put there is removed again unless keep() was called.
class CopyFolder {
 public:
  CopyFolder(storage::FileSystem& file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}
  CopyFolder(const CopyFolder&) = delete;
  CopyFolder& operator=(const CopyFolder&) = delete;
  ~CopyFolder() {
    if (lock_ != nullptr && !kept_) (void)remove_all();
  }

  const std::string& path() const { return path_; }

  // Nobody else fills or opens it from here on.
  Status make() {
    const size_t slash = path_.rfind('/');
    parent_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    ROX_ASSIGN_OR_RETURN(const bool parent_there, file_system_.is_directory(parent_));
    if (!parent_there) return Status::not_found(parent_ + ": no such folder to make a copy in");
    ROX_ASSIGN_OR_RETURN(was_there_, file_system_.exists(path_));
    if (was_there_) ROX_RETURN_IF_ERROR(check_empty(0));
    ROX_RETURN_IF_ERROR(file_system_.create_directory(path_));
    auto lock = file_system_.lock(path_ + "/LOCK", storage::LockMode::kExclusive);
    if (!lock.is_ok()) {
      if (!was_there_) (void)file_system_.remove_directory(path_);  // unless another uses it
      return lock.status();
    }
    // Another may have filled it since the first look.
    ROX_RETURN_IF_ERROR(check_empty(1));
    lock_ = *std::move(lock);
    ROX_RETURN_IF_ERROR(file_system_.sync_directory(parent_));
    ROX_RETURN_IF_ERROR(
        file_system_.open(path_ + "/READERS", storage::OpenMode::kReadWrite).status());
    ROX_RETURN_IF_ERROR(file_system_.create_directory(path_ + "/collections"));
    return file_system_.create_directory(path_ + "/kv.tmp");
  }

  void keep() { kept_ = true; }

 private:
  Status check_empty(size_t files_of_ours) const {
    ROX_ASSIGN_OR_RETURN(const bool is_directory, file_system_.is_directory(path_));
    if (!is_directory) return Status::already_exists(path_ + ": a file is there already");
    ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(path_));
    if (names.size() <= files_of_ours) return Status::ok();
    return Status::already_exists(path_ + ": the folder is not empty");
  }

  // FORMAT first: from then on there is no database.
  Status remove_all() {
    for (const char* name : {"FORMAT", "FORMAT.tmp", "SEAL", "SEAL.tmp", "READERS"}) {
      ROX_ASSIGN_OR_RETURN(const bool there, file_system_.exists(path_ + "/" + name));
      if (there) ROX_RETURN_IF_ERROR(file_system_.remove(path_ + "/" + name));
    }
    for (const char* name : {"kv", "kv.tmp", "collections"}) {
      ROX_RETURN_IF_ERROR(storage::remove_tree(file_system_, path_ + "/" + name));
    }
    lock_.reset();
    ROX_RETURN_IF_ERROR(file_system_.remove(path_ + "/LOCK"));
    return was_there_ ? Status::ok() : file_system_.remove_directory(path_);
  }

  storage::FileSystem& file_system_;
  const std::string path_;
  std::string parent_;
  std::unique_ptr<storage::FileLock> lock_;  // from when on the folder is ours
  bool was_there_ = false;
  bool kept_ = false;
};

class DatabaseCopy {
 public:
  DatabaseCopy(DatabaseImpl& database, const std::string& path, const SnapshotOptions& options)
      : database_(database),
        store_(database.store()),
        folder_(database.file_system(), path),
        copier_(database.file_system(), [this, &options](uint64_t bytes) {
          if (!options.progress) return true;
          const double whole = static_cast<double>(std::max<uint64_t>(1, bytes_total_));
          return options.progress(std::min(1.0, static_cast<double>(bytes) / whole));
        }) {}

  Result<SnapshotReport> run() {
    // Held until the end, like a reader elsewhere: no slot that was freed is written, no file of
    // the folder removed. Keeps D5.
    ROX_ASSIGN_OR_RETURN(const auto readers_lock, database_.lock_for_reading());
    ROX_RETURN_IF_ERROR(folder_.make());
    ROX_RETURN_IF_ERROR(take_moment());
    ROX_RETURN_IF_ERROR(copy_store());
    for (const Captured& captured : captured_) ROX_RETURN_IF_ERROR(copy_collection(captured));
    ROX_RETURN_IF_ERROR(file_system().sync_directory(folder_.path() + "/collections"));
    ROX_RETURN_IF_ERROR(finish());
    report_.bytes_copied = copier_.bytes_copied();
    report_.bytes_shared = copier_.bytes_shared();
    return report_;
  }

 private:
  // A collection at the moment of the copy.
  struct Captured {
    std::shared_ptr<CollectionImpl> collection;
    std::shared_ptr<const Version> version;
    std::shared_ptr<index::VectorStore> vectors;
    std::optional<schema::GraphRecord> graph;
    std::unique_ptr<index::DiskCheckpoint> disk_form = nullptr;  // where it changes in place
    bool has_pages = false;  // the copy has those of disk_form already
  };

  storage::FileSystem& file_system() const { return database_.file_system(); }

  // Graphs stand still at the moment of the copy, so that it has of each the checkpoint that
  // belongs to the store's record of it. Keeps D8: a slot that a checkpoint in force names is
  // written by nobody, so in the captured version it is the node's point or dead; and what is dead
  // the copy's opener lets rest, since the copied vectors file is as long as this one. That graphs
  // change afterwards, checkpoints and all, changes nothing: the files of a checkpoint stay while
  // others read the folder, which is what this looks like.
  Status take_moment() {
    while (true) {
      const auto collections = database_.collections();
      std::vector<std::unique_lock<std::mutex>> held;
      for (const auto& collection : collections) {
        held.push_back(collection->upkeep().hold());
        // Less for the copy's opener to do again. Where it fails, the last one serves.
        (void)collection->upkeep().checkpoint();
      }
      bool are_all_held = false;
      ROX_RETURN_IF_ERROR(database_.committer().run_alone([&]() -> Status {
        are_all_held = database_.collections() == collections;
        return are_all_held ? capture(collections) : Status::ok();
      }));
      if (!are_all_held) continue;  // one came meanwhile
      for (Captured& captured : captured_) ROX_RETURN_IF_ERROR(hold_graph(captured));
      return Status::ok();
    }
  }

  // The moment: no commit is under way. Takes no time that depends on how much there is.
  Status capture(const std::vector<std::shared_ptr<CollectionImpl>>& collections) {
    if (database_.is_closed()) return Status::not_found("the database is closed");
    for (const auto& collection : collections) {
      ROX_RETURN_IF_ERROR(collection->usable());
      captured_.push_back(
          {collection, collection->version(), collection->vectors(), collection->graph_record()});
      ++report_.collections;
      report_.points += captured_.back().version->live.count();
      ROX_ASSIGN_OR_RETURN(
          const uint64_t bytes,
          file_system().file_size(database_.files().vectors_path(collection->id())));
      bytes_total_ += bytes;
    }
    // After a failed write it is not known what the store's files hold; what it has in memory is.
    // Keeps D6. Beside another process that writes, they come and go.
    const bool may_hold_files = !database_.options().read_only &&
                                database_.committer().failure().is_ok() &&
                                store_->background_failure().is_ok();
    if (may_hold_files) {
      ROX_ASSIGN_OR_RETURN(store_files_, store_->hold_files());
      bytes_total_ += store_files_->bytes();
    } else {
      store_snapshot_ = std::make_unique<storage::KeyValueStore::Snapshot>(store_);
    }
    return Status::ok();
  }

  // Finds the checkpoint of a disk form that changes in place, and shares its pages where the file
  // system can: that must be done before they change.
  Status hold_graph(Captured& captured) {
    if (!captured.graph.has_value()) return Status::ok();
    schema::GraphRecord& record = *captured.graph;
    bytes_total_ += record.resident.file_bytes;
    if (!record.disk.exists()) return Status::ok();
    if (!record.is_changeable) {
      bytes_total_ += record.disk.file_bytes;
      return Status::ok();
    }
    const uint32_t id = captured.collection->id();
    const index::DiskPaths paths = database_.files().graph_paths(id, record.file_number).disk;
    auto opened = index::DiskCheckpoint::open(file_system(), paths);
    if (!opened.is_ok()) return unless_damaged(opened.status());
    captured.disk_form = *std::move(opened);
    bytes_total_ += captured.disk_form->bytes();
    if (database_.options().read_only) {
      // Who writes may have given up the image, and changed what it was made of, since this process
      // has looked. Then the copy has the disk form alone.
      if (record.resident.exists() && !database_.is_as_it_was_opened()) {
        record.resident = {};
        changed_records_.put(schema::graph_key(id), schema::encode_graph_record(record));
      }
      return Status::ok();
    }
    ROX_RETURN_IF_ERROR(
        file_system().create_directory(moved(database_.files().collection_path(id))));
    ROX_ASSIGN_OR_RETURN(captured.has_pages,
                         captured.disk_form->clone_pages(moved(paths), copier_));
    return Status::ok();
  }

  // First: while its files are held, the store's folder only grows.
  Status copy_store() {
    const std::string folder = folder_.path() + "/kv.tmp";
    ROX_RETURN_IF_ERROR(
        store_files_ != nullptr
            ? store_files_->copy_to(folder, copier_)
            : store_->copy_contents(*store_snapshot_, changed_records_, folder, copier_));
    store_files_.reset();
    store_snapshot_.reset();
    return file_system().sync_directory(folder);
  }

  // Where a file of the source lies in the copy.
  std::string moved(const std::string& path) const {
    return folder_.path() + path.substr(database_.path().size());
  }
  index::DiskPaths moved(const index::DiskPaths& paths) const {
    return {moved(paths.pages), moved(paths.codes)};
  }

  Status copy_collection(const Captured& captured) {
    const uint32_t id = captured.collection->id();
    const std::string folder = moved(database_.files().collection_path(id));
    ROX_RETURN_IF_ERROR(file_system().create_directory(folder));
    ROX_RETURN_IF_ERROR(copy_vectors(captured));
    if (captured.graph.has_value()) ROX_RETURN_IF_ERROR(copy_graph(id, captured));
    return file_system().sync_directory(folder);
  }

  // Rows of the captured version are not written while it is held (D5), and those of one that is
  // being read were written before it was captured; for what a reader does not find in the file yet
  // there are redo records in the store's copy.
  Status copy_vectors(const Captured& captured) {
    const std::string from = database_.files().vectors_path(captured.collection->id());
    const std::string to = moved(from);
    const storage::RowFile& source = captured.vectors->file();
    ROX_ASSIGN_OR_RETURN(const uint64_t bytes, source.size());
    ROX_ASSIGN_OR_RETURN(const bool cloned, copier_.clone(from, to, bytes));
    if (cloned) return Status::ok();
    const storage::RowLayout& layout = source.layout();
    const std::vector<uint64_t> blocks = blocks_in_use(captured.version->live, layout);
    ROX_RETURN_IF_ERROR(
        copier_.check_space(folder_.path(), (blocks.size() + 1) * layout.block_bytes));
    ROX_ASSIGN_OR_RETURN(const auto target,
                         storage::RowFile::create(file_system(), to, layout.row_bytes));
    base::AlignedBuffer buffer(layout.block_bytes);
    for (const uint64_t block : blocks) {
      ROX_RETURN_IF_ERROR(
          captured.vectors->read_block(block, captured.version->live, buffer.span()));
      ROX_RETURN_IF_ERROR(target->write_block(block, buffer.span()));
      ROX_RETURN_IF_ERROR(copier_.note_copied(layout.block_bytes));
    }
    // Slots that a graph names are not to be taken for new ones. Keeps D8.
    ROX_RETURN_IF_ERROR(target->lengthen(bytes));
    return target->sync();
  }

  static std::vector<uint64_t> blocks_in_use(const index::LiveSet& live,
                                             const storage::RowLayout& layout) {
    std::vector<uint64_t> blocks;
    for (uint64_t slot = 0; slot < live.slot_end(); slot += layout.rows_per_block) {
      const uint64_t* words = live.words_from(slot);
      if (words != nullptr && std::any_of(words, words + layout.rows_per_block / 64,
                                          [](uint64_t word) { return word != 0; })) {
        blocks.push_back(slot / layout.rows_per_block);
      }
    }
    return blocks;
  }

  // A resident form never changes, and gets a second name. Pages do once the copy is opened, here
  // or there.
  Status copy_graph(uint32_t id, const Captured& captured) {
    const schema::GraphRecord& record = *captured.graph;
    const GraphPaths paths = database_.files().graph_paths(id, record.file_number);
    if (record.resident.exists()) {
      ROX_RETURN_IF_ERROR(unless_damaged(copier_.link(paths.resident, moved(paths.resident))));
    }
    if (!record.disk.exists()) return Status::ok();
    if (record.is_changeable) return copy_disk_form(captured, moved(paths.disk));
    for (const std::string& path : {paths.disk.pages, paths.disk.codes}) {
      ROX_RETURN_IF_ERROR(unless_damaged(clone_or_copy(path)));
    }
    return Status::ok();
  }

  Status copy_disk_form(const Captured& captured, const index::DiskPaths& to) {
    if (captured.disk_form == nullptr) return Status::ok();
    Status status;
    if (!captured.has_pages) status = captured.disk_form->copy_pages(to, copier_);
    if (status.is_ok()) status = captured.disk_form->copy_codes(to, copier_);
    if (status.is_ok()) return status;
    // Some of its files are no graph.
    ROX_RETURN_IF_ERROR(unless_damaged(status));
    return unless_damaged(file_system().remove(to.pages));
  }

  Status clone_or_copy(const std::string& path) {
    ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file_system().file_size(path));
    ROX_ASSIGN_OR_RETURN(const bool cloned, copier_.clone(path, moved(path), bytes));
    return cloned ? Status::ok() : copier_.copy(path, moved(path), bytes);
  }

  // A graph is derived data: one that cannot be read costs speed, here as there.
  static Status unless_damaged(const Status& status) {
    const bool is_damage =
        status.code() == StatusCode::kNotFound || status.code() == StatusCode::kCorruption;
    return is_damage ? Status::ok() : status;
  }

  // FORMAT comes last: a copy that was not finished is no database. Until then the store has
  // another name, so that none is made of what is there either.
  Status finish() {
    ROX_RETURN_IF_ERROR(file_system().rename(folder_.path() + "/kv.tmp", folder_.path() + "/kv"));
    ROX_RETURN_IF_ERROR(write_seal(file_system(), folder_.path()));
    ROX_ASSIGN_OR_RETURN(
        const std::string format,
        storage::read_small_file(file_system(), database_.path() + "/FORMAT", kFormatBytesMax));
    ROX_RETURN_IF_ERROR(storage::replace_file(file_system(), folder_.path(), "FORMAT", format));
    folder_.keep();
    return Status::ok();
  }

  DatabaseImpl& database_;
  const std::shared_ptr<storage::KeyValueStore> store_;  // shared with the database
  CopyFolder folder_;
  storage::FileCopier copier_;
  std::vector<Captured> captured_;
  std::unique_ptr<storage::KeyValueStore::HeldFiles> store_files_;    // either these
  std::unique_ptr<storage::KeyValueStore::Snapshot> store_snapshot_;  // or this
  storage::WriteBatch changed_records_;  // that the copy has of its own; only with a snapshot
  uint64_t bytes_total_ = 0;
  SnapshotReport report_;
};

std::filesystem::path written_in_full(const std::string& path) {
  std::error_code error;  // a process may have no working folder
  std::filesystem::path full = std::filesystem::absolute(path, error);
  if (error) full = path;
  full = full.lexically_normal();
  return full.has_filename() ? full : full.parent_path();  // without a slash at its end
}

// However the two are written; links are not followed.
bool lies_within(const std::string& path, const std::string& folder) {
  const std::filesystem::path inner = written_in_full(path), outer = written_in_full(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

Result<SnapshotReport> copy_database(DatabaseImpl& database, const std::string& path,
                                     const SnapshotOptions& options) {
  if (database.is_closed()) return Status::not_found("the database is closed");
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed.empty()) return Status::invalid_argument("the copy's path is empty");
  if (lies_within(trimmed, database.path())) {
    return Status::invalid_argument(trimmed + ": lies within the database that is to be copied");
  }
  return DatabaseCopy(database, trimmed, options).run();
}

}  // namespace roxanne::database
