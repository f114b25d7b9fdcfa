// A walk over all points of one version of a collection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/aligned_buffer.h"
#include "database/collection_impl.h"
#include "roxanne/collection.h"

namespace roxanne::database {

class ScanImpl {
 public:
  static Result<std::unique_ptr<ScanImpl>> start(std::shared_ptr<CollectionImpl> collection,
                                                 const ScanOptions& options);

  Result<std::vector<Point>> next(size_t max_points);

 private:
  ScanImpl(std::shared_ptr<CollectionImpl> collection, std::shared_ptr<const Version> version,
           std::shared_ptr<index::VectorStore> vectors);
  Status next_by_key(size_t max_points, std::vector<Point>& points);
  Status next_by_slot(size_t max_points, std::vector<Point>& points);
  Result<std::optional<Key>> string_key_of(uint32_t slot);
  Result<std::optional<std::string>> payload_of(uint32_t slot);
  Status load_block(uint64_t block);

  // Shared: a scan keeps its moment alive while the collection goes on or is dropped.
  std::shared_ptr<CollectionImpl> collection_;
  std::shared_ptr<const Version> version_;
  std::shared_ptr<index::VectorStore> vectors_;
  ScanOptions options_;
  std::optional<storage::KeyValueStore::Cursor> keys_;      // ScanOrder::kKey
  std::optional<storage::KeyValueStore::Cursor> names_;     // slot -> string key, in slot order
  std::optional<storage::KeyValueStore::Cursor> payloads_;  // in slot order
  uint64_t slot_ = 0;
  uint64_t loaded_block_ = UINT64_MAX;
  base::AlignedBuffer block_;
};

}  // namespace roxanne::database
