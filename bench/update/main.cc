// update_rounds: what changing points costs and what it does to searches. README.md tells how it
// measures; scenario.h what changes.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "bench/update/footprint.h"
#include "bench/update/load.h"
#include "bench/update/options.h"
#include "bench/update/quality.h"
#include "bench/update/report.h"
#include "bench/update/scenario.h"
#include "bench/update/vectors.h"
#include "roxanne/database.h"

namespace roxanne::bench {
namespace {

constexpr uint64_t kLoadRows = 10000;  // a batch of the first load

void say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

std::vector<std::byte> read_queries(const VectorFile& file) {
  std::vector<std::byte> bytes(file.rows() * file.row_bytes());
  file.read(0, file.rows(), bytes.data());
  return bytes;
}

class UpdateRounds {
 public:
  explicit UpdateRounds(const Options& options)
      : options_(options),
        base_(options.base_path, options.limit),
        query_file_(options.query_path),
        query_bytes_(read_queries(query_file_)),
        all_queries_(query_file_.type(), query_bytes_.data(), query_file_.rows(),
                     query_file_.dim()),
        queries_(options.query_count == 0
                     ? all_queries_
                     : all_queries_.slice(0, std::min(options.query_count, all_queries_.rows()))) {}

  void run() {
    say(options_.scenario + ": " + std::to_string(base_.rows()) + " rows of " +
        std::to_string(base_.dim()) + " " + std::string(scalar_type_name(base_.type())));
    const auto scenario =
        make_scenario(options_.scenario, base_,
                      {.rows = base_.rows(), .rounds = options_.rounds, .share = options_.share});
    std::vector<uint32_t> first = scenario->first_rows();
    live_count_ = first.size();
    if (!first.empty()) load(first);
    std::vector<uint32_t>().swap(first);
    malloc_trim(0);  // of clustering, say: what is measured is the engine's
    memory_.emplace();
    open(options_.memory_limit_bytes, true);
    memory_->start();
    print_table_head(stdout);
    if (live_count_ > 0) {
      search_all(*collection_, queries_, 0);  // loads the graph
      wait_until_settled(*collection_, nullptr, options_.settle_s_max);
      round("first", {}, true);
    }
    for (size_t r = 1; r <= options_.rounds; ++r) {
      const bool waits = scenario->waits_between_rounds() || r == options_.rounds;
      round(std::to_string(r), scenario->next(), waits);
    }
    if (options_.rebuilds_last) {
      const Status built = collection_->build_index({.rebuild = true});
      if (!built) die("build: " + built.to_string());
      round("rebuilt", {}, true);
    }
    if (options_.verifies) verify();
    if (const Status closed = database_->close(); !closed) die("close: " + closed.to_string());
  }

 private:
  void open(uint64_t memory_limit_bytes, bool automatic_index) {
    auto database =
        Database::open(options_.database_path, {.create_if_missing = true,
                                                .durability = options_.durability,
                                                .memory_limit_bytes = memory_limit_bytes,
                                                .page_cache = options_.page_cache,
                                                .automatic_index = automatic_index});
    if (!database) die("open: " + database.status().to_string());
    database_ = *std::move(database);
    auto collection = database_->collection();
    if (!collection) {
      collection = database_->create_collection(
          "default", {.dim = base_.dim(), .type = base_.type(), .metric = options_.metric});
    }
    if (!collection) die("collection: " + collection.status().to_string());
    collection_ = *collection;
  }

  // By another process, with all the memory there is: nothing of that is left in the one that is
  // measured, which may get less.
  void load(const std::vector<uint32_t>& rows) {
    const pid_t child = fork();
    if (child < 0) die("cannot fork");
    if (child == 0) {
      load_and_build(rows);
      std::_Exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) die("the first load failed");
  }
  void load_and_build(const std::vector<uint32_t>& rows) {
    open(0, false);
    for (size_t first = 0; first < rows.size(); first += kLoadRows) {
      const size_t count = std::min(kLoadRows, rows.size() - first);
      const std::vector<uint32_t> some(rows.begin() + static_cast<std::ptrdiff_t>(first),
                                       rows.begin() + static_cast<std::ptrdiff_t>(first + count));
      insert_rows(*collection_, base_, some, {.threads = 1, .batch_rows = count});
    }
    const Status built =
        collection_->build_index({.serving_memory_bytes = options_.memory_limit_bytes});
    if (!built) die("build: " + built.to_string());
    if (const Status closed = database_->close(); !closed) die("close: " + closed.to_string());
  }

  // With the queries that come next in the whole file, whatever --queries says: a few that come
  // again each second find what they want in the processor's caches, as long as nobody else uses
  // these.
  SearchProbe search_beside() const {
    return {*collection_, all_queries_, options_.search_rate, next_query_};
  }

