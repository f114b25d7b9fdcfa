#include "database/schema.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "base/coding.h"

namespace roxanne::database::schema {
namespace {

TEST(Schema, KeysSortAsTheyCount) {
  EXPECT_LT(encode_u64(255), encode_u64(256));
  EXPECT_LT(encode_u64(1), encode_u64(~uint64_t{0}));
  EXPECT_LT(slot_key('p', 1, 255), slot_key('p', 1, 256));
  EXPECT_LT(slot_key('p', 1, ~0u), table_end('p', 1));
  EXPECT_EQ(*decode_key(KeyType::kU64, encode_key(Key(uint64_t{77}))), Key(uint64_t{77}));
  EXPECT_EQ(*decode_key(KeyType::kString, encode_key(Key("abc"))), Key("abc"));
  EXPECT_EQ(*decode_slot_key(slot_key('r', 9, 1234)), 1234u);
}

TEST(Schema, RecordsComeBack) {
  const CollectionRecord record{"photos",
                                {.dim = 768,
                                 .type = ScalarType::kF16,
                                 .metric = Metric::kCosine,
                                 .key_type = KeyType::kString}};
  const auto decoded = decode_record(encode_record(record));
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->name, "photos");
  EXPECT_EQ(decoded->options.dim, 768u);
  EXPECT_EQ(decoded->options.type, ScalarType::kF16);
  EXPECT_EQ(decoded->options.metric, Metric::kCosine);
  EXPECT_EQ(decoded->options.key_type, KeyType::kString);
}

void expect_form(const GraphForm& form, const GraphForm& expected) {
  EXPECT_EQ(form.file_bytes, expected.file_bytes);
  EXPECT_EQ(form.memory_bytes, expected.memory_bytes);
  EXPECT_EQ(form.search_list_size, expected.search_list_size);
}

TEST(Schema, GraphRecordsComeBack) {
  const GraphForm large{
      .file_bytes = 1ull << 40, .memory_bytes = 1ull << 41, .search_list_size = 40};
  const GraphForm small{.file_bytes = 1ull << 39, .memory_bytes = 12345, .search_list_size = 70};
  for (const auto& [resident, disk] :
       {std::pair{large, small}, std::pair{large, GraphForm{}}, std::pair{GraphForm{}, small}}) {
    const GraphRecord record{.file_number = 7,
                             .node_count = 1000,
                             .slot_end = 5000,
                             .max_degree = 32,
                             .resident = resident,
                             .disk = disk,
                             .is_changeable = disk.exists()};
    const std::string bytes = encode_graph_record(record);
    const auto decoded = decode_graph_record(bytes);
    ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_string();
    EXPECT_EQ(decoded->file_number, record.file_number);
    EXPECT_EQ(decoded->node_count, record.node_count);
    EXPECT_EQ(decoded->slot_end, record.slot_end);
    EXPECT_EQ(decoded->max_degree, record.max_degree);
    expect_form(decoded->resident, resident);
    expect_form(decoded->disk, disk);
    EXPECT_EQ(decoded->is_changeable, record.is_changeable);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_graph_record(bytes.substr(0, size)).is_ok());
    }
    EXPECT_FALSE(decode_graph_record(bytes + "x").is_ok());
    EXPECT_EQ(decode_graph_record("\x04" + bytes.substr(1)).status().code(),
              StatusCode::kUnsupported);
  }
  EXPECT_EQ(decode_graph_record(encode_graph_record({.file_number = 7})).status().code(),
            StatusCode::kCorruption)
      << "it names no file";
}

// What format 2 wrote: a resident form alone, its numbers in another order.
TEST(Schema, GraphRecordsOfTheFirstVersionAreRead) {
  std::string bytes = "\x01";
  base::append(bytes, uint32_t{7});
  base::append(bytes, uint64_t{1} << 40);
  base::append(bytes, uint32_t{1000});
  base::append(bytes, uint32_t{5000});
  base::append(bytes, uint64_t{1} << 41);
  base::append(bytes, uint32_t{32});
  base::append(bytes, uint32_t{40});
  const auto decoded = decode_graph_record(bytes);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_string();
  EXPECT_EQ(decoded->file_number, 7u);
  EXPECT_EQ(decoded->node_count, 1000u);
  EXPECT_EQ(decoded->slot_end, 5000u);
  EXPECT_EQ(decoded->max_degree, 32u);
  expect_form(decoded->resident,
              {.file_bytes = 1ull << 40, .memory_bytes = 1ull << 41, .search_list_size = 40});
  EXPECT_FALSE(decoded->disk.exists());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_graph_record(bytes.substr(0, size)).is_ok());
  }
}

// What format 3 wrote: without flags.
TEST(Schema, GraphRecordsOfTheSecondVersionAreRead) {
  const GraphRecord record{
      .file_number = 7,
      .node_count = 1000,
      .slot_end = 5000,
      .max_degree = 32,
      .disk = {.file_bytes = 1ull << 40, .memory_bytes = 12345, .search_list_size = 40}};
  std::string bytes = encode_graph_record(record);
  bytes = "\x02" + bytes.substr(1, bytes.size() - 1 - sizeof(uint32_t));
  const auto decoded = decode_graph_record(bytes);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().to_string();
  EXPECT_EQ(decoded->slot_end, 5000u);
  expect_form(decoded->disk, record.disk);
  EXPECT_FALSE(decoded->is_changeable);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_graph_record(bytes.substr(0, size)).is_ok());
  }
}

// Whatever bytes come, a decoder answers with a value or an error.
TEST(Schema, MalformedBytesAreErrors) {
  const std::string good = encode_record({"x", {.dim = 4}});
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_record(good.substr(0, size)).is_ok());
  }
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    (void)decode_record(bytes).is_ok();
    (void)decode_u32(bytes).is_ok();
    (void)decode_chunk(bytes).is_ok();
    (void)decode_graph_record(bytes).is_ok();
    (void)decode_slot_key(bytes).is_ok();
    (void)decode_redo(3, bytes, 16).is_ok();
    (void)decode_key(KeyType::kU64, bytes).is_ok();
    (void)decode_key(KeyType::kString, bytes).is_ok();
  }
  EXPECT_EQ(decode_redo(3, std::string(11, 'x'), 16).status().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace roxanne::database::schema
