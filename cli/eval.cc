// roxanne eval: recall and speed against ground truth.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <limits>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/query_source.h"
#include "cli/search_cost.h"
#include "cli/units.h"
#include "eval/measure.h"
#include "eval/recall.h"
#include "json/explanation_json.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

class EvalCommand final : public Command {
 public:
  std::string_view name() const override { return "eval"; }
  std::string_view summary() const override {
    return "Measure recall and speed against ground truth";
  }
  std::string_view examples() const override {
    return "  roxanne eval photos.rox --query query.u8bin --ground-truth gt.bin --k 10\n"
           "  roxanne eval photos.rox --query query.u8bin --ground-truth gt.bin \\\n"
           "      --search-list-size 20,40,80 --threads 4 --json\n"
           "  roxanne eval glove.rox --query glove.hdf5 --ground-truth glove.hdf5\n"
           "  roxanne eval photos.rox --query query.u8bin --ground-truth gt.bin --batch 32 "
           "--limit 1000\n"
           "\n"
           "Keys are taken for row numbers of the ground truth's base, as import gives them. "
           "Answers as\n"
           "near as the k-th true one count, whatever their key. Each of --threads searches with "
           "one\n"
           "thread; one call before the first is not counted. With --batch a call answers N "
           "queries, which\n"
           "lets one thread wait for the reads of many at once: the latencies are then of whole "
           "batches.";
  }
  std::string subject() const override { return arguments_.path; }
  void declare(CLI::App& app) override;
  int run() override;

 private:
  struct Row {
    size_t search_list_size;  // as asked for
    std::string regime;
    eval::Measurement measured;
    eval::RecallReport recall;
    double per_query(double sum) const { return sum / static_cast<double>(measured.queries); }
    double per_query(uint64_t sum) const { return per_query(static_cast<double>(sum)); }
  };
  // What the table shows of a row.
  struct Column {
    std::string title;
    std::function<std::string(const Row&)> cell;
  };
  Row measure(const Collection& collection, const eval::VectorBatch& queries,
              size_t search_list_size) const;
  void print_json(const Row& row) const;
  std::vector<Column> columns(const std::vector<Row>& rows) const;
  void print_table(const std::vector<Row>& rows) const;

  StoreArguments arguments_;
  QueryOptions queries_;
  std::string truth_path_;
  eval::GroundTruth truth_;
  size_t k_ = 10;
  std::vector<size_t> search_list_sizes_ = {0};
  size_t batch_rows_ = 1;
  bool exact_ = false;
};

