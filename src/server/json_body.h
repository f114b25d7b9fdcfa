// JSON bodies, read in one pass without a tree: numbers go straight into rows of the collection's
// scalar type. A body is one object, whose members a handler names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::server {

// Keys of one type, in the form the library takes.
struct Keys {
  KeyType type = KeyType::kU64;
  size_t count_max = 0;
  std::vector<uint64_t> numbers = {};
  std::vector<std::string> strings = {};

  size_t size() const { return type == KeyType::kU64 ? numbers.size() : strings.size(); }
  KeysView view() const { return type == KeyType::kU64 ? KeysView(numbers) : KeysView(strings); }
};

// Vectors of one shape.
struct Rows {
  ScalarType type = ScalarType::kF32;
  size_t dim = 0;
  size_t count_max = 0;
  size_t count = 0;
  std::vector<std::byte> bytes = {};  // count x dim

  MatrixView view() const { return {type, bytes.data(), count, dim}; }
};

// {"key": .., "vector": [..], "payload": {..}} and more of them, payload or none.
struct Points {
  Keys keys;
  Rows rows;
  std::vector<std::string> payloads = {};  // one a point, "" for none
  bool has_payload = false;                // of any of them
};

// What members hold, by the place where it goes.
struct OneKey {
  KeyType type;
  std::optional<Key>* key;
};
struct OneRow {
  Rows* rows;
};
struct ManyRows {
  Rows* rows;
};
using Place =
    std::variant<std::optional<uint64_t>*, std::optional<bool>*, std::optional<std::string>*,
                 std::vector<std::string>*, OneKey, Keys*, OneRow, ManyRows, Points*>;

struct Member {
  std::string_view name;
  Place place;
  bool is_required = false;
};

// Every member at most once, each that is required, none that is not named. kInvalidArgument says
// where and why: "points[3].vector[7]: expected u8 values, found 256". Payloads nest as deep as the
// engine takes them.
Status read_json_body(std::string_view body, std::span<const Member> members);

inline constexpr size_t kNamesMax = 16;  // strings in a list: "with"
inline constexpr size_t kTextBytesMax = 512;

}  // namespace roxanne::server
