// A verb of the command line.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace roxanne::cli {

class Command {
 public:
  virtual ~Command() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;   // one line, for every list of verbs
  virtual std::string_view examples() const = 0;  // lines, the end of --help
  virtual void declare(CLI::App& app) = 0;
  // After parsing. Returns an exit code, or throws Failure or UsageError.
  virtual int run() = 0;
  // What the verb works on, for messages: "photos.rox".
  virtual std::string subject() const = 0;
};

std::unique_ptr<Command> make_create_command();
std::unique_ptr<Command> make_import_command();
std::unique_ptr<Command> make_index_command();
std::unique_ptr<Command> make_search_command();
std::unique_ptr<Command> make_get_command();
std::unique_ptr<Command> make_delete_command();
std::unique_ptr<Command> make_eval_command();
std::unique_ptr<Command> make_ground_truth_command();
std::unique_ptr<Command> make_info_command();
std::unique_ptr<Command> make_verify_command();
std::unique_ptr<Command> make_export_command();
std::unique_ptr<Command> make_convert_command();
std::unique_ptr<Command> make_snapshot_command();
std::unique_ptr<Command> make_serve_command();

}  // namespace roxanne::cli
