#include "database/schema.h"

#include <cstring>

#include "base/coding.h"
#include "base/status_macros.h"

namespace roxanne::database::schema {
namespace {

constexpr size_t kTablePrefixBytes = 1 + sizeof(uint32_t);
constexpr uint8_t kRecordVersion = 1;
constexpr uint8_t kGraphRecordVersion = 3;
constexpr uint32_t kIsChangeable = 1;  // of a graph record's flags

Status malformed(std::string_view what, size_t bytes) {
  return Status::corruption("kv: a " + std::string(what) + " of " + std::to_string(bytes) +
                            " bytes is malformed");
}

}  // namespace

std::string collection_key(uint32_t collection) {
  std::string key(kCollectionTable);
  base::append_big_endian(key, collection);
  return key;
}

std::string table_prefix(char table, uint32_t collection) {
  std::string key(1, table);
  base::append_big_endian(key, collection);
  return key;
}

std::string graph_key(uint32_t collection) { return table_prefix('g', collection); }

std::string table_end(char table, uint32_t collection) {
  return table_prefix(table, collection + 1);
}

std::string slot_key(char table, uint32_t collection, uint32_t slot) {
  std::string key = table_prefix(table, collection);
  base::append_big_endian(key, slot);
  return key;
}

std::string point_key(uint32_t collection, std::string_view encoded_key) {
  std::string key = table_prefix('k', collection);
  key.append(encoded_key);
  return key;
}

std::string encode_key(const Key& key) {
  return key.type() == KeyType::kU64 ? encode_u64(key.u64()) : key.str();
}

std::string encode_u64(uint64_t key) {
  std::string bytes;
  base::append_big_endian(bytes, key);
  return bytes;
}

Result<Key> decode_key(KeyType type, std::string_view bytes) {
  if (type == KeyType::kString) {
    if (bytes.empty() || bytes.size() > kKeyBytesMax) return malformed("string key", bytes.size());
    return Key(bytes);
  }
  if (bytes.size() != sizeof(uint64_t)) return malformed("u64 key", bytes.size());
  return Key(base::load_big_endian_u64(bytes.data()));
}

Result<uint32_t> decode_slot_key(std::string_view key) {
  if (key.size() != kTablePrefixBytes + sizeof(uint32_t)) return malformed("slot key", key.size());
  return base::load_big_endian_u32(key.data() + kTablePrefixBytes);
}

std::string encode_u32(uint32_t value) {
  std::string bytes;
  base::append(bytes, value);
  return bytes;
}

Result<uint32_t> decode_u32(std::string_view bytes) {
  if (bytes.size() != sizeof(uint32_t)) return malformed("slot number", bytes.size());
  return base::load<uint32_t>(bytes.data());
}

Result<uint64_t> decode_u64(std::string_view bytes) {
  if (bytes.size() != sizeof(uint64_t)) return malformed("number", bytes.size());
  return base::load<uint64_t>(bytes.data());
}

std::string encode_record(const CollectionRecord& record) {
  std::string bytes;
  base::append(bytes, kRecordVersion);
  base::append(bytes, static_cast<uint8_t>(record.options.type));
  base::append(bytes, static_cast<uint8_t>(record.options.metric));
  base::append(bytes, static_cast<uint8_t>(record.options.key_type));
  base::append(bytes, static_cast<uint32_t>(record.options.dim));
  bytes += record.name;
  return bytes;
}

Result<CollectionRecord> decode_record(std::string_view bytes) {
  constexpr size_t kFixedBytes = 8;
  if (bytes.size() <= kFixedBytes || bytes.size() > kFixedBytes + kCollectionNameBytesMax) {
    return malformed("collection record", bytes.size());
  }
  if (static_cast<uint8_t>(bytes[0]) != kRecordVersion) {
    return Status::unsupported("kv: a collection record of version " +
                               std::to_string(static_cast<uint8_t>(bytes[0])));
  }
  const auto type = static_cast<uint8_t>(bytes[1]);
  const auto metric = static_cast<uint8_t>(bytes[2]);
  const auto key_type = static_cast<uint8_t>(bytes[3]);
  const uint32_t dim = base::load<uint32_t>(bytes.data() + 4);
  if (type > 3 || metric > 2 || key_type > 1 || dim == 0 || dim > kDimMax) {
    return malformed("collection record", bytes.size());
  }
  CollectionRecord record;
  record.name = std::string(bytes.substr(kFixedBytes));
  record.options = {.dim = dim,
                    .type = static_cast<ScalarType>(type),
                    .metric = static_cast<Metric>(metric),
                    .key_type = static_cast<KeyType>(key_type)};
  return record;
}

std::string encode_graph_record(const GraphRecord& record) {
  std::string bytes;
  base::append(bytes, kGraphRecordVersion);
  base::append(bytes, record.file_number);
  base::append(bytes, record.node_count);
  base::append(bytes, record.slot_end);
  base::append(bytes, record.max_degree);
  for (const GraphForm* form : {&record.resident, &record.disk}) {
    base::append(bytes, form->file_bytes);
    base::append(bytes, form->memory_bytes);
    base::append(bytes, form->search_list_size);
  }
  base::append(bytes, record.is_changeable ? kIsChangeable : uint32_t{0});
  return bytes;
}

namespace {

// Takes numbers from a record of known length, one after the other.
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : at_(bytes.data()) {}
  template <typename T>
  void take(T& value) {
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
  }

