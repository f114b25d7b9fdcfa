// Reading what C callers hand in: keys, matrices, payloads.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "handles.h"

namespace roxanne::c {

inline Result<std::string> read_string(const rox_string& given, const char* what) {
  if (given.data == nullptr && given.size != 0) {
    return Status::invalid_argument(std::string(what) + ": data is NULL, size is not 0");
  }
  std::string text;
  if (given.size > text.max_size()) {
    return Status::invalid_argument(std::string(what) + ": size " + std::to_string(given.size) +
                                    " is more than a string can have");
  }
  if (given.size != 0) text.assign(given.data, given.size);
  return text;
}

// Keys in the shape that the engine takes; strings are copied.
class Keys {
 public:
  static Result<Keys> read(const rox_keys& given) {
    Keys keys;
    if (given.numbers != nullptr && given.strings != nullptr) {
      return Status::invalid_argument("keys: numbers and strings are both set");
    }
    if (given.count != 0 && given.numbers == nullptr && given.strings == nullptr) {
      return Status::invalid_argument("keys: neither numbers nor strings is set");
    }
    // Before a copy is made of what the engine would refuse.
    if (given.count > kBatchRowsMax) {
      return Status::invalid_argument("keys: " + std::to_string(given.count) +
                                      " in one call; make batches of at most " +
                                      std::to_string(kBatchRowsMax));
    }
    keys.numbers_ = {given.numbers, given.numbers == nullptr ? 0 : given.count};
    keys.is_string_ = given.strings != nullptr;
    if (!keys.is_string_) return keys;
    keys.strings_.reserve(given.count);
    for (size_t i = 0; i < given.count; ++i) {
      auto text = read_string(given.strings[i], "keys");
      if (!text) return text.status().with_context("key " + std::to_string(i));
      keys.strings_.push_back(std::move(*text));
    }
    return keys;
  }

  KeysView view() const { return is_string_ ? KeysView(strings_) : KeysView(numbers_); }

 private:
  std::span<const uint64_t> numbers_;
  std::vector<std::string> strings_;
  bool is_string_ = false;
};

inline Result<Key> read_key(const rox_key& given) {
  auto type = read_enum(given.type, KeyType::kString, "key type");
  if (!type) return type.status();
  if (*type == KeyType::kU64) return Key(given.number);
  auto text = read_string(given.string, "key");
  if (!text) return text.status();
  return Key(std::move(*text));
}

inline Result<MatrixView> read_matrix(const rox_matrix& given) {
  auto type = read_enum(given.type, ScalarType::kI8, "scalar type");
  if (!type) return type.status();
  if (given.data == nullptr && given.rows != 0 && given.dim != 0) {
    return Status::invalid_argument("matrix: data is NULL");
  }
  return MatrixView(*type, given.data, given.rows, given.dim);
}

inline Result<std::vector<std::string>> read_payloads(const rox_string* given, size_t count) {
  std::vector<std::string> payloads;
  if (given == nullptr) return payloads;
  payloads.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    auto text = read_string(given[i], "payload");
    if (!text) return text.status().with_context("row " + std::to_string(i));
    payloads.push_back(std::move(*text));
  }
  return payloads;
}

}  // namespace roxanne::c