void EvalCommand::declare(CLI::App& app) {
  add_database(app, arguments_);
  app.add_option("--query", queries_.path, "file of query vectors")->required()->type_name("FILE");
  app.add_option("--ground-truth", truth_path_, "true neighbours: gt.bin, ivecs or hdf5")
      ->required()
      ->type_name("FILE");
  add_count(app, "--k", k_, kSearchKMax, "neighbours a query")->capture_default_str();
  app.add_option("--search-list-size", search_list_sizes_,
                 "settings to measure in turn (default: chosen by the engine)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("N,N,");
  app.add_flag("--exact", exact_, "compare with every vector");
  add_count(app, "--batch", batch_rows_, kBatchRowsMax, "queries handed over in one call")
      ->capture_default_str();
  arguments_.thread_count = 1;
  add_count(app, "--threads", arguments_.thread_count, kThreadsMax, "searches at the same time")
      ->capture_default_str();
  app.add_option("--limit", queries_.row_limit, "only the first N queries")->type_name("N");
  add_format(app, "--format", queries_.format, "of the query file, where its suffix does not tell");
  app.add_option("--dataset", queries_.dataset, "dataset of an hdf5 query file")
      ->type_name("NAME")
      ->capture_default_str();
  add_collection(app, arguments_);
  add_memory_limit(app, arguments_);
  app.add_flag(
      "--cold", [this](int64_t) { arguments_.page_cache = false; },
      "keep no pages in memory: each query pays its own reads");
  add_json(app, arguments_.json);
}

int EvalCommand::run() {
  catch_interrupts();
  const Database database = open_to_read(arguments_);
  const Collection collection = open_collection(database, arguments_);
  truth_ = take(eval::read_ground_truth(truth_path_));
  if (truth_.k < k_) {
    throw Failure(Status::invalid_argument(truth_path_ + " has " + std::to_string(truth_.k) +
                                           " neighbours a query"),
                  "choose --k " + std::to_string(truth_.k) + " or less");
  }
  const eval::VectorBatch queries =
      read_all_queries(queries_, {collection.options().type, collection.options().dim});
  if (queries.rows > truth_.queries) {
    throw Failure(Status::invalid_argument(queries_.path + " has " + std::to_string(queries.rows) +
                                           " queries, " + truth_path_ + " answers " +
                                           std::to_string(truth_.queries)),
                  "--limit takes the first N queries");
  }
  if (collection.options().key_type == KeyType::kString && truth_.distances.empty()) {
    throw Failure(
        Status::invalid_argument("string keys cannot be compared with the row numbers of " +
                                 truth_path_ + ", and it has no distances"));
  }
  std::vector<Row> rows;
  for (const size_t search_list_size : search_list_sizes_) {
    rows.push_back(measure(collection, queries, search_list_size));
    if (!arguments_.json) continue;
    print_json(rows.back());
    flush_output();
  }
  if (!arguments_.json) print_table(rows);
  if (rows.back().recall.distances_match == false) {
    print_message("note: " + truth_path_ +
                  " has other distances than the collection; only its row numbers were compared");
  }
  return kExitOk;
}

EvalCommand::Row EvalCommand::measure(const Collection& collection,
                                      const eval::VectorBatch& queries,
                                      size_t search_list_size) const {
  const auto search = [&](MatrixView rows, SearchStats& stats) {
    SearchOptions options;
    options.k = k_;
    options.search_list_size = search_list_size;
    options.exact = exact_;
    options.thread_count = 1;
    options.stats = &stats;
    return collection.search(rows, options);
  };
  Progress progress("eval", "queries");
  eval::MeasureOptions options;
  options.thread_count = arguments_.thread_count;
  options.batch_rows = batch_rows_;
  options.cancelled = interrupted;
  options.progress = [&](uint64_t done) {
    progress.update(done, static_cast<double>(done) / static_cast<double>(queries.rows));
  };
  Row row;
  row.search_list_size = search_list_size;
  row.measured = take(eval::measure_search(search, queries.view(), options));
  row.recall = take(eval::measure_recall(truth_, row.measured.answers, k_));
  row.measured.answers = {};  // many settings are measured in turn
  row.regime = searched_regime(collection, row.measured.stats);
  return row;
}

void EvalCommand::print_json(const Row& row) const {
  const eval::Measurement& measured = row.measured;
  const SearchStats& stats = measured.stats;
  json::Object object;
  object.add("k", uint64_t{k_}).add("search_list_size", uint64_t{row.search_list_size});
  object.add("search_list_size_used", stats.search_list_size_used).add("regime", row.regime);
  object.add("threads", uint64_t{arguments_.thread_count}).add("batch", uint64_t{batch_rows_});
  object.flag("exact", exact_).add("queries", measured.queries).add("seconds", measured.seconds);
  object.add("recall", row.recall.recall).add("qps", measured.qps);
  object.add("latency_us_p50", measured.latency_us_p50);
  object.add("latency_us_p99", measured.latency_us_p99);
  object.add("reads_per_query", row.per_query(stats.reads));
  object.add("bytes_read_per_query", row.per_query(stats.bytes_read));
  object.add("cache_hits_per_query", row.per_query(stats.cache_hits));
  object.add("read_rounds_per_query", row.per_query(stats.read_rounds));
  object.add("distance_computations_per_query", row.per_query(stats.distance_computations));
  object.add("hops_per_query", row.per_query(stats.hops));
  object.add("seed_us_per_query", json::whole_nanoseconds(row.per_query(stats.seed_us)));
  object.add("walk_us_per_query", json::whole_nanoseconds(row.per_query(stats.walk_us)));
  object.add("read_wait_us_per_query", json::whole_nanoseconds(row.per_query(stats.read_wait_us)));
  object.add("result_us_per_query", json::whole_nanoseconds(row.per_query(stats.result_us)));
  const auto& match = row.recall.distances_match;
  object.raw("ground_truth_distances_match", !match.has_value() ? "null"
                                             : *match           ? "true"
                                                                : "false");
  print_line(object.text());
}

std::vector<EvalCommand::Column> EvalCommand::columns(const std::vector<Row>& rows) const {
  const auto list_size = [](const Row& row) {
    const uint64_t used = row.measured.stats.search_list_size_used;
    return used == 0 ? "exact" : std::to_string(used);
  };
  // A column of a count's mean.
  const auto mean = [](const std::string& title, uint64_t SearchStats::*count, int decimals) {
    return Column{title, [count, decimals](const Row& row) {
                    return format_fixed(row.per_query(row.measured.stats.*count), decimals);
                  }};
  };
  std::vector<Column> columns = {
      {"list size", list_size},
      {"recall@" + std::to_string(k_),
       [](const Row& row) { return format_fixed(row.recall.recall, 4); }},
      {"queries/s", [](const Row& row) { return format_fixed(row.measured.qps, 1); }},
      {"p50 us", [](const Row& row) { return format_fixed(row.measured.latency_us_p50, 0); }},
      {"p99 us", [](const Row& row) { return format_fixed(row.measured.latency_us_p99, 0); }}};
  const auto has_read = [](const Row& row) { return row.measured.stats.reads > 0; };
  if (std::any_of(rows.begin(), rows.end(), has_read)) {
    columns.push_back(mean("reads", &SearchStats::reads, 1));
    columns.push_back(mean("rounds", &SearchStats::read_rounds, 1));
    columns.push_back({"bytes read", [](const Row& row) {
                         return format_bytes(
                             static_cast<uint64_t>(row.per_query(row.measured.stats.bytes_read)));
                       }});
    columns.push_back(mean("cache hits", &SearchStats::cache_hits, 1));
  }
  columns.push_back(mean("distances", &SearchStats::distance_computations, 0));
  columns.push_back(mean("hops", &SearchStats::hops, 1));
  return columns;
}

void EvalCommand::print_table(const std::vector<Row>& rows) const {
  const std::vector<Column> columns = this->columns(rows);
  Table table(std::vector<Table::Align>(columns.size(), Table::Align::kRight));
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  table.add_row(titles);
  for (const Row& row : rows) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(column.cell(row));
    table.add_row(cells);
  }
  table.print();
  const std::string batch = std::to_string(batch_rows_);
  print_message(rows.back().regime + ", " + format_count(rows.back().measured.queries) +
                " queries, " + std::to_string(arguments_.thread_count) +
                (arguments_.thread_count == 1 ? " thread" : " threads") +
                (batch_rows_ > 1 ? "; times are of batches of " + batch + " queries" : "") +
                "; counts are a query's");
}

}  // namespace

std::unique_ptr<Command> make_eval_command() { return std::make_unique<EvalCommand>(); }

}  // namespace roxanne::cli