 private:
  const char* at_;
};

// Of format 2: a resident form alone.
GraphRecord decode_first_version(std::string_view bytes) {
  Numbers numbers(bytes);
  GraphRecord record;
  numbers.take(record.file_number);
  numbers.take(record.resident.file_bytes);
  numbers.take(record.node_count);
  numbers.take(record.slot_end);
  numbers.take(record.resident.memory_bytes);
  numbers.take(record.max_degree);
  numbers.take(record.resident.search_list_size);
  return record;
}

}  // namespace

Result<GraphRecord> decode_graph_record(std::string_view bytes) {
  constexpr size_t kFirstBytes = 1 + 5 * sizeof(uint32_t) + 2 * sizeof(uint64_t);
  constexpr size_t kSecondBytes = 1 + 6 * sizeof(uint32_t) + 4 * sizeof(uint64_t);
  constexpr size_t kBytes = kSecondBytes + sizeof(uint32_t);
  if (bytes.empty()) return malformed("graph record", 0);
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version == 1 && bytes.size() == kFirstBytes) return decode_first_version(bytes.substr(1));
  if (version == 0 || version > kGraphRecordVersion) {
    return Status::unsupported("kv: a graph record of version " + std::to_string(version));
  }
  if (version == 1 || bytes.size() != (version == 2 ? kSecondBytes : kBytes)) {
    return malformed("graph record", bytes.size());
  }
  Numbers numbers(bytes.substr(1));
  GraphRecord record;
  numbers.take(record.file_number);
  numbers.take(record.node_count);
  numbers.take(record.slot_end);
  numbers.take(record.max_degree);
  for (GraphForm* form : {&record.resident, &record.disk}) {
    numbers.take(form->file_bytes);
    numbers.take(form->memory_bytes);
    numbers.take(form->search_list_size);
  }
  uint32_t flags = 0;
  if (version == kGraphRecordVersion) numbers.take(flags);
  if (flags > kIsChangeable) return malformed("graph record", bytes.size());
  record.is_changeable = flags == kIsChangeable;
  if (!record.resident.exists() && !record.disk.exists()) {
    return Status::corruption("kv: a graph record that names no file");
  }
  return record;
}

std::string encode_chunk(const index::LiveChunk& chunk) {
  return {reinterpret_cast<const char*>(chunk.data()), sizeof chunk};
}

Result<index::LiveChunk> decode_chunk(std::string_view bytes) {
  index::LiveChunk chunk;
  if (bytes.size() != sizeof chunk) return malformed("live bitmap", bytes.size());
  std::memcpy(chunk.data(), bytes.data(), sizeof chunk);
  return chunk;
}

std::string encode_redo(const storage::RowRef& row, size_t row_bytes) {
  std::string bytes;
  bytes.reserve(sizeof row.tag + sizeof row.norm + row_bytes);
  base::append(bytes, row.tag);
  base::append(bytes, row.norm);
  bytes.append(reinterpret_cast<const char*>(row.bytes), row_bytes);
  return bytes;
}

Result<storage::RowRef> decode_redo(uint32_t slot, std::string_view bytes, size_t row_bytes) {
  constexpr size_t kFixedBytes = sizeof(uint64_t) + sizeof(uint32_t);
  if (bytes.size() != kFixedBytes + row_bytes) return malformed("redo record", bytes.size());
  return storage::RowRef{slot, base::load<uint64_t>(bytes.data()),
                         base::load<uint32_t>(bytes.data() + sizeof(uint64_t)),
                         reinterpret_cast<const std::byte*>(bytes.data() + kFixedBytes)};
}

}  // namespace roxanne::database::schema
