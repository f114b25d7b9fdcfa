#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "base/key_text.h"
#include "cli/common.h"
#include "cli/duplicates.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/read_ahead.h"
#include "cli/row_message.h"
#include "cli/search_cost.h"
#include "cli/suggest.h"
#include "cli/units.h"
#include "json/explanation_json.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

TEST(Units, BytesTakeBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("1073741824"), 1073741824u);
  EXPECT_EQ(parse_bytes("100B"), 100u);
  EXPECT_EQ(parse_bytes("64MiB"), 64u << 20);
  EXPECT_EQ(parse_bytes("64mib"), 64u << 20);
  EXPECT_EQ(parse_bytes("4 GiB"), 4ull << 30);
  EXPECT_EQ(parse_bytes("2GB"), 2000000000u);
  EXPECT_EQ(parse_bytes("2G"), 2000000000u);
  EXPECT_EQ(parse_bytes("1.5KiB"), 1536u);
  EXPECT_EQ(parse_bytes("1TiB"), 1ull << 40);
  EXPECT_EQ(parse_bytes("18446744073709551615"), 18446744073709551615ull);
}

TEST(Units, BytesRefuseWhatIsNoSize) {
  for (const char* text : {"", "MiB", "-5", "5 parsecs", "1..5MiB", "1.5", "0x10", "5MiBs",
                           "99999999TiB", "18446744073709551616", "1e9", " 5", "nan", "inf"}) {
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  }
}

TEST(SearchCost, ExplanationsKeepTimesToTheNanosecond) {
  const SearchStats cost{.queries = 1,
                         .reads = 12,
                         .bytes_read = 49152,
                         .cache_hits = 1,
                         .read_rounds = 3,
                         .distance_computations = 1402,
                         .hops = 41,
                         .latency_us = 124.0004,
                         .seed_us = 3.1,
                         .walk_us = 50,
                         .read_wait_us = 60,
                         .result_us = 0.0126,
                         .search_list_size_used = 53};
  EXPECT_EQ(json::explanation_json(cost, "disk"),
            R"({"regime":"disk","search_list_size_used":53,"reads":12,"bytes_read":49152,)"
            R"("cache_hits":1,"read_rounds":3,"distance_computations":1402,"hops":41,)"
            R"("latency_us":124,"seed_us":3.1,"walk_us":50,"read_wait_us":60,"result_us":0.013})");
  const std::vector<std::string> lines = explanation_lines(cost, "disk");
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "  search       124.0 us  disk, list size 53");
  EXPECT_EQ(lines[1], "    seed         3.1 us");
  EXPECT_EQ(lines[2], "    walk        50.0 us  41 hops, 1,402 distances");
  EXPECT_EQ(lines[3], "    read wait   60.0 us  12 reads of 48.0 KiB in 3 rounds, 1 cache hit");
  EXPECT_EQ(lines[4], "    result       0.0 us");
}

TEST(SearchCost, ExplanationsTellOfTimeOutsideThePhasesWhereItIsMost) {
  const auto lines = explanation_lines({.latency_us = 50000, .walk_us = 100}, "resident");
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[5], "    other      49900.0 us  the first search loads the graph");
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(5ull << 40), "5.0 TiB");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_rate(3.14159), "3.1");
  EXPECT_EQ(format_rate(41234), "41.2k");
  EXPECT_EQ(format_rate(2.5e6), "2.5M");
  EXPECT_EQ(format_duration(0.84), "0.8 s");
  EXPECT_EQ(format_duration(59.2), "59 s");
  EXPECT_EQ(format_duration(65), "1:05");
  EXPECT_EQ(format_duration(7387), "2:03:07");
  EXPECT_EQ(format_duration(-1), "?");
}

TEST(Suggest, DistanceCountsSwapsAsOne) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("search", "search"), 0u);
  EXPECT_EQ(edit_distance("serach", "search"), 1u);
  EXPECT_EQ(edit_distance("seach", "search"), 1u);
  EXPECT_EQ(edit_distance("searcch", "search"), 1u);
  EXPECT_EQ(edit_distance("saerhc", "search"), 2u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);  // optimal string alignment
}

