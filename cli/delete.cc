// roxanne delete: points by key, from the command line or a file.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/key_text.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// Deleted in one atomic, durable step.
constexpr size_t kBatchKeys = 8192;
// Missing keys that are named; the rest is counted.
constexpr uint64_t kNamedMax = 20;

class DeleteCommand final : public Command {
 public:
  std::string_view name() const override { return "delete"; }
  std::string_view summary() const override { return "Remove points by key"; }
  std::string_view examples() const override {
    return "  roxanne delete photos.rox 17 18\n"
           "  roxanne delete docs.rox --keys old.txt               # one key a line\n"
           "\n"
           "Keys that are missing are named and the exit code is 3; the others are removed.";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_option("KEY", texts_, "keys of points")->type_name("");
    app.add_option("--keys", keys_path_, "file with one key a line; - is standard input")
        ->type_name("FILE");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_durability(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override;

 private:
  void delete_listed(Collection& collection);
  void delete_from_file(Collection& collection);
  void delete_batch(Collection& collection, const KeyList& keys);
  void report_missing(const Key& key);

  StoreArguments arguments_;
  std::vector<std::string> texts_;
  std::string keys_path_;
  uint64_t deleted_ = 0;
  uint64_t missing_ = 0;
};

int DeleteCommand::run() {
  if (texts_.empty() == keys_path_.empty()) {
    throw UsageError("give either keys or --keys FILE");
  }
  Database database = open_to_write(arguments_, false);
  Collection collection = open_collection(database, arguments_);
  if (keys_path_.empty()) {
    delete_listed(collection);
  } else {
    delete_from_file(collection);
  }
  require(database.close());
  if (missing_ > kNamedMax) {
    print_message("... and " + format_count(missing_ - kNamedMax) + " more missing keys");
  }
  print_message("deleted " + format_count(deleted_) + (deleted_ == 1 ? " point" : " points") +
                (missing_ > 0 ? ", " + format_count(missing_) + " missing" : ""));
  return missing_ > 0 ? kExitNotFound : kExitOk;
}

void DeleteCommand::delete_listed(Collection& collection) {
  KeyList keys;
  keys.type = collection.options().key_type;
  for (const std::string& text : texts_) {
    const auto key = base::parse_key(keys.type, text);
    if (!key) throw UsageError(key.status().message());
    keys.add(*key);
  }
  delete_batch(collection, keys);
}

void DeleteCommand::delete_from_file(Collection& collection) {
  const auto lines = take(eval::open_line_reader(keys_path_));
  KeyList keys;
  keys.type = collection.options().key_type;
  std::string line;
  uint64_t line_number = 0;
  while (take(lines->next(line))) {
    ++line_number;
    const auto key = base::parse_key(keys.type, line);
    if (!key) {
      throw Failure(Status::invalid_argument(keys_path_ + ": line " + std::to_string(line_number) +
                                             ": " + key.status().message()),
                    format_count(deleted_) + " points of the lines before it are deleted");
    }
    keys.add(*key);
    if (keys.size() == kBatchKeys) {
      delete_batch(collection, keys);
      keys = KeyList{.type = keys.type, .numbers = {}, .strings = {}};
    }
  }
  delete_batch(collection, keys);
}

// erase() only counts: which keys are missing must be asked before. A key named twice is missing
// the second time.
void DeleteCommand::delete_batch(Collection& collection, const KeyList& keys) {
  std::vector<Key> sorted;
  const KeysView view = keys.view();
  for (size_t i = 0; i < keys.size(); ++i) sorted.push_back(view.key(i));
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<bool> present;
  for (const Key& key : sorted) {
    // A damaged point is there and may be deleted.
    const Status found = collection.get(key, {.with_payload = false}).status();
    present.push_back(found.code() != StatusCode::kNotFound);
  }
  deleted_ += take(collection.erase(view));
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (!present[i]) report_missing(sorted[i]);
    if (arguments_.json) {
      json::Object object;
      object.raw("key", json::key_text(sorted[i])).flag("deleted", present[i]);
      print_line(object.text());
    }
  }
}

void DeleteCommand::report_missing(const Key& key) {
  if (++missing_ > kNamedMax) return;
  print_message("roxanne: delete " + arguments_.path + ": no key " + key.to_string() +
                " in collection " + arguments_.collection);
}

}  // namespace

std::unique_ptr<Command> make_delete_command() { return std::make_unique<DeleteCommand>(); }

}  // namespace roxanne::cli
