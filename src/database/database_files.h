// Which files and folders a database has, by name (docs/file_format.md): those of its collections,
// and of their graphs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "database/schema.h"
#include "index/disk_paths.h"
#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::database {

// The files of a graph: of its resident form, and of its disk form.
struct GraphPaths {
  std::string resident;
  index::DiskPaths disk;
};

// All calls may run at once. Whether what they remove is still wanted, by readers elsewhere say, is
// for the caller to know.
class DatabaseFiles {
 public:
  // `file_system` outlives it.
  DatabaseFiles(storage::FileSystem& file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string store_path() const { return path_ + "/kv"; }
  std::string collection_path(uint32_t collection) const;
  std::string vectors_path(uint32_t collection) const;
  GraphPaths graph_paths(uint32_t collection, uint32_t number) const;

  // The folder, but for FORMAT, which is written last: a folder without it was never a database.
  Status make_folder() const;
  // Durable on return.
  Status write_format() const;  // kFormatVersion
  // kUnsupported where this build does not know it, kCorruption where it is no such file.
  Result<uint32_t> read_format() const;

  // The folder of a collection and its vectors file, names included. Keeps D4.
  Status create_collection(uint32_t collection, size_t row_bytes) const;
  Status remove_collection(uint32_t collection) const;
  // Folders of collections for which `is_known` says no: their creation did not reach the
  // catalogue, or they were dropped.
  Status remove_collections_but(const std::function<bool(uint32_t collection)>& is_known) const;

  // One more than `highest`, and than any graph file of the collection has.
  Result<uint32_t> next_graph_number(uint32_t collection, uint32_t highest) const;
  // Whether a file is one of those that the record names.
  bool is_graph_file(uint32_t collection, const schema::GraphRecord& record,
                     const std::string& path) const;
  // What they take on disk.
  uint64_t graph_bytes_on_disk(uint32_t collection, const schema::GraphRecord& record) const;
  // Graph files that the record does not name, and what builds left over.
  Status remove_graphs_but(uint32_t collection,
                           const std::optional<schema::GraphRecord>& record) const;

 private:
  std::string collections_path() const { return path_ + "/collections"; }

  storage::FileSystem& file_system_;
  const std::string path_;
};

}  // namespace roxanne::database