TEST(Suggest, FindsTypingMistakesAndNothingElse) {
  const std::vector<std::string> verbs = {"create", "import", "search", "get", "export"};
  EXPECT_EQ(suggest("serach", verbs), "search");
  EXPECT_EQ(suggest("imprt", verbs), "import");
  EXPECT_EQ(suggest("gte", verbs), "get");
  EXPECT_EQ(suggest("frobnicate", verbs), "");
  EXPECT_EQ(suggest("x", verbs), "");
  EXPECT_EQ(suggest(std::string(100000, 'x'), verbs), "");
  EXPECT_EQ(suggest("search", std::vector<std::string>()), "");
}

TEST(ExitCodes, AreWhatScriptsRelyOn) {
  EXPECT_EQ(exit_code_of(StatusCode::kOk), 0);
  EXPECT_EQ(exit_code_of(StatusCode::kNotFound), 3);
  EXPECT_EQ(exit_code_of(StatusCode::kLocked), 4);
  EXPECT_EQ(exit_code_of(StatusCode::kCorruption), 5);
  EXPECT_EQ(exit_code_of(StatusCode::kDiskFull), 6);
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kAlreadyExists, StatusCode::kReadOnly,
        StatusCode::kIoError, StatusCode::kCancelled, StatusCode::kUnsupported}) {
    EXPECT_EQ(exit_code_of(code), 1) << status_code_name(code);
  }
  EXPECT_EQ(kExitUsage, 2);
}

TEST(Json, WritesFieldsInOrderOnOneLine) {
  json::Object object;
  object.add("k", uint64_t{10}).add("name", "a \"b\"\n").add("distance", 0.1f).flag("ok", true);
  object.add("qps", 1234.5).add("bad", std::numeric_limits<double>::infinity()).raw("list", "[]");
  EXPECT_EQ(object.text(),
            "{\"k\":10,\"name\":\"a \\\"b\\\"\\n\",\"distance\":0.1,\"ok\":true,\"qps\":1234.5,"
            "\"bad\":null,\"list\":[]}");
  EXPECT_EQ(json::Object().text(), "{}");
}

TEST(Json, WritesKeysVectorsAndPayloads) {
  EXPECT_EQ(json::key_text(Key(uint64_t{18446744073709551615ull})), "18446744073709551615");
  EXPECT_EQ(json::key_text(Key("a\tb")), "\"a\\tb\"");
  const std::vector<float> floats = {0.5f, -1.25f, 3};
  EXPECT_EQ(json::vector_text(VectorView::f32(floats)), "[0.5,-1.25,3]");
  const std::vector<uint8_t> bytes = {0, 255};
  EXPECT_EQ(json::vector_text(VectorView::u8(bytes)), "[0,255]");
  EXPECT_EQ(json::payload_text("{\"a\":\r\n 1}"), "{\"a\":   1}");
  EXPECT_EQ(json::list({"1", "{}"}), "[1,{}]");
}

TEST(Output, OneLineCutsAtCharactersAndHidesControls) {
  EXPECT_EQ(one_line("short", 10), "short");
  EXPECT_EQ(one_line("a\nb\x1b[31m", 10), "a b [31m");
  EXPECT_EQ(one_line("abcdefghij", 8), "abcde...");
  EXPECT_EQ(one_line("äöüäöüäöü", 9), "äöüäöüäöü");
  EXPECT_EQ(one_line("äöüäöüäöü", 6), "äöü...");
}

TEST(ProgressLine, ShowsRateAndTimeLeft) {
  ProgressState state{
      .label = "import", .unit = "rows", .done = 4000, .fraction = 0.25, .seconds = 2};
  EXPECT_EQ(progress_line(state),
            "import  [======>                 ]  25%  2000 rows/s  6.0 s left");
  state.fraction.reset();
  EXPECT_EQ(progress_line(state), "import  4,000 rows  2000 rows/s  2.0 s");
  state.fraction = 7;
  EXPECT_NE(progress_line(state).find("[========================]  100%"), std::string::npos);
}

TEST(RowMessage, CountsWithinTheFile) {
  const auto plus_100 = [](uint64_t row) { return row + 100; };
  EXPECT_EQ(renumber_row("row 7 has a NaN", plus_100), "row 107 has a NaN");
  EXPECT_EQ(renumber_row("key row 1 (row 7 of the batch)", plus_100),
            "key row 1 (row 107 of the batch)");
  EXPECT_EQ(renumber_row("no such thing", plus_100), "no such thing");
  EXPECT_EQ(renumber_row("row ", plus_100), "row ");
}

