// A collection: points of one dimension, scalar type, metric and key type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne {

namespace database {
class CollectionImpl;
class ScanImpl;
}  // namespace database

// Visits every point of a collection as it was when the scan began; writes made meanwhile are not
// seen. One thread at a time. Must not outlive its Database.
class PointScan {
 public:
  PointScan(PointScan&&) noexcept;
  PointScan& operator=(PointScan&&) noexcept;
  ~PointScan();

  // The next at most `max_points` points; an empty vector at the end.
  // kCorruption where a stored vector fails its checksum; kCancelled after ScanOptions::deadline.
  Result<std::vector<Point>> next(size_t max_points);

 private:
  friend class Collection;
  explicit PointScan(std::unique_ptr<database::ScanImpl> impl);
  std::unique_ptr<database::ScanImpl> impl_;
};

// A handle; copies share one collection. All calls may run at once from many threads. After its
// Database is closed, or the collection dropped, every call returns kNotFound.
class Collection {
 public:
  ~Collection();

  const std::string& name() const;
  const CollectionOptions& options() const;
  // Live points, the latest acknowledged write included.
  uint64_t size() const;

  // Inserts or replaces keys.size() points in one atomic step: a reader sees all of the batch or
  // none of it, and so does the next open after a crash. Returns when the batch is as durable as
  // DatabaseOptions::durability says.
  //   keys     n of the collection's key type, each once (string keys: 1..kKeyBytesMax bytes)
  //   vectors  n x dim of the collection's scalar type; finite; not zero under cosine
  // kInvalidArgument (which row and why), kAlreadyExists (OnDuplicate::kError), kDiskFull,
  // kReadOnly, kIoError. On any error nothing of the batch is visible.
  Result<UpsertCounts> upsert(KeysView keys, MatrixView vectors, const UpsertOptions& options = {});

  // Removes the keys that are there, in one atomic durable step, and returns how many were. A key
  // that is missing is not an error; one named twice counts once.
  Result<uint64_t> erase(KeysView keys);

  // The point of a key; kNotFound where there is none, kCorruption where its bytes fail a check.
  Result<Point> get(const Key& key, const GetOptions& options = {}) const;

  // The k nearest live points of each query, nearest first. Where a graph serves (regime "resident"
  // or "disk") the answers are approximate: a true neighbour may be missing, but distances are
  // exact, points that the graph has not taken in yet are compared with one by one, and deleted
  // ones are never found.
  //   query, queries  dim scalars a row, of the collection's scalar type; finite; not zero under
  //                   cosine
  // An exact batch streams the stored vectors once per block of queries, not once a query. Answers
  // are consistent with one moment between call and return.
  // kInvalidArgument, kCorruption (which slot of which file), kIoError, kCancelled (the deadline).
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options = {}) const;
  Result<std::vector<std::vector<Neighbor>>> search(MatrixView queries,
                                                    const SearchOptions& options = {}) const;
  // The k nearest of a point that is there, which is itself left out. kNotFound where it is not.
  Result<std::vector<Neighbor>> search_like(const Key& key,
                                            const SearchOptions& options = {}) const;

  // All points, in key order or in the order that is fastest to read.
  Result<PointScan> scan(ScanOrder order = ScanOrder::kAny) const;
  // From behind a key, or with less of each point. kInvalidArgument: `after` is no key of the
  // collection's type, or not in key order.
  Result<PointScan> scan(const ScanOptions& options) const;

  // Brings the graph that makes searches fast up to the points of now, and returns when it serves;
  // readers and writers go on meanwhile. Takes points into the graph that is there and deleted ones
  // out of it, or builds it anew where so much changed that this costs far less; then makes the
  // form that is searched in memory, where the limit allows it. Does nothing where the collection
  // is too small for a graph to pay, or the one it has is fresh enough: a few points that searches
  // compare with one by one cost less. With DatabaseOptions::automatic_index nobody needs to call
  // it.
  // kCancelled (by the callback, or the database closes), kReadOnly, kDiskFull, kIoError,
  // kUnsupported (the memory limit is too small for it), kInvalidArgument (an accelerator that is
  // not there). After any error the graph serves as before, though some points may have been taken
  // in.
  Status build_index(const IndexOptions& options = {});

  Result<CollectionInfo> info() const;

 private:
  friend class Database;
  explicit Collection(std::shared_ptr<database::CollectionImpl> impl);
  // Shared by the database's table of open collections and every handle.
  std::shared_ptr<database::CollectionImpl> impl_;
};

}  // namespace roxanne
