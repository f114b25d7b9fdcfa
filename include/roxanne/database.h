// A database: a folder of collections. One process writes, many may read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/collection.h"
#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne {

namespace database {
class DatabaseImpl;
}

// The version of this library, "0.1.0".
std::string_view version();

// Whether IndexOptions::accelerator can be had here: kInvalidArgument says why not, and what to do.
Status accelerator_status(Accelerator accelerator);

// For programs that are little else than a database, at the beginning of main: the C library keeps
// less memory that nobody uses, so that the process stays nearer to memory_limit_bytes. The tool
// and the server do so. Without effect where the C library is not glibc.
void keep_process_memory_small();

// All calls may run at once from many threads, close() and destruction excepted.
//
//   auto db = roxanne::Database::open("photos.rox", {.create_if_missing = true});
//   auto photos = db->create_collection("default", {.dim = 128, .type = ScalarType::kU8});
//   photos->upsert(keys, MatrixView::u8(data, rows, 128));
//   auto found = photos->search(VectorView::u8(query), {.k = 10});
class Database {
 public:
  // Opens the folder `path`. kNotFound (nothing there), kAlreadyExists, kLocked (names the pid of
  // the process that writes), kCorruption, kUnsupported (made by a newer version), kIoError.
  static Result<Database> open(const std::string& path, const DatabaseOptions& options = {});

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();  // closes; errors of that are lost: call close() to see them

  // Makes every acknowledged write durable and releases the lock. Calls after it return kNotFound.
  Status close();
  // Makes every acknowledged write durable, whatever the durability level.
  Status flush();

  // `name`: 1..kCollectionNameBytesMax of letters, digits, '_', '-' and '.'.
  // kAlreadyExists, kInvalidArgument.
  Result<Collection> create_collection(std::string_view name, const CollectionOptions& options);
  Result<Collection> collection(std::string_view name = "default") const;  // kNotFound
  Status drop_collection(std::string_view name);                           // kNotFound
  std::vector<std::string> collection_names() const;                       // sorted

  Result<DatabaseInfo> info() const;

  // Makes an independent copy of the folder in `path`, which must not be there or be an empty
  // folder, while searches and writes go on. The copy is the database as it was at one moment of
  // the call: what was acknowledged before it is in, every batch is whole or not there. Of a
  // database that is open read-only: as it was when it was opened. After a failure `path` is as it
  // was. kAlreadyExists, kInvalidArgument (within the database's own folder), kDiskFull,
  // kCorruption (a row that is to be copied is damaged), kCancelled, kIoError.
  Result<SnapshotReport> snapshot(const std::string& path,
                                  const SnapshotOptions& options = {}) const;

  // Reads every byte and checks every invariant (docs/durability.md). The report lists what is
  // wrong; a failed Status means that the check itself could not run.
  Result<VerifyReport> verify(const VerifyOptions& options = {});

 private:
  explicit Database(std::shared_ptr<database::DatabaseImpl> impl);
  // Shared with collection handles, which may outlive this object and then find it closed.
  std::shared_ptr<database::DatabaseImpl> impl_;
};

}  // namespace roxanne
