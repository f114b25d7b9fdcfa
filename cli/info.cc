// roxanne info: what is in a database.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/units.h"

namespace roxanne::cli {
namespace {

std::string collection_json(const CollectionInfo& info) {
  JsonObject object;
  object.add("name", info.name).add("points", info.points).add("dim", uint64_t{info.options.dim});
  object.add("type", scalar_type_name(info.options.type));
  object.add("metric", metric_name(info.options.metric));
  object.add("key_type", key_type_name(info.options.key_type));
  object.add("regime", info.regime).add("bytes_on_disk", info.bytes_on_disk);
  object.add("bytes_in_memory", info.bytes_in_memory).add("slots", info.slots);
  object.raw("index", "{}");  // the exact regime has no settings
  return object.text();
}

class InfoCommand final : public Command {
 public:
  std::string_view name() const override { return "info"; }
  std::string_view summary() const override { return "Show what is in a database"; }
  std::string_view examples() const override {
    return "  roxanne info photos.rox\n"
           "  roxanne info photos.rox --json";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    arguments_.collection.clear();
    app.add_option("--collection", arguments_.collection, "this collection only (default: all)")
        ->type_name("NAME");
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    const Database database = open_to_read(arguments_);
    DatabaseInfo info = take(database.info());
    if (!arguments_.collection.empty()) {
      info.collections = {take(open_collection(database, arguments_).info())};
    }
    if (arguments_.json) {
      print_json(info);
    } else {
      print_tables(info);
    }
    return kExitOk;
  }

 private:
  static void print_json(const DatabaseInfo& info) {
    std::vector<std::string> collections;
    for (const CollectionInfo& collection : info.collections) {
      collections.push_back(collection_json(collection));
    }
    JsonObject object;
    object.add("path", info.path).add("format_version", uint64_t{info.format_version});
    object.add("version", version()).add("memory_limit_bytes", info.memory_limit_bytes);
    object.add("bytes_on_disk", info.bytes_on_disk).add("redo_bytes", info.redo_bytes);
    object.add("isa", info.isa).raw("collections", json_list(collections));
    print_line(object.text());
  }

  static void print_tables(const DatabaseInfo& info) {
    print_line(info.path + ": format " + std::to_string(info.format_version) + ", " +
               format_bytes(info.bytes_on_disk) + " on disk, " + info.isa +
               " kernels, memory limit " + format_bytes(info.memory_limit_bytes));
    if (info.redo_bytes > 0) {
      print_line(format_bytes(info.redo_bytes) + " of writes wait for the next checkpoint");
    }
    if (info.collections.empty()) {
      print_line("no collections");
      return;
    }
    const auto left = Table::Align::kLeft;
    const auto right = Table::Align::kRight;
    Table table({left, right, right, left, left, left, left, right, right});
    table.add_row({"collection", "points", "dim", "type", "metric", "keys", "regime", "on disk",
                   "in memory"});
    for (const CollectionInfo& one : info.collections) {
      table.add_row({one.name, format_count(one.points), std::to_string(one.options.dim),
                     std::string(scalar_type_name(one.options.type)),
                     std::string(metric_name(one.options.metric)),
                     std::string(key_type_name(one.options.key_type)), one.regime,
                     format_bytes(one.bytes_on_disk), format_bytes(one.bytes_in_memory)});
    }
    table.print();
  }

  StoreArguments arguments_;
};

}  // namespace

std::unique_ptr<Command> make_info_command() { return std::make_unique<InfoCommand>(); }

}  // namespace roxanne::cli
