#include "cli/common.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/failure.h"
#include "cli/units.h"

namespace roxanne::cli {
namespace {

DatabaseOptions options_of(const StoreArguments& arguments) {
  DatabaseOptions options;
  options.memory_limit_bytes = arguments.memory_limit_bytes;
  options.thread_count = arguments.thread_count;
  options.durability = arguments.durability;
  options.page_cache = arguments.page_cache;
  return options;
}

Database open(const StoreArguments& arguments, const DatabaseOptions& options) {
  auto database = Database::open(arguments.path, options);
  if (database.is_ok()) return std::move(database).value();
  if (database.status().code() == StatusCode::kNotFound && !options.create_if_missing) {
    throw Failure(database.status(),
                  "\"roxanne import DB FILE\" and \"roxanne create DB --dim N\" make one");
  }
  throw Failure(database.status());
}

// An option whose value is one of a few names.
template <typename T>
CLI::Option* add_named(CLI::App& app, const std::string& flag, std::optional<T>& out,
                       std::optional<T> (*parse)(std::string_view), const std::string& names,
                       const std::string& help) {
  const auto take = [&out, parse](const std::string& value) {
    out = parse(value);
    return out.has_value();
  };
  return add_choice(app, flag, names, take, help);
}

// The range is told by the message of a value beyond it, not by --help.
template <typename Number>
CLI::Option* add_number(CLI::App& app, const std::string& flag, Number& out, Number max,
                        const std::string& help) {
  const std::string no_description;
  return app.add_option(flag, out, help)
      ->check(CLI::Range(Number{1}, max).description(no_description))
      ->type_name("N");
}

}  // namespace

CLI::Option* add_count(CLI::App& app, const std::string& flag, size_t& out, size_t max,
                       const std::string& help) {
  return add_number(app, flag, out, max, help);
}

CLI::Option* add_count(CLI::App& app, const std::string& flag, uint32_t& out, uint32_t max,
                       const std::string& help) {
  return add_number(app, flag, out, max, help);
}

CLI::Option* add_choice(CLI::App& app, const std::string& flag, const std::string& expected,
                        const std::function<bool(const std::string&)>& take,
                        const std::string& help) {
  const auto check = [flag, expected, take](const std::string& value) {
    if (!take(value)) {
      throw CLI::ValidationError(flag, "\"" + value + "\" is not one of " + expected);
    }
  };
  return app.add_option_function<std::string>(flag, check, help)->type_name(expected);
}

void add_database(CLI::App& app, StoreArguments& arguments) {
  app.add_option("DB", arguments.path, "folder of the database")->required()->type_name("");
}

void add_collection(CLI::App& app, StoreArguments& arguments) {
  app.add_option("--collection", arguments.collection, "collection to use")
      ->type_name("NAME")
      ->capture_default_str();
}

CLI::Option* add_bytes(CLI::App& app, const std::string& flag, uint64_t& out,
                       const std::string& help) {
  const auto parse = [flag, &out](const std::string& value) {
    const auto bytes = parse_bytes(value);
    if (!bytes.has_value()) {
      throw CLI::ValidationError(flag,
                                 "\"" + value + "\" is no size; write 64MiB, 4GiB, 2GB or bytes");
    }
    out = *bytes;
  };
  return app.add_option_function<std::string>(flag, parse, help)->type_name("SIZE");
}

void add_memory_limit(CLI::App& app, StoreArguments& arguments) {
  add_bytes(app, "--memory-limit", arguments.memory_limit_bytes,
            "memory to use at most, 32MiB or more (default: half)");
}

void add_threads(CLI::App& app, StoreArguments& arguments) {
  add_count(app, "--threads", arguments.thread_count, kThreadsMax,
            "threads to use (default: one a processor)");
}

void add_durability(CLI::App& app, StoreArguments& arguments) {
  const auto take = [&arguments](const std::string& value) {
    if (value == "full") arguments.durability = Durability::kFull;
    if (value == "grouped") arguments.durability = Durability::kGrouped;
    if (value == "none") arguments.durability = Durability::kNone;
    return value == "full" || value == "grouped" || value == "none";
  };
  add_choice(app, "--durability", "full|grouped|none", take,
             "sync every batch (default), every 100 ms, or at the end");
}

void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "JSON on stdout, one object a line");
}

CLI::Option* add_metric(CLI::App& app, std::optional<Metric>& out, const std::string& help) {
  return add_named(app, "--metric", out, &parse_metric, "l2|ip|cosine", help);
}

CLI::Option* add_scalar_type(CLI::App& app, std::optional<ScalarType>& out,
                             const std::string& help) {
  return add_named(app, "--type", out, &parse_scalar_type, "f32|f16|u8|i8", help);
}

CLI::Option* add_key_type(CLI::App& app, std::optional<KeyType>& out, const std::string& help) {
  return add_named(app, "--key-type", out, &parse_key_type, "u64|string", help);
}

CLI::Option* add_format(CLI::App& app, const std::string& flag,
                        std::optional<eval::FileFormat>& out, const std::string& help) {
  const auto take = [&out](const std::string& value) {
    out = eval::parse_file_format(value);
    return out.has_value();
  };
  return add_choice(app, flag, eval::file_format_names(), take, help)->type_name("FORMAT");
}

CLI::Option* add_with(CLI::App& app, WithFields& with, const std::string& help) {
  const auto parse = [&with](const std::vector<std::string>& fields) {
    with = WithFields();
    for (const std::string& field : fields) {
      if (field == "payload") {
        with.payload = true;
      } else if (field == "vector") {
        with.vector = true;
      } else {
        throw CLI::ValidationError("--with", "\"" + field + "\" is not one of payload, vector");
      }
    }
  };
  return app.add_option_function<std::vector<std::string>>("--with", parse, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("payload,vector");
}

Database open_to_read(const StoreArguments& arguments) {
  DatabaseOptions options = options_of(arguments);
  options.read_only = true;
  return open(arguments, options);
}

Database open_to_write(const StoreArguments& arguments, bool create_if_missing) {
  DatabaseOptions options = options_of(arguments);
  options.create_if_missing = create_if_missing;
  options.automatic_index = false;  // a verb ends before a build in the background would
  return open(arguments, options);
}

Database open_to_serve(const StoreArguments& arguments, const ServeMode& mode) {
  DatabaseOptions options = options_of(arguments);
  options.read_only = mode.read_only;
  options.create_if_missing = mode.create;
  return open(arguments, options);
}

Collection open_collection(const Database& database, const StoreArguments& arguments) {
  auto collection = database.collection(arguments.collection);
  if (collection.is_ok()) return std::move(collection).value();
  if (collection.status().code() != StatusCode::kNotFound) throw Failure(collection.status());
  std::string names;
  for (const std::string& name : database.collection_names()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  throw Failure(collection.status(),
                names.empty() ? "the database has no collections yet"
                              : "the database has: " + names + " (choose with --collection)");
}

void KeyList::add(const Key& key) {
  if (type == KeyType::kU64) {
    numbers.push_back(key.u64());
  } else {
    strings.push_back(key.str());
  }
}

size_t rows_of_bytes(uint64_t bytes, size_t row_bytes) {
  return std::max<size_t>(1, static_cast<size_t>(bytes / std::max<size_t>(1, row_bytes)));
}

std::string shape_text(size_t dim, ScalarType type) {
  return std::to_string(dim) + " x " + std::string(scalar_type_name(type));
}

}  // namespace roxanne::cli