  SearchTimes stop(SearchProbe& probe) {
    SearchTimes times = probe.stop();
    next_query_ = (next_query_ + times.latencies_us.size()) % all_queries_.rows();
    return times;
  }

  PhaseReport write(const std::vector<uint32_t>& rows, bool inserts, bool waits) {
    PhaseReport phase;
    if (rows.empty()) return phase;
    const WrittenBytes before = written_bytes();
    const IndexUpdateInfo index_before = index_updates();
    SearchProbe probe = search_beside();
    phase.points = rows.size();
    phase.acknowledged_s = inserts ? insert_rows(*collection_, base_, rows, options_.clients)
                                   : erase_rows(*collection_, rows, options_.clients);
    if (waits) {
      const Settled settled = wait_until_settled(*collection_, &probe, options_.settle_s_max);
      phase.is_settled = settled.is_settled;
      phase.tail = settled.tail;
      phase.indexed_s = phase.acknowledged_s + settled.indexed_s;
      phase.rest_s = phase.acknowledged_s + settled.rest_s;
    }
    phase.search = stop(probe);
    const WrittenBytes after = written_bytes();
    phase.bytes_to_disk = after.to_disk - before.to_disk;
    phase.bytes_by_calls = after.by_calls - before.by_calls;
    const IndexUpdateInfo index_after = index_updates();
    phase.pages_read = index_after.reads - index_before.reads;
    phase.pages_written = index_after.pages_written - index_before.pages_written;
    live_count_ = inserts ? live_count_ + rows.size() : live_count_ - rows.size();
    if (collection_->size() != live_count_) die("the collection has lost points, or made some up");
    return phase;
  }

  IndexUpdateInfo index_updates() const {
    auto info = collection_->info();
    if (!info) die("info failed");
    return info->index.updates;
  }

  void round(const std::string& name, const Round& changes, bool waits) {
    RoundReport report;
    report.scenario = options_.scenario;
    report.round = name;
    if (live_count_ > 0) {
      SearchProbe probe = search_beside();
      if (waits) std::this_thread::sleep_for(std::chrono::duration<double>(options_.idle_s));
      report.idle_search = stop(probe);
    }
    malloc_trim(0);  // exact searches were the benchmark's wish
    memory_->reset();
    report.erase = write(changes.erased, false, waits);
    report.insert = write(changes.inserted, true, waits);
    report.resident_peak = memory_->resident_peak();
    report.anonymous_peak = memory_->anonymous_peak();
    std::optional<Searched> unsettled;
    if (!waits) unsettled = search_all(*collection_, queries_, 0);
    const Answers truth = exact_answers(*collection_, queries_);
    if (unsettled) report.unsettled = judge(*unsettled, truth);
    report.fixed = judge(search_all(*collection_, queries_, options_.search_list_size), truth);
    report.automatic = judge(search_all(*collection_, queries_, 0), truth);
    if (waits) report.at_target = quality_at_target(*collection_, queries_, truth);
    finish(report, waits);
  }

  void finish(RoundReport& report, bool waits) {
    auto collection = collection_->info();
    auto database = database_->info();
    if (!collection || !database) die("info failed");
    report.collection = *std::move(collection);
    report.database = *std::move(database);
    report.disk_bytes_at_once = disk_bytes(options_.database_path);
    report.disk_bytes = waits ? disk_bytes_at_rest(options_.database_path, options_.settle_s_max)
                              : report.disk_bytes_at_once;
    report.resident_peak_exact = memory_->resident_peak();
    print_table_row(stdout, report);
    if (options_.json_path.empty()) return;
    std::ofstream file(options_.json_path, std::ios::app);
    file << to_json(report) << '\n';
    if (!file.flush()) die("cannot write " + options_.json_path);
  }

  void verify() {
    auto report = database_->verify();
    if (!report) die("verify: " + report.status().to_string());
    for (const std::string& problem : report->problems) say("verify: " + problem);
    if (!report->problems.empty()) die("the database is damaged");
    say("verify: " + std::to_string(report->points_checked) + " points, all is well");
  }

  const Options options_;
  const VectorFile base_;
  const VectorFile query_file_;
  const std::vector<std::byte> query_bytes_;
  const MatrixView all_queries_;
  const MatrixView queries_;           // for recall and counts
  size_t next_query_ = 0;              // of all_queries_: the first of the next search beside
  std::optional<MemoryWatch> memory_;  // no thread is there while load() forks
  std::optional<Database> database_;
  std::optional<Collection> collection_;
  uint64_t live_count_ = 0;
};

}  // namespace
}  // namespace roxanne::bench

int main(int argc, char** argv) {
  roxanne::keep_process_memory_small();
  const roxanne::bench::Options options = roxanne::bench::parse_options(argc, argv);
  if (std::filesystem::exists(options.database_path)) {
    roxanne::bench::die(options.database_path + " is there already");
  }
  roxanne::bench::UpdateRounds(options).run();
  return 0;
}
