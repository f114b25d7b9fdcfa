// roxanne verify: reads every byte and checks every invariant.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

std::vector<std::string> json_texts(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const std::string& text : texts) items.push_back(json::quoted(text));
  return items;
}

class VerifyCommand final : public Command {
 public:
  std::string_view name() const override { return "verify"; }
  std::string_view summary() const override {
    return "Check every byte; list what is wrong, mend what can be rebuilt";
  }
  std::string_view examples() const override {
    return "  roxanne verify photos.rox\n"
           "  roxanne verify photos.rox --json\n"
           "  roxanne verify photos.rox --repair                   # rebuilds derived data\n"
           "\n"
           "Exit code 5 where anything is wrong. Nothing is changed without --repair.";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_flag("--repair", repair_, "rebuild what is derived from the rest, then check again");
    add_memory_limit(app, arguments_);
    add_threads(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    std::vector<std::string> repaired;
    if (repair_) repaired = repair();
    VerifyReport report = check_as_is();
    report.repaired = std::move(repaired);
    if (arguments_.json) {
      print_json(report);
    } else {
      print_text(report);
    }
    if (report.problems.empty()) return kExitOk;
    print_message("roxanne: verify " + arguments_.path + ": " +
                  format_count(report.problems.size()) +
                  (report.problems.size() == 1 ? " problem" : " problems"));
    if (!repair_) print_message("  --repair rebuilds what is derived from the rest");
    return kExitCorrupt;
  }

 private:
  // What was mended; nothing where the database cannot be opened, as check_as_is() says then.
  std::vector<std::string> repair() const {
    std::vector<std::string> repaired;
    try {
      Database database = open_to_write(arguments_, false);
      repaired = check(database, "repair").repaired;
      require(database.close());
    } catch (const Failure& failure) {
      if (failure.status().code() != StatusCode::kCorruption) throw;
    }
    return repaired;
  }

  // Damage that keeps the database from being opened is a problem like any other.
  VerifyReport check_as_is() const {
    try {
      Database database = open_to_read(arguments_);
      return check(database, "verify");
    } catch (const Failure& failure) {
      if (failure.status().code() != StatusCode::kCorruption) throw;
      VerifyReport report;
      report.problems.push_back(failure.status().message());
      return report;
    }
  }

  VerifyReport check(Database& database, const std::string& label) const {
    Progress progress(label, "");
    VerifyOptions options;
    options.repair = label == "repair";
    options.progress = [&](double fraction) {
      progress.update(0, fraction);
      return true;
    };
    return take(database.verify(options));
  }

  static void print_json(const VerifyReport& report) {
    json::Object object;
    object.flag("ok", report.problems.empty()).add("points_checked", report.points_checked);
    object.add("bytes_checked", report.bytes_checked);
    object.raw("problems", json::list(json_texts(report.problems)));
    object.raw("repaired", json::list(json_texts(report.repaired)));
    print_line(object.text());
  }

  void print_text(const VerifyReport& report) const {
    for (const std::string& text : report.repaired) print_line("repaired: " + text);
    for (const std::string& text : report.problems) print_line("problem: " + text);
    print_line(arguments_.path + ": " + format_count(report.points_checked) + " points and " +
               format_bytes(report.bytes_checked) + " checked" +
               (report.problems.empty() ? ", all is well" : ""));
  }

  StoreArguments arguments_;
  bool repair_ = false;
};

}  // namespace

std::unique_ptr<Command> make_verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace roxanne::cli
