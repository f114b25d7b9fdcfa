// roxanne snapshot: a consistent copy of a database while others write.
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

class SnapshotCommand final : public Command {
 public:
  std::string_view name() const override { return "snapshot"; }
  std::string_view summary() const override { return "Copy a database while others write to it"; }
  std::string_view examples() const override {
    return "  roxanne snapshot photos.rox backup/photos-monday.rox\n"
           "  roxanne snapshot photos.rox /mnt/backup/photos.rox --json\n"
           "\n"
           "The copy is the database as it was when this began, indexes included: every batch is "
           "whole\n"
           "in it, or not there. It is a database like any other. DIR must not be there, or be "
           "empty; it\n"
           "is left as it was where the copy fails. The source is only read. Blocks are shared on "
           "disk\n"
           "where the file system can (XFS, Btrfs).";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_option("DIR", target_, "the folder to make")->required()->type_name("");
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    // To read: that works beside a process that writes, and changes nothing where there is none.
    const Database database = open_to_read(arguments_);
    double seconds = 0;
    SnapshotReport report;
    {
      Progress progress("snapshot", "");
      SnapshotOptions options;
      options.progress = [&](double fraction) {
        progress.update(0, fraction);
        return true;
      };
      report = take(database.snapshot(target_, options));
      seconds = progress.seconds();
    }
    if (arguments_.json) {
      json::Object object;
      object.add("path", target_).add("collections", report.collections);
      object.add("points", report.points).add("bytes_copied", report.bytes_copied);
      object.add("bytes_shared", report.bytes_shared).add("seconds", seconds);
      print_line(object.text());
    } else {
      print_line(target_ + ": " + format_count(report.points) + " points, " +
                 format_bytes(report.bytes_copied) + " copied, " +
                 format_bytes(report.bytes_shared) + " shared, in " + format_duration(seconds));
    }
    return kExitOk;
  }

 private:
  StoreArguments arguments_;
  std::string target_;
};

}  // namespace

std::unique_ptr<Command> make_snapshot_command() { return std::make_unique<SnapshotCommand>(); }

}  // namespace roxanne::cli