// Row i holds the number i; keys as given.
KeyedRows rows_of(const std::vector<std::string>& keys, bool numbers) {
  KeyedRows rows;
  rows.first_row = 1000;
  rows.batch.type = ScalarType::kU8;
  rows.batch.dim = 2;
  rows.batch.rows = keys.size();
  for (size_t i = 0; i < keys.size(); ++i) {
    rows.batch.data.insert(rows.batch.data.end(), 2, static_cast<std::byte>(i));
    rows.batch.payloads.push_back("payload " + std::to_string(i));
    if (numbers) {
      rows.batch.number_keys.push_back(*base::parse_u64(keys[i]));
    } else {
      rows.batch.string_keys.push_back(keys[i]);
    }
  }
  return rows;
}

void expect_rows(const KeyedRows& rows, const std::vector<size_t>& expected) {
  ASSERT_EQ(rows.batch.rows, expected.size());
  EXPECT_EQ(rows.keys().size(), expected.size());
  EXPECT_EQ(rows.batch.data.size(), 2 * expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(rows.batch.view().row(i)[1]), expected[i]);
    EXPECT_EQ(rows.batch.payloads[i], "payload " + std::to_string(expected[i]));
    EXPECT_EQ(rows.source_row(i), 1000 + expected[i]);
  }
}

TEST(Duplicates, AreDroppedByPolicyForBothKeyTypes) {
  const std::vector<std::string> keys = {"5", "3", "5", "7", "3", "5"};
  for (const bool numbers : {true, false}) {
    KeyedRows replaced = rows_of(keys, numbers);
    const auto dropped = drop_duplicates(replaced, OnDuplicate::kReplace);
    ASSERT_TRUE(dropped.is_ok());
    EXPECT_EQ(*dropped, 3u);
    expect_rows(replaced, {3, 4, 5});

    KeyedRows skipped = rows_of(keys, numbers);
    ASSERT_TRUE(drop_duplicates(skipped, OnDuplicate::kSkip).is_ok());
    expect_rows(skipped, {0, 1, 3});

    KeyedRows refused = rows_of(keys, numbers);
    const auto error = drop_duplicates(refused, OnDuplicate::kError);
    EXPECT_EQ(error.status().code(), StatusCode::kAlreadyExists);
    EXPECT_EQ(error.status().message(), "key 5 comes twice: in row 1000 and row 1002");
  }
}

TEST(Duplicates, LeaveDistinctKeysAlone) {
  for (const bool numbers : {true, false}) {
    KeyedRows rows = rows_of({"9", "1", "4"}, numbers);
    const auto dropped = drop_duplicates(rows, OnDuplicate::kError);
    ASSERT_TRUE(dropped.is_ok());
    EXPECT_EQ(*dropped, 0u);
    expect_rows(rows, {0, 1, 2});
  }
}

TEST(ReadAhead, HandsOnItemsInOrderAndThenTheFailure) {
  int next = 0;
  ReadAhead<int> reading([&next] {
    if (next == 3) throw Failure(Status::not_found("the end"));
    return next++;
  });
  const auto never = [] { return false; };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reading.next(never), i);
    reading.start();
  }
  EXPECT_THROW(reading.next(never), Failure);
  EXPECT_FALSE(reader_left_behind);
}

TEST(ReadAhead, StopsWaitingWhenCancelled) {
  std::promise<int> silent;
  std::shared_future<int> future = silent.get_future().share();
  ReadAhead<int> reading([future] { return future.get(); });
  EXPECT_EQ(reading.next([] { return true; }), std::nullopt);
  silent.set_value(1);
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(KeyFile, AppearsWhenFinishedOnly) {
  const std::string path = testing::TempDir() + "/roxanne_cli_test_keys.txt";
  std::remove(path.c_str());
  {
    KeyFile dropped(path);
    dropped.append(Key(uint64_t{1}));
  }
  EXPECT_FALSE(std::ifstream(path).good());
  EXPECT_FALSE(std::ifstream(path + ".tmp").good());
  KeyFile keys(path);
  keys.append(Key(uint64_t{1}));
  keys.append(Key("two"));
  EXPECT_THROW(keys.append(Key("a\nb")), Failure);
  keys.finish();
  EXPECT_EQ(contents(path), "1\ntwo\n");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace roxanne::cli
