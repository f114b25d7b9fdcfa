// JSON bodies of every kind that handlers read, for collections of every scalar and key type. What
// is taken must be well-formed: as many keys as vectors and payloads, each within its limits.
#include <cstdint>
#include <string_view>

#include "base/status_macros.h"
#include "server/json_body.h"

using namespace roxanne;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const auto type = static_cast<ScalarType>(data[0] & 3);
  const auto key_type = static_cast<KeyType>(data[0] >> 2 & 1);
  const size_t dim = 1 + (data[0] >> 3 & 3);
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  server::Points points{{.type = key_type, .count_max = 20},
                        {.type = type, .dim = dim, .count_max = 20}};
  server::Keys keys{.type = key_type, .count_max = 20};
  server::Rows one{.type = type, .dim = dim, .count_max = 1};
  server::Rows many{.type = type, .dim = dim, .count_max = 20};
  std::optional<uint64_t> number;
  std::optional<bool> flag;
  std::optional<std::string> text;
  std::optional<Key> key;
  std::vector<std::string> names;
  const server::Member members[] = {{"points", &points},
                                    {"keys", &keys},
                                    {"vector", server::OneRow{&one}},
                                    {"vectors", server::ManyRows{&many}},
                                    {"k", &number},
                                    {"exact", &flag},
                                    {"on_duplicate", &text},
                                    {"key", server::OneKey{key_type, &key}},
                                    {"with", &names}};
  const Status status = server::read_json_body(body, members);
  if (!status) {
    ROX_CHECK(status.code() == StatusCode::kInvalidArgument && !status.message().empty());
    return 0;
  }
  const auto check_rows = [&](const server::Rows& rows) {
    ROX_CHECK(rows.count <= rows.count_max);
    ROX_CHECK(rows.bytes.size() == rows.count * rows.dim * scalar_bytes(rows.type));
  };
  check_rows(one);
  check_rows(many);
  check_rows(points.rows);
  ROX_CHECK(points.keys.size() == points.rows.count);
  ROX_CHECK(points.payloads.size() == points.keys.size());
  ROX_CHECK(keys.size() <= 20 && names.size() <= server::kNamesMax);
  for (const std::string& payload : points.payloads) {
    ROX_CHECK(payload.size() <= kPayloadBytesMax);
    ROX_CHECK(payload.empty() || (payload.front() == '{' && payload.back() == '}'));
  }
  if (key.has_value()) ROX_CHECK(key->type() == key_type);
  return 0;
}
