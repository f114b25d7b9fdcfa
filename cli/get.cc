// roxanne get: points by key.
#include <CLI/CLI.hpp>

#include "base/key_text.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// A line is as wide as this in a vector shown to a person.
constexpr size_t kElementsPerLine = 12;

class GetCommand final : public Command {
 public:
  std::string_view name() const override { return "get"; }
  std::string_view summary() const override { return "Show points by key"; }
  std::string_view examples() const override {
    return "  roxanne get photos.rox 17\n"
           "  roxanne get docs.rox intro.md index.md --with payload\n"
           "  roxanne get docs.rox 17 18 --json                    # lines that import takes back\n"
           "  roxanne get docs.rox -- -odd-key                     # keys that look like options";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_option("KEY", texts_, "keys of points")->required()->type_name("");
    add_with(app, with_, "what to show with the key (default: both)");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    const Database database = open_to_read(arguments_);
    const Collection collection = open_collection(database, arguments_);
    std::vector<Key> keys;
    for (const std::string& text : texts_) {
      const auto key = base::parse_key(collection.options().key_type, text);
      if (!key) throw UsageError(key.status().message());
      keys.push_back(*key);
    }
    int code = kExitOk;
    for (const Key& key : keys) {
      const auto point = collection.get(key, {.with_payload = with_.payload});
      if (point.is_ok()) {
        show(*point);
      } else if (point.status().code() == StatusCode::kNotFound) {
        print_message("roxanne: get " + arguments_.path + ": " + point.status().message());
        code = kExitNotFound;
      } else {
        throw Failure(point.status());
      }
    }
    return code;
  }

 private:
  void show(const Point& point) const {
    if (arguments_.json) {
      json::Object object;
      object.raw("key", json::key_text(point.key));
      if (with_.vector) object.raw("vector", json::vector_text(point.vector.view()));
      if (point.payload.has_value()) object.raw("payload", json::payload_text(*point.payload));
      print_line(object.text());
      return;
    }
    print_line("key      " + point.key.to_string());
    if (with_.payload)
      print_line("payload  " + json::payload_text(point.payload.value_or("(none)")));
    if (!with_.vector) return;
    std::string line = "vector  ";
    for (size_t i = 0; i < point.vector.dim(); ++i) {
      if (i > 0 && i % kElementsPerLine == 0) {
        print_line(line);
        line = "        ";
      }
      line += " " + json::number(point.vector.at(i));
    }
    print_line(line);
  }

  StoreArguments arguments_;
  std::vector<std::string> texts_;
  WithFields with_ = {.payload = true, .vector = true};
};

}  // namespace

std::unique_ptr<Command> make_get_command() { return std::make_unique<GetCommand>(); }

}  // namespace roxanne::cli
