// roxanne index: brings a collection's index up to now.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/index_run.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "json/json_object.h"
#include "roxanne/database.h"

namespace roxanne::cli {
namespace {

class IndexCommand final : public Command {
 public:
  std::string_view name() const override { return "index"; }
  std::string_view summary() const override { return "Build a collection's index, or renew it"; }
  std::string_view examples() const override {
    return "  roxanne index photos.rox\n"
           "  roxanne index photos.rox --accelerator cuda --json\n"
           "  roxanne index photos.rox --serve-memory 64MiB\n"
           "\n"
           "Nothing is done where the index is fresh enough, or the collection so small that "
           "comparing with\n"
           "every vector is as fast. The index is the same whatever computes it.";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    add_accelerator(app, options_.accelerator);
    app.add_flag("--rebuild", options_.rebuild, "build anew where anything is not in it");
    add_bytes(app, "--serve-memory", options_.serving_memory_bytes,
              "build an index that a server with this --memory-limit can use");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_threads(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    require(accelerator_status(options_.accelerator));
    catch_interrupts();
    Database database = open_to_write(arguments_, false);
    const Collection collection = open_collection(database, arguments_);
    const IndexOutcome outcome = run_index(collection, options_);
    const CollectionInfo info = take(collection.info());
    require(database.close());
    const std::string text = index_text(outcome);
    if (outcome.interrupted) {
      print_message("interrupted: the index is as it was before, or nearer to now");
    } else {
      print_message(text.empty() ? "nothing to index" : text);
    }
    if (arguments_.json) {
      json::Object object;
      object.add("points", info.points).add("indexed_points", info.index.points);
      object.add("regime", info.regime);
      add_index(object, outcome);
      print_line(object.text());
    }
    return outcome.interrupted || !outcome.refused.empty() ? kExitFailure : kExitOk;
  }

 private:
  StoreArguments arguments_;
  IndexOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_index_command() { return std::make_unique<IndexCommand>(); }

}  // namespace roxanne::cli
