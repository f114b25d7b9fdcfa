// roxanne info: what is in a database.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/units.h"
#include "json/info_json.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// How far the index is behind. Which points a graph has is known when it is loaded; before, about
// how many.
std::string lag_text(const IndexInfo& index) {
  const std::string waiting = format_count(index.unindexed_points);
  if (index.bytes_in_memory == 0) {
    return "points not in the index yet: about " + waiting + " (--load tells exactly)";
  }
  return "points not in the index yet: " + waiting +
         "; deleted or replaced ones still in it: " + format_count(index.dead_nodes);
}

void print_index(const CollectionInfo& info) {
  const IndexInfo& index = info.index;
  if (index.bytes_on_disk > 0) {
    print_line(info.name + ": index of " + format_count(index.points) + " points, list size " +
               std::to_string(index.search_list_size) + ", degree " +
               std::to_string(index.max_degree) + ", " + format_bytes(index.bytes_on_disk) +
               " on disk");
    if (index.unindexed_points > 0 || index.dead_nodes > 0) {
      print_line(info.name + ": " + lag_text(index));
    }
  }
  if (!info.index_error.empty()) print_line(info.name + ": index: " + info.index_error);
}

void add_memory(const std::string& owner, const std::vector<MemoryPart>& parts, Table& table) {
  for (const MemoryPart& part : parts) {
    if (part.bytes > 0) table.add_row({owner, part.name, format_bytes(part.bytes)});
  }
}

// Of this process, which has only just opened the database.
void print_memory(const DatabaseInfo& info) {
  print_line("memory: " + format_bytes(info.memory_used_bytes) + " used of " +
             format_bytes(info.memory_limit_bytes) + " allowed; the whole process " +
             format_bytes(info.resident_set_bytes));
  Table table({Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  add_memory("(database)", info.memory, table);
  for (const CollectionInfo& one : info.collections) add_memory(one.name, one.memory, table);
  table.print("  ");
}

class InfoCommand final : public Command {
 public:
  std::string_view name() const override { return "info"; }
  std::string_view summary() const override { return "Show what is in a database"; }
  std::string_view examples() const override {
    return "  roxanne info photos.rox\n"
           "  roxanne info photos.rox --json\n"
           "  roxanne info photos.rox --memory-limit 256MiB   # which regime would that give?\n"
           "\n"
           "regime is how a collection is searched: \"exact\": by comparing with every vector; "
           "\"resident\":\n"
           "through a graph in memory; \"disk\": through a graph on disk, of which a search reads "
           "a few\n"
           "pages; \"damaged\": it cannot be opened, verify says why. Points that are not in the "
           "index yet\n"
           "are found too: searches compare with them one by one. Memory is that of this process "
           "at this\n"
           "moment: a graph is loaded by the first search, or by --load.";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    arguments_.collection.clear();
    app.add_option("--collection", arguments_.collection, "this collection only (default: all)")
        ->type_name("NAME");
    app.add_flag("--load", load_, "load graphs first, to see what memory they take");
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    const Database database = open_to_read(arguments_);
    if (load_) load_graphs(database);
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
  // By searching each collection for something.
  static void load_graphs(const Database& database) {
    for (const CollectionInfo& one : take(database.info()).collections) {
      const Collection collection = take(database.collection(one.name));
      // A number of each scalar type, neither huge nor so small that its square is zero.
      const std::vector<std::byte> row(one.options.dim * scalar_bytes(one.options.type),
                                       std::byte{0x3c});
      take(collection.search(VectorView(one.options.type, row.data(), one.options.dim), {.k = 1}));
    }
  }

  static void print_json(const DatabaseInfo& info) {
    std::vector<std::string> collections;
    for (const CollectionInfo& collection : info.collections) {
      collections.push_back(json::collection_json(collection));
    }
    json::Object object;
    object.add("path", info.path).add("format_version", uint64_t{info.format_version});
    object.add("version", version()).add("memory_limit_bytes", info.memory_limit_bytes);
    object.add("memory_used_bytes", info.memory_used_bytes);
    object.add("resident_set_bytes", info.resident_set_bytes);
    object.raw("memory", json::memory_json(info.memory));
    object.add("bytes_on_disk", info.bytes_on_disk).add("redo_bytes", info.redo_bytes);
    object.add("isa", info.isa).raw("collections", json::list(collections));
    print_line(object.text());
  }

  static void print_tables(const DatabaseInfo& info) {
    print_line(info.path + ": format " + std::to_string(info.format_version) + ", " +
               format_bytes(info.bytes_on_disk) + " on disk, " + info.isa + " kernels");
    if (info.redo_bytes > 0) {
      print_line(format_bytes(info.redo_bytes) + " of writes wait for the next checkpoint");
    }
    print_collections(info);
    print_memory(info);
  }

  static void print_collections(const DatabaseInfo& info) {
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
    for (const CollectionInfo& one : info.collections) print_index(one);
  }

  StoreArguments arguments_;
  bool load_ = false;
};

}  // namespace

std::unique_ptr<Command> make_info_command() { return std::make_unique<InfoCommand>(); }

}  // namespace roxanne::cli
