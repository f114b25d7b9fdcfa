// A database inside: the folder, its locks, its catalogue, and what its collections share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/thread_pool.h"
#include "database/collection_impl.h"
#include "database/committer.h"
#include "database/database_files.h"
#include "database/index_builder.h"
#include "index/vector_store.h"
#include "roxanne/options.h"
#include "storage/file_system.h"
#include "storage/key_value_store.h"

namespace roxanne::database {

class GraphMaintainer;

class DatabaseImpl : public std::enable_shared_from_this<DatabaseImpl> {
 public:
  static Result<std::shared_ptr<DatabaseImpl>> open(const std::string& path,
                                                    const DatabaseOptions& options);
  ~DatabaseImpl();

  Status close();
  Status flush();
  bool is_closed() const { return closed_; }

  Result<std::shared_ptr<CollectionImpl>> create_collection(std::string_view name,
                                                            const CollectionOptions& options);
  Result<std::shared_ptr<CollectionImpl>> collection(std::string_view name) const;
  Status drop_collection(std::string_view name);
  std::vector<std::string> collection_names() const;
  std::vector<std::shared_ptr<CollectionImpl>> collections() const;
  Result<DatabaseInfo> info() const;
  Result<VerifyReport> verify(const VerifyOptions& options);
  // kReadOnly where it was opened so or a write failed, kNotFound once it is closed.
  Status check_writable() const;

  const std::string& path() const { return files_.path(); }
  const DatabaseFiles& files() const { return files_; }
  const DatabaseOptions& options() const { return options_; }
  storage::FileSystem& file_system() const { return file_system_; }
  const std::shared_ptr<storage::KeyValueStore>& store() const { return store_; }
  base::ThreadPool& pool() { return *pool_; }
  index::MemoryBudget& budget() { return *budget_; }
  Committer& committer() { return *committer_; }
  IndexBuilder& index_builder() { return *index_builder_; }
  GraphMaintainer& maintainer() { return *maintainer_; }
  // Collections smaller than this get no graph.
  uint64_t index_points_min() const;
  // Takes memory from the budget; where not so much is left cached blocks make room, then caches of
  // pages. Absent where that is not enough.
  std::optional<index::MemoryReservation> reserve_memory(uint64_t bytes);
  // Graph files that the store does not name, and what builds left over.
  Status remove_stale_graphs(const CollectionImpl& collection);
  // Makes the folder one of this build's format, durably. While no commit is under way.
  Status upgrade_format();
  // Held while the folder is read as it is: what readers may want stays, freed slots are not
  // written, files not removed. By this process too.
  Result<std::unique_ptr<storage::FileLock>> lock_for_reading() const;
  // Of one that is open read-only: whether it is certain that nobody has written since.
  bool is_as_it_was_opened() const;
  // Whether freed slots may be written: no other process reads an older state of the folder.
  bool no_readers_elsewhere() const;

 private:
  DatabaseImpl(std::string path, const DatabaseOptions& options);
  Status open_folder();
  Status open_store(bool is_new);
  Status load_catalogue();
  Status remove_orphans();
  Status recover();
  void sync_in_background();
  Status close_graphs();

  DatabaseOptions options_;
  storage::FileSystem& file_system_;
  const DatabaseFiles files_;
  std::unique_ptr<storage::FileLock> lock_;
  std::shared_ptr<storage::KeyValueStore> store_;  // shared with snapshots
  std::unique_ptr<base::ThreadPool> pool_;
  std::unique_ptr<index::MemoryBudget> budget_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<IndexBuilder> index_builder_;
  std::unique_ptr<GraphMaintainer> maintainer_;
  std::atomic<bool> closed_{false};
  std::atomic<uint32_t> format_version_{kFormatVersion};
  std::string seal_;  // that was there when it was opened; "": none

  mutable std::mutex catalogue_mutex_;  // guards collections_
  // Shared with the handles that users hold.
  std::map<std::string, std::shared_ptr<CollectionImpl>, std::less<>> collections_;

  // Durability::kGrouped only.
  std::thread syncer_;
  std::mutex syncer_mutex_;  // guards syncer_stops_
  std::condition_variable syncer_wakes_;
  bool syncer_stops_ = false;
};

}  // namespace roxanne::database
