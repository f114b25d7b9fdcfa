// What is kept in the key-value store: tables, each a one-letter prefix (docs/file_format.md).
//
//   m NAME                   database-wide numbers, u64
//   c COLLECTION             the collection's record: name and options
//   k COLLECTION KEY         -> slot u32
//   s COLLECTION SLOT        -> KEY, string keys only
//   p COLLECTION SLOT        -> payload, JSON text
//   l COLLECTION CHUNK       -> live bitmap of kLiveChunkSlots slots
//   r COLLECTION SLOT        -> redo record: a row that the vectors file may not have on disk yet
//   g COLLECTION             -> graph record: which file holds the collection's graph
//
// COLLECTION, SLOT and CHUNK are big-endian u32, u64 keys big-endian too, so that they sort.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "index/live_set.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "storage/row_file.h"

namespace roxanne::database {

// What new folders are, and the oldest that this build opens. A folder of the oldest has no graphs;
// builds that know only it would write slots that a graph names. From the fourth on graphs change
// in place; builds that know only the third would find files of other sizes than they expect. Codes
// of the fifth may be of a kind that the fourth does not know.
inline constexpr uint32_t kFormatVersion = 5;
inline constexpr uint32_t kFormatVersionMin = 1;

namespace schema {

inline constexpr std::string_view kNextCollectionId = "mnext_collection_id";
inline constexpr std::string_view kCollectionTable = "c";

std::string collection_key(uint32_t collection);
std::string graph_key(uint32_t collection);
// The prefix of a collection's rows in a table: 'k', 's', 'p', 'l', 'r' or 'g'.
std::string table_prefix(char table, uint32_t collection);
// The first key after every key with that prefix.
std::string table_end(char table, uint32_t collection);
std::string slot_key(char table, uint32_t collection, uint32_t slot);
std::string point_key(uint32_t collection, std::string_view encoded_key);

// A key as the store's bytes, and back.
std::string encode_key(const Key& key);
std::string encode_u64(uint64_t key);
Result<Key> decode_key(KeyType type, std::string_view bytes);
// The number behind a table prefix (a slot or a chunk).
Result<uint32_t> decode_slot_key(std::string_view key);

std::string encode_u32(uint32_t value);
Result<uint32_t> decode_u32(std::string_view bytes);
Result<uint64_t> decode_u64(std::string_view bytes);

struct CollectionRecord {
  std::string name;
  CollectionOptions options;
};
std::string encode_record(const CollectionRecord& record);
Result<CollectionRecord> decode_record(std::string_view bytes);

// A graph as one regime serves it; it has one form or both.
struct GraphForm {
  uint64_t file_bytes = 0;        // of its files together; 0: there is no such form
  uint64_t memory_bytes = 0;      // that it takes when it serves, without buffers of searches
  uint32_t search_list_size = 0;  // the engine's choice for k = 10
  bool exists() const { return file_bytes != 0; }
};

// Names the graph that serves a collection. What follows the number saves reading the files. Of a
// graph that changes in place the numbers are those of a checkpoint, or about.
struct GraphRecord {
  uint32_t file_number = 0;
  uint32_t node_count = 0;
  uint32_t slot_end = 0;  // one past the highest slot of a node
  uint32_t max_degree = 0;
  // Where it is named, it is an image of the disk form, which is not changed then. Keeps D8.
  GraphForm resident;
  GraphForm disk;
  bool is_changeable = false;  // the disk form can be changed in place

  // Whether the files may be others by now than those that the numbers tell of.
  bool changes_in_place() const { return is_changeable && !resident.exists(); }
};
std::string encode_graph_record(const GraphRecord& record);
Result<GraphRecord> decode_graph_record(std::string_view bytes);

std::string encode_chunk(const index::LiveChunk& chunk);
Result<index::LiveChunk> decode_chunk(std::string_view bytes);

std::string encode_redo(const storage::RowRef& row, size_t row_bytes);
// Points into `bytes`.
Result<storage::RowRef> decode_redo(uint32_t slot, std::string_view bytes, size_t row_bytes);

}  // namespace schema
}  // namespace roxanne::database
