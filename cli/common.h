// Options that several verbs share, and opening what they name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "eval/vector_io.h"
#include "roxanne/roxanne.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace roxanne::cli {

// What a verb on a database was given.
struct StoreArguments {
  std::string path;
  std::string collection = "default";
  uint64_t memory_limit_bytes = 0;
  uint32_t thread_count = 0;
  Durability durability = Durability::kFull;
  bool page_cache = true;
  bool json = false;
};

inline constexpr uint32_t kThreadsMax = 1024;
inline constexpr uint64_t kStepBytes = 4u << 20;  // of vectors that are copied at once
// Searched for in one call, which reads a collection without a graph once for all of them.
inline constexpr size_t kQueriesPerCall = 256;

// Which of them a verb takes; each adds one positional or option.
void add_database(CLI::App& app, StoreArguments& arguments);
void add_collection(CLI::App& app, StoreArguments& arguments);
void add_memory_limit(CLI::App& app, StoreArguments& arguments);
// Another option that takes a size: --memory-limit is one.
CLI::Option* add_bytes(CLI::App& app, const std::string& flag, uint64_t& out,
                       const std::string& help);
void add_threads(CLI::App& app, StoreArguments& arguments);
void add_durability(CLI::App& app, StoreArguments& arguments);
void add_json(CLI::App& app, bool& json);

// --metric, --type, --key-type and the like. `flag` as CLI11 takes it: "--type".
CLI::Option* add_metric(CLI::App& app, std::optional<Metric>& out, const std::string& help);
CLI::Option* add_scalar_type(CLI::App& app, std::optional<ScalarType>& out,
                             const std::string& help);
CLI::Option* add_key_type(CLI::App& app, std::optional<KeyType>& out, const std::string& help);
CLI::Option* add_format(CLI::App& app, const std::string& flag,
                        std::optional<eval::FileFormat>& out, const std::string& help);
// A number from 1 to `max`.
CLI::Option* add_count(CLI::App& app, const std::string& flag, size_t& out, size_t max,
                       const std::string& help);
CLI::Option* add_count(CLI::App& app, const std::string& flag, uint32_t& out, uint32_t max,
                       const std::string& help);
// `take` sees each value and returns whether it is one of `expected`.
CLI::Option* add_choice(CLI::App& app, const std::string& flag, const std::string& expected,
                        const std::function<bool(const std::string&)>& take,
                        const std::string& help);

// --with payload,vector
struct WithFields {
  bool payload = false;
  bool vector = false;
};
CLI::Option* add_with(CLI::App& app, WithFields& with, const std::string& help);

// Failure says what to do: make the database, name another collection, ...
Database open_to_read(const StoreArguments& arguments);
Database open_to_write(const StoreArguments& arguments, bool create_if_missing);
struct ServeMode {
  bool read_only = false;
  bool create = false;
};
// To stay open: graphs are built and kept up in the background.
Database open_to_serve(const StoreArguments& arguments, const ServeMode& mode);
Collection open_collection(const Database& database, const StoreArguments& arguments);

// Keys of one type, in the form the library takes.
struct KeyList {
  KeyType type = KeyType::kU64;
  std::vector<uint64_t> numbers;
  std::vector<std::string> strings;

  void add(const Key& key);
  size_t size() const { return type == KeyType::kU64 ? numbers.size() : strings.size(); }
  KeysView view() const { return type == KeyType::kU64 ? KeysView(numbers) : KeysView(strings); }
};

// Rows of `row_bytes` that make about `bytes`; 1 at least.
size_t rows_of_bytes(uint64_t bytes, size_t row_bytes);

// "12 x f32"
std::string shape_text(size_t dim, ScalarType type);

}  // namespace roxanne::cli
