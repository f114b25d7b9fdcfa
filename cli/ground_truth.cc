// roxanne ground-truth: exact neighbours of a query file in a file or a collection.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <limits>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/query_source.h"
#include "cli/units.h"
#include "eval/ground_truth.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

class GroundTruthCommand final : public Command {
 public:
  std::string_view name() const override { return "ground-truth"; }
  std::string_view summary() const override {
    return "Compute the exact neighbours of a query file, for eval";
  }
  std::string_view examples() const override {
    return "  roxanne ground-truth gt.bin --base base.u8bin --query query.u8bin --k 100\n"
           "  roxanne ground-truth gt.bin --base docs.rox --query query.f16bin\n"
           "  roxanne ground-truth truth.ivecs --base base.fvecs --query query.fvecs --metric ip\n"
           "\n"
           "A name ending in .ivecs gets that format, any other gt.bin: int32 queries, int32 k, "
           "then\n"
           "all row numbers as uint32, then all distances as float32.";
  }
  std::string subject() const override { return out_path_; }

  void declare(CLI::App& app) override {
    app.add_option("OUT", out_path_, "file to write")->required()->type_name("");
    app.add_option("--base", arguments_.path, "what to search: a file of vectors or a database")
        ->required()
        ->type_name("FILE|DB");
    app.add_option("--query", queries_.path, "file of query vectors")
        ->required()
        ->type_name("FILE");
    add_count(app, "--k", k_, kSearchKMax, "neighbours a query")->capture_default_str();
    add_metric(app, metric_, "what near means (default: l2, or as the collection says)");
    app.add_option("--limit", queries_.row_limit, "only the first N queries")->type_name("N");
    add_format(app, "--format", base_.format, "of the base file, where its suffix does not tell");
    add_format(app, "--query-format", queries_.format, "of the query file");
    app.add_option("--dataset", base_.dataset, "dataset of an hdf5 base file")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--query-dataset", queries_.dataset, "dataset of an hdf5 query file")
        ->type_name("NAME")
        ->capture_default_str();
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_threads(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    catch_interrupts();
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(arguments_.path, ignored);
    Progress progress("ground-truth", is_folder ? "queries" : "rows");
    const eval::GroundTruth truth = is_folder ? from_collection(progress) : from_file(progress);
    require(eval::write_ground_truth(out_path_, truth));
    print_message("wrote " + out_path_ + ": " + format_count(truth.queries) + " queries, k " +
                  std::to_string(truth.k) + ", in " + format_duration(progress.seconds()));
    if (arguments_.json) {
      json::Object object;
      object.add("queries", uint64_t{truth.queries}).add("k", uint64_t{truth.k});
      object.add("seconds", progress.seconds());
      print_line(object.text());
    }
    return kExitOk;
  }

 private:
  eval::GroundTruth from_file(Progress& progress);
  eval::GroundTruth from_collection(Progress& progress);
  void append(const std::vector<Neighbor>& neighbors, eval::GroundTruth& truth) const;

  StoreArguments arguments_;  // path: the base, file or database
  std::string out_path_;
  eval::ReaderOptions base_;
  QueryOptions queries_;
  size_t k_ = 100;
  std::optional<Metric> metric_;
};

eval::GroundTruth GroundTruthCommand::from_file(Progress& progress) {
  const auto base = take(eval::open_vector_reader(arguments_.path, base_));
  const eval::VectorBatch queries =
      read_all_queries(queries_, {base->info().type, base->info().dim});
  const std::optional<uint64_t> row_count = base->info().rows;
  eval::GroundTruthOptions options;
  options.metric = metric_.value_or(Metric::kL2);
  options.k = k_;
  options.thread_count = arguments_.thread_count;
  options.cancelled = interrupted;
  options.progress = [&](uint64_t rows) {
    std::optional<double> fraction;
    if (row_count.has_value() && *row_count > 0) {
      fraction = static_cast<double>(rows) / static_cast<double>(*row_count);
    }
    progress.update(rows, fraction);
  };
  return take(eval::compute_ground_truth(*base, queries, options));
}

eval::GroundTruth GroundTruthCommand::from_collection(Progress& progress) {
  const Database database = open_to_read(arguments_);
  const Collection collection = open_collection(database, arguments_);
  const CollectionOptions& options = collection.options();
  if (metric_.has_value() && *metric_ != options.metric) {
    throw Failure(Status::invalid_argument("collection " + collection.name() + " is searched by " +
                                           std::string(metric_name(options.metric))),
                  "leave --metric out, or take the file that was imported as --base");
  }
  if (options.key_type != KeyType::kU64) {
    throw Failure(Status::invalid_argument("ground truth names points by number; the keys of " +
                                           collection.name() + " are strings"));
  }
  if (collection.size() < k_) {
    throw Failure(Status::invalid_argument("k is " + std::to_string(k_) + "; the collection has " +
                                           std::to_string(collection.size()) + " points"));
  }
  const eval::VectorBatch queries = read_all_queries(queries_, {options.type, options.dim});
  eval::GroundTruth truth;
  truth.k = k_;
  SearchOptions search;
  search.k = k_;
  search.exact = true;
  for (size_t first = 0; first < queries.rows; first += kQueriesPerCall) {
    if (interrupted()) throw Failure(Status::cancelled("interrupted; nothing was written"));
    const size_t count = std::min(kQueriesPerCall, queries.rows - first);
    for (const auto& found : take(collection.search(queries.view().slice(first, count), search))) {
      append(found, truth);
    }
    progress.update(truth.queries,
                    static_cast<double>(truth.queries) / static_cast<double>(queries.rows));
  }
  if (truth.queries == 0) throw Failure(Status::invalid_argument("there are no queries"));
  return truth;
}

void GroundTruthCommand::append(const std::vector<Neighbor>& neighbors,
                                eval::GroundTruth& truth) const {
  ++truth.queries;
  for (const Neighbor& neighbor : neighbors) {
    const uint64_t key = neighbor.key.u64();
    if (key > std::numeric_limits<uint32_t>::max()) {
      throw Failure(Status::invalid_argument("key " + std::to_string(key) +
                                             " does not fit the 32 bits of a ground truth file"));
    }
    truth.ids.push_back(static_cast<uint32_t>(key));
    truth.distances.push_back(neighbor.distance);
  }
}

}  // namespace

std::unique_ptr<Command> make_ground_truth_command() {
  return std::make_unique<GroundTruthCommand>();
}

}  // namespace roxanne::cli
