// roxanne export: a collection as a file of any import format.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/key_file.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// Of one step where vectors are short: each point may bring a payload.
constexpr size_t kStepPointsMax = 2048;

class ExportCommand final : public Command {
 public:
  std::string_view name() const override { return "export"; }
  std::string_view summary() const override {
    return "Write a collection to a file of vectors or of JSON lines";
  }
  std::string_view examples() const override {
    return "  roxanne export docs.rox points.jsonl                 # keys, vectors and payloads\n"
           "  roxanne export photos.rox base.u8bin --keys keys.txt # vectors, and keys beside "
           "them\n"
           "  roxanne export docs.rox - --format jsonl --order any | gzip > docs.jsonl.gz";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_option("FILE", path_, "file to write; - is standard output (jsonl)")
        ->required()
        ->type_name("");
    add_format(app, "--format", writer_.format, "of FILE, where its suffix does not tell");
    app.add_option("--dataset", writer_.dataset, "dataset in an hdf5 file")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--keys", keys_path_, "write the keys to this file, one a line")
        ->type_name("FILE");
    const auto take_order = [this](const std::string& value) {
      order_ = value == "any" ? ScanOrder::kAny : ScanOrder::kKey;
      return value == "any" || value == "key";
    };
    add_choice(app, "--order", "any|key", take_order, "key order (default), or what reads fastest");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    catch_interrupts();
    if (arguments_.json && path_ == "-") {
      throw UsageError("--json: standard output has the points already");
    }
    const Database database = open_to_read(arguments_);
    const Collection collection = open_collection(database, arguments_);
    Progress progress("export", "points");
    const uint64_t points = write(collection, progress);
    if (arguments_.json) {
      json::Object object;
      object.add("points", points).add("payloads_left_out", payloads_left_out_);
      print_line(object.add("seconds", progress.seconds()).text());
      return kExitOk;
    }
    print_message("exported " + format_count(points) + " points to " + path_ + " in " +
                  format_duration(progress.seconds()));
    if (payloads_left_out_ > 0) {
      print_message("  " + format_count(payloads_left_out_) +
                    " payloads are not in it: only jsonl holds them");
    }
    return kExitOk;
  }

 private:
  uint64_t write(const Collection& collection, Progress& progress) {
    if (!writer_.format.has_value() && path_ == "-") writer_.format = eval::FileFormat::kJsonl;
    if (!writer_.format.has_value()) writer_.format = take(eval::format_of_path(path_));
    writer_.type = collection.options().type;
    writer_.dim = collection.options().dim;
    const auto writer = take(eval::open_vector_writer(path_, writer_));
    const bool has_payloads = writer_.format == eval::FileFormat::kJsonl;
    std::optional<KeyFile> keys;
    if (!keys_path_.empty()) keys.emplace(keys_path_);
    PointScan scan = take(collection.scan(order_));
    const size_t row_bytes = writer_.dim * scalar_bytes(writer_.type);
    const size_t step = std::min(kStepPointsMax, rows_of_bytes(kStepBytes, row_bytes));
    const uint64_t total = collection.size();
    uint64_t done = 0;
    while (true) {
      if (interrupted()) throw Failure(Status::cancelled("interrupted; no file was written"));
      const std::vector<Point> points = take(scan.next(step));
      if (points.empty()) break;
      require(writer->append(to_batch(points)));
      for (const Point& point : points) {
        if (keys.has_value()) keys->append(point.key);
        payloads_left_out_ += !has_payloads && point.payload.has_value() ? 1 : 0;
      }
      done += points.size();
      progress.update(done, static_cast<double>(done) / static_cast<double>(std::max(total, done)));
    }
    require(writer->finish());
    if (keys.has_value()) keys->finish();
    return done;
  }

  eval::VectorBatch to_batch(const std::vector<Point>& points) const {
    eval::VectorBatch batch;
    batch.type = writer_.type;
    batch.dim = writer_.dim;
    batch.rows = points.size();
    for (const Point& point : points) {
      batch.data.insert(batch.data.end(), point.vector.bytes.begin(), point.vector.bytes.end());
      if (point.key.type() == KeyType::kU64) {
        batch.number_keys.push_back(point.key.u64());
      } else {
        batch.string_keys.push_back(point.key.str());
      }
      batch.payloads.push_back(point.payload.value_or(""));
    }
    return batch;
  }

  StoreArguments arguments_;
  std::string path_;
  std::string keys_path_;
  eval::WriterOptions writer_;
  ScanOrder order_ = ScanOrder::kKey;
  uint64_t payloads_left_out_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_export_command() { return std::make_unique<ExportCommand>(); }

}  // namespace roxanne::cli
