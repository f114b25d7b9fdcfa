// Copies of a store made while it is written to.
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <limits>

#include "base/status_macros.h"
#include "storage/file_copier.h"
#include "storage/key_value_store.h"
#include "storage/rocksdb_file_system.h"

namespace roxanne::storage {
namespace {

constexpr uint64_t kCopyBatchBytes = 1u << 20;
constexpr uint64_t kCopyMemoryBytes = 32u << 20;

}  // namespace

KeyValueStore::HeldFiles::~HeldFiles() {
  // Others may hold files too: it is counted.
  store_->db_->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
}

uint64_t KeyValueStore::HeldFiles::bytes() const {
  uint64_t sum = 0;
  for (const HeldFile& file : files_) sum += file.bytes;
  return sum;
}

Result<std::unique_ptr<KeyValueStore::HeldFiles>> KeyValueStore::hold_files() {
  ROX_RETURN_IF_ERROR(from_rocksdb(db_->DisableFileDeletions(), "keep the store's files"));
  std::unique_ptr<HeldFiles> held(new HeldFiles(shared_from_this()));
  rocksdb::LiveFilesStorageInfoOptions options;
  // Not flushed: the log has what is not in sorted files yet, and comes along.
  options.wal_size_for_flush = std::numeric_limits<uint64_t>::max();
  std::vector<rocksdb::LiveFileStorageInfo> files;
  ROX_RETURN_IF_ERROR(
      from_rocksdb(db_->GetLiveFilesStorageInfo(options, &files), "list the store's files"));
  for (const rocksdb::LiveFileStorageInfo& file : files) {
    held->files_.push_back({.name = file.relative_filename,
                            .folder = file.directory,
                            .bytes = file.size,
                            .is_final = file.file_type == rocksdb::kTableFile,
                            .contents = file.replacement_contents});
  }
  return held;
}

Status KeyValueStore::HeldFiles::copy_to(const std::string& folder, FileCopier& copier) const {
  for (const HeldFile& file : files_) {
    const std::string from = file.folder + "/" + file.name;
    const std::string to = folder + "/" + file.name;
    if (!file.contents.empty()) {
      ROX_RETURN_IF_ERROR(copier.write(to, file.contents));
    } else if (file.is_final) {
      ROX_RETURN_IF_ERROR(copier.link(from, to));
    } else {
      ROX_RETURN_IF_ERROR(copier.copy(from, to, file.bytes));
    }
  }
  return Status::ok();
}

Status KeyValueStore::copy_contents(const Snapshot& snapshot, const WriteBatch& changes,
                                    const std::string& folder, FileCopier& copier) const {
  ROX_ASSIGN_OR_RETURN(const auto copy,
                       open(copier.file_system(), folder,
                            {.create_if_missing = true, .memory_bytes = kCopyMemoryBytes}));
  // It goes to sorted files at once: there is nobody to acknowledge anything to.
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  WriteBatch batch;
  const auto write_gathered = [&]() -> Status {
    const uint64_t bytes = batch.bytes();
    ROX_RETURN_IF_ERROR(from_rocksdb(copy->db_->Write(unlogged, batch.batch_.get()), "copy keys"));
    batch = WriteBatch();
    return copier.note_copied(bytes);
  };
  auto cursor = scan("", "", &snapshot);
  for (; cursor.valid(); cursor.next()) {
    batch.put(cursor.key(), cursor.value());
    if (batch.bytes() >= kCopyBatchBytes) ROX_RETURN_IF_ERROR(write_gathered());
  }
  ROX_RETURN_IF_ERROR(cursor.status());
  ROX_RETURN_IF_ERROR(write_gathered());
  ROX_RETURN_IF_ERROR(from_rocksdb(copy->db_->Write(unlogged, changes.batch_.get()), "copy keys"));
  ROX_RETURN_IF_ERROR(copy->flush());
  ROX_RETURN_IF_ERROR(copy->close());
  ROX_RETURN_IF_ERROR(copy->background_failure());
  return copier.file_system().sync_directory(folder);
}

}  // namespace roxanne::storage
