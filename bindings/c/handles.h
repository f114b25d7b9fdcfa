// What stands behind the handles of roxanne/c.h, and the door that every call goes through.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roxanne/c.h"
#include "roxanne/roxanne.h"

struct rox_database {
  roxanne::Database database;
};

struct rox_collection {
  roxanne::Collection collection;
};

struct rox_neighbors {
  std::vector<std::vector<roxanne::Neighbor>> lists;
};

struct rox_points {
  std::vector<roxanne::Point> points;
};

struct rox_scan {
  roxanne::PointScan scan;
};

struct rox_strings {
  std::vector<std::string> strings;
};

namespace roxanne::c {

// Leaves a copy of `text` where the caller wants it; NULL where memory is out.
inline void set_message(char** message, std::string_view text) {
  if (message == nullptr) return;
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy != nullptr) {
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
  }
  *message = copy;
}

// Runs `call`, which returns a Status, and turns what came of it into a rox_status. No exception
// passes.
template <typename Call>
rox_status guarded(char** message, const Call& call) {
  if (message != nullptr) *message = nullptr;
  try {
    const Status status = call();
    if (!status) set_message(message, status.message());
    return static_cast<rox_status>(status.code());
  } catch (const std::bad_alloc&) {
    set_message(message, "out of memory");
    return ROX_OUT_OF_MEMORY;
  } catch (const std::length_error&) {
    set_message(message, "a size among the arguments is larger than any memory");
    return ROX_INVALID_ARGUMENT;
  } catch (const std::exception& error) {
    set_message(message, error.what());
    return ROX_IO_ERROR;
  }
}

// Gives `value` away as a new Handle.
template <typename Handle, typename Value>
Status give(Handle** out, Value value) {
  *out = new Handle{std::move(value)};
  return Status::ok();
}

struct Argument {
  const void* pointer;
  const char* name;
};

// kInvalidArgument naming the argument that is NULL; ok where none is.
template <size_t kCount>
Status require(const Argument (&arguments)[kCount]) {
  for (const Argument& argument : arguments) {
    if (argument.pointer == nullptr) {
      return Status::invalid_argument(std::string(argument.name) + " is NULL");
    }
  }
  return Status::ok();
}

// A copy of the caller's `given`, which may be of an older, shorter or a newer, longer version of
// the structure: fields that this version does not know must be zero. All zero where it is NULL.
template <typename Options>
Result<Options> read_options(const Options* given) {
  Options options{};
  if (given == nullptr) return options;
  constexpr size_t kSizeMin = 2 * sizeof(size_t);
  constexpr size_t kSizeMax = 4096;
  const size_t size = given->struct_size;
  if (size < kSizeMin || size > kSizeMax) {
    return Status::invalid_argument("options: struct_size is " + std::to_string(size) +
                                    "; set it to the sizeof of the structure");
  }
  const char* bytes = reinterpret_cast<const char*>(given);
  for (size_t i = sizeof(Options); i < size; ++i) {
    if (bytes[i] != 0) {
      return Status::unsupported("options: a field is set that this library does not know");
    }
  }
  std::memcpy(&options, bytes, size < sizeof(Options) ? size : sizeof(Options));
  return options;
}

// `value` as one of the enumerators 0..last.
template <typename Enum>
Result<Enum> read_enum(int32_t value, Enum last, const char* what) {
  if (value < 0 || value > static_cast<int32_t>(last)) {
    return Status::invalid_argument(std::string(what) + " " + std::to_string(value) +
                                    " is not one of roxanne/c.h");
  }
  return static_cast<Enum>(value);
}

// `flags` where no bit is set but those of `known`.
inline Result<uint32_t> read_flags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) != 0) {
    return Status::unsupported("flags: bit " + std::to_string(flags & ~known) +
                               " is not known to this library");
  }
  return flags;
}

inline Status read_reserved(uint32_t reserved) {
  if (reserved == 0) return Status::ok();
  return Status::unsupported("options: reserved is not 0");
}

inline rox_string view(std::string_view text) { return {text.data(), text.size()}; }

inline rox_key key_view(const Key& key) {
  if (key.type() == KeyType::kU64) return {ROX_KEY_U64, key.u64(), {nullptr, 0}};
  return {ROX_KEY_STRING, 0, view(key.str())};
}

inline rox_string view(const std::optional<std::string>& text) {
  return text ? view(std::string_view(*text)) : rox_string{nullptr, 0};
}

}  // namespace roxanne::c
