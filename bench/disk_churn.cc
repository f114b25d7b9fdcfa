// disk_churn: what changes do to a disk index, with nothing of a database around it. Builds an
// index of some of a file's rows, then removes and adds rows round after round, and prints what a
// query needs and what a change cost.
//
//   disk_churn BASE QUERY [--scenario replace|grow|shrink] [--metric l2|ip|cosine] [--rows N]
//              [--first N] [--share PERCENT] [--rounds N] [--every N] [--queries N] [--threads N]
//              [--list-size N] [--cache MIB] [--memory MIB] [--batch N] [--search-k N]
//              [--search-list N] [--part-count N] [--work FOLDER] [--resume 1]
//
// replace: a tenth of the rows stays outside; in a round PERCENT of those inside change places with
// as many outside, slots used again by other rows. grow: from the first N rows to all of them.
// shrink: PERCENT goes in each round.
//
// What FOLDER holds after each line that is printed is enough to go on from there with --resume 1
// (and else the same options): the index is opened as after a restart. So a run of hours may be
// stopped.
//
// Columns: recall@10, reads and comparisons a query at --list-size (0 = the index's own), reads at
// recall 0.95; then a change's reads, pages written, bytes written and microseconds of the whole.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>

#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "bench/disk_lab.h"
#include "index/disk_build.h"
#include "index/disk_updater.h"
#include "index/exact_scan.h"
#include "index/link_space.h"
#include "index/row_source.h"
#include "storage/file_system.h"

namespace roxanne::bench {
namespace {

constexpr size_t kK = 10;
constexpr double kRecall = 0.95;

struct Options {
  std::string base, query, scenario = "replace", work = "disk-churn";
  Metric metric = Metric::kL2;
  size_t rows = 100'000, first = 0, share = 10, rounds = 10, every = 1, queries = 500, threads = 2;
  size_t list_size = 0, cache = 0, memory = 0, batch = 2048, search_k = 0, search_list = 0;
  size_t part_count = 0, resume = 0;
};

class Churn {
 public:
  explicit Churn(const Options& options)
      : options_(options), pool_(options.threads - 1), files_(storage::posix_file_system()) {}

  Status run() {
    ROX_RETURN_IF_ERROR(load());
    ROX_RETURN_IF_ERROR(options_.resume != 0 ? resume() : build());
    index::DiskUpdateOptions update{.thread_count = [this] { return options_.threads; },
                                    .memory_bytes = options_.memory << 20};
    if (options_.search_k != 0) update.search_k = options_.search_k;
    if (options_.search_list != 0) update.search_list_size = options_.search_list;
    updater_ = std::make_unique<index::DiskUpdater>(*index_, pool_, update);
    std::printf("%8s %8s %7s %7s %8s %8s | %9s %7s %7s %8s %8s | %7s %6s %6s\n", "round", "points",
                "recall", "reads", "compared", "at .95", "changes", "reads", "pages", "bytes", "us",
                "MiB", "fill", "cells");
    ROX_RETURN_IF_ERROR(report(round_));
    for (size_t round = round_ + 1; round <= options_.rounds; ++round) {
      ROX_RETURN_IF_ERROR(change());
      if (round % options_.every == 0 || round == options_.rounds) {
        ROX_RETURN_IF_ERROR(report(round));
      }
    }
    return Status::ok();
  }

 private:
  Status load() {
    ROX_ASSIGN_OR_RETURN(base_, read_rows(options_.base, options_.rows));
    ROX_ASSIGN_OR_RETURN(query_, read_rows(options_.query, options_.queries));
    std::filesystem::create_directories(options_.work);
    paths_ = {options_.work + "/graph.pages", options_.work + "/graph.codes"};
    inside_.resize(base_.rows);
    std::iota(inside_.begin(), inside_.end(), 0u);
    if (options_.scenario == "replace") std::shuffle(inside_.begin(), inside_.end(), random_);
    size_t first = options_.first;
    if (first == 0) {
      first = options_.scenario == "replace" ? base_.rows - base_.rows / 10
              : options_.scenario == "grow"  ? base_.rows / 10
                                             : base_.rows;
    }
    outside_.assign(inside_.begin() + static_cast<ptrdiff_t>(first), inside_.end());
    inside_.resize(first);
    std::reverse(outside_.begin(), outside_.end());  // taken from the back
    slot_of_.assign(base_.rows, 0);
    return Status::ok();
  }

  Status build() {
    std::vector<std::byte> rows;
    std::vector<uint32_t> slots;
    std::vector<uint64_t> tags;
    std::sort(inside_.begin(), inside_.end());
    for (const uint32_t row : inside_) {
      slot_of_[row] = static_cast<uint32_t>(slots.size());
      slots.push_back(slot_of_[row]);
      tags.push_back(row);
      const std::byte* bytes = base_.view().row(row);
      rows.insert(rows.end(), bytes, bytes + base_.view().row_bytes());
    }
    slot_end_ = static_cast<uint32_t>(slots.size());
    index::DiskBuildOptions build;
    build.scratch_prefix = options_.work + "/scratch.";
    build.thread_count = options_.threads;
    build.tuning.part_count = options_.part_count;
    const MatrixView view(base_.type, rows.data(), slots.size(), base_.dim);
    ROX_ASSIGN_OR_RETURN(
        index_, index::build_disk_index(files_, paths_, collection(),
                                        index::RowsInMemory(view, slots, tags), pool_, build));
    if (options_.cache != 0) index_->resize_cache(options_.cache << 20);
    list_size_ = options_.list_size != 0 ? options_.list_size : index_->default_search_list_size();
    return Status::ok();
  }

  CollectionOptions collection() const { return collection_of(base_, options_.metric); }

  std::string state_path() const { return options_.work + "/churn.state"; }
  Status save(size_t round) {
    std::ofstream file(state_path());
    file << round << ' ' << list_size_ << '\n';
    file.close();
    return file ? Status::ok() : Status::io_error("write " + state_path());
  }
  // Which rows are inside, and where, is read from the pages.
  Status resume() {
    if (!(std::ifstream(state_path()) >> round_ >> list_size_))
      return Status::not_found(state_path());
    rounds_left_ -= std::min(rounds_left_, round_);
    random_.seed(static_cast<uint32_t>(round_ + 1));
    ROX_ASSIGN_OR_RETURN(
        index_, index::DiskIndex::open(files_, paths_, collection(), {.read_only = false}));
    if (options_.cache != 0) index_->resize_cache(options_.cache << 20);
    slot_end_ = static_cast<uint32_t>(index_->graph().node_of_slot.size());
    std::vector<bool> is_inside(base_.rows), is_taken(slot_end_);
    Status status;
    each_node([&](const index::NodePageLayout& layout, const std::byte* page, uint32_t place) {
      const uint64_t row = layout.tag(page, place);
      const uint32_t slot = layout.slot(page, place);
      if (row >= base_.rows || slot >= slot_end_) {
        status = Status::invalid_argument(options_.work + " is not of these rows");
        return;
      }
      is_inside[row] = true;
      is_taken[slot] = true;
      slot_of_[row] = slot;
    });
    ROX_RETURN_IF_ERROR(status);
    inside_.clear();
    outside_.clear();
    for (uint32_t row = 0; row < base_.rows; ++row)
      (is_inside[row] ? inside_ : outside_).push_back(row);
    for (uint32_t slot = 0; slot < slot_end_; ++slot) {
      if (!is_taken[slot]) free_slots_.push_back(slot);
    }
    std::shuffle(free_slots_.begin(), free_slots_.end(), random_);
    return Status::ok();
  }

  // Calls see(layout, page, place) for each node.
  template <typename See>
  void each_node(const See& see) {
    const index::NodePageLayout& layout = index_->graph().layout;
    const auto snapshot = index_->pages().snapshot();
    base::AlignedBuffer page(layout.page_bytes);
    for (uint32_t number = 0; number < snapshot->logical_page_count(); ++number) {
      if (!index_->pages().read_page(*snapshot, number, page.span()).is_ok()) continue;
      const uint64_t taken = storage::load_page_header(page.data()).record_bitmap;
      for (uint32_t place = 0; place < layout.nodes; ++place) {
        if (((taken >> place) & 1) != 0) see(layout, page.data(), place);
      }
    }
  }

  Status change() {
    std::vector<uint32_t> gone, come;
    const size_t many = std::max<size_t>(1, inside_.size() * options_.share / 100);
    if (options_.scenario != "grow") {
      std::shuffle(inside_.begin(), inside_.end(), random_);
      gone.assign(inside_.end() - static_cast<ptrdiff_t>(std::min(many, inside_.size())),
                  inside_.end());
      inside_.resize(inside_.size() - gone.size());
    }
    if (options_.scenario == "replace") std::shuffle(outside_.begin(), outside_.end(), random_);
    if (options_.scenario != "shrink") {
      const size_t count = options_.scenario == "grow"
                               ? (base_.rows - inside_.size()) / std::max<size_t>(1, rounds_left_--)
                               : many;
      for (size_t i = 0; i < count && !outside_.empty(); ++i) {
        come.push_back(outside_.back());
        outside_.pop_back();
      }
    }
    return apply(gone, come);
  }

  // In batches, as a database would: what comes may have slots of what went before.
  Status apply(const std::vector<uint32_t>& gone, const std::vector<uint32_t>& come) {
    base::Stopwatch watch;
    for (size_t at = 0; at < std::max(gone.size(), come.size()); at += options_.batch) {
      std::vector<uint32_t> removed, freed;
      std::vector<index::NewNode> added;
      for (size_t i = at; i < std::min(at + options_.batch, gone.size()); ++i) {
        removed.push_back(slot_of_[gone[i]]);
      }
      for (size_t i = at; i < std::min(at + options_.batch, come.size()); ++i) {
        uint32_t& slot = slot_of_[come[i]];
        if (free_slots_.empty()) {
          slot = slot_end_++;
        } else {
          slot = free_slots_.back();
          free_slots_.pop_back();
        }
        added.push_back({slot, come[i], base_.view().row(come[i])});
      }
      ROX_RETURN_IF_ERROR(updater_->apply({added, removed}));
      free_slots_.insert(free_slots_.end(), removed.begin(), removed.end());
      std::shuffle(free_slots_.begin(), free_slots_.end(), random_);
      if (updater_->is_checkpoint_due()) ROX_RETURN_IF_ERROR(updater_->checkpoint(0));
      changes_ += removed.size() + added.size();
    }
    ROX_RETURN_IF_ERROR(updater_->checkpoint(0));
    change_us_ += watch.lap_us();
    inside_.insert(inside_.end(), come.begin(), come.end());
    outside_.insert(outside_.end(), gone.begin(), gone.end());
    return Status::ok();
  }

  Result<Point> measure(size_t list_size) {
    const std::vector<index::DiskOutcome> outcomes =
        index_->search(query_.view(), index_->slots(), pool_,
                       {.k = kK, .search_list_size = list_size, .thread_count = options_.threads});
    Point point;
    for (size_t q = 0; q < outcomes.size(); ++q) {
      ROX_RETURN_IF_ERROR(outcomes[q].status);
      size_t right = 0;
      for (const auto& found : outcomes[q].found) {
        right += found.distance <= truth_[q][kK - 1].distance ? 1 : 0;
      }
      point.recall += static_cast<double>(std::min(right, kK)) / kK;
      point.reads += static_cast<double>(outcomes[q].stats.reads + outcomes[q].stats.cache_hits);
      point.comparisons += static_cast<double>(outcomes[q].stats.distance_computations);
    }
    for (double Point::*sum : {&Point::recall, &Point::reads, &Point::comparisons}) {
      point.*sum /= static_cast<double>(outcomes.size());
    }
    return point;
  }

  Status report(size_t round) {
    std::vector<uint64_t> live((base_.rows + 63) / 64);
    for (const uint32_t row : inside_) live[row / 64] |= uint64_t{1} << (row % 64);
    index::ExactScan scan(query_.view(), options_.metric, kK, 1);
    scan.scan(0, {.rows = base_.data.data(), .row_count = base_.rows, .live = live.data()});
    truth_ = scan.finish();
    ROX_ASSIGN_OR_RETURN(const Point fixed, measure(list_size_));
    std::vector<Point> curve;
    for (double size = kK; size < 500; size = std::max(size + 1, size * 1.3)) {
      ROX_ASSIGN_OR_RETURN(const Point point, measure(static_cast<size_t>(size)));
      if (curve.empty() || point.recall > curve.back().recall) curve.push_back(point);
      if (point.recall > kRecall + 0.005) break;
    }
    bool is_bound = false;
    const auto at = point_at(curve, kRecall, is_bound);
    const index::DiskUpdateStats stats = updater_->stats();
    const auto each = [&](uint64_t now, uint64_t before) {
      return changes_ == 0 ? 0 : static_cast<double>(now - before) / static_cast<double>(changes_);
    };
    const auto store = index_->pages().stats();
    ROX_ASSIGN_OR_RETURN(const uint64_t bytes, index_->pages().bytes_on_disk());
    std::printf(
        "%8zu %8zu %7.4f %7.2f %8.0f %8.2f | %9zu %7.2f %7.2f %8.0f %8.1f | %7.1f %6.3f %6zu\n",
        round, inside_.size(), fixed.recall, fixed.reads, fixed.comparisons,
        at.has_value() ? at->reads : -1.0, changes_,
        each(stats.reads + stats.cache_hits, before_.reads + before_.cache_hits),
        each(stats.pages_written, before_.pages_written),
        each(stats.bytes_written, before_.bytes_written),
        changes_ == 0 ? 0 : change_us_ / static_cast<double>(changes_),
        static_cast<double>(bytes) / (1 << 20),
        static_cast<double>(index_->node_count()) /
            static_cast<double>(store.used_pages * index_->graph().layout.nodes),
        index_->graph().cells.cell_count());
    describe();
    std::fflush(stdout);
    before_ = stats;
    changes_ = 0;
    change_us_ = 0;
    return save(round);
  }

  // What a graph is like: edges a node has, those that lead nowhere, nodes that few lead to, and
  // how far codes are from their points, as a share of the mean squared distance of the 10th
  // neighbour.
  void describe() {
    const index::DiskGraph& graph = index_->graph();
    index::LinkSpace space(graph);
    std::vector<std::byte> exact(space.point_bytes()), coded(space.point_bytes());
    std::vector<uint32_t> led_to(graph.node_of_slot.size());
    double nodes = 0, edges = 0, stale = 0, error = 0, same_page = 0, same_cell = 0;
    each_node([&](const index::NodePageLayout& layout, const std::byte* page, uint32_t place) {
      ++nodes;
      const uint32_t own = graph.node_of(layout.slot(page, place));
      const uint32_t own_page = graph.page_of(own);
      for (uint32_t i = 0; i < layout.max_degree; ++i) {
        const uint32_t slot = layout.neighbours(page, place)[i];
        if (slot == index::kNoNode) continue;
        const uint32_t node = graph.node_of(slot);
        ++(node == index::kNoNode ? stale : edges);
        if (node == index::kNoNode) continue;
        ++led_to[slot];
        same_page += graph.page_of(node) == own_page ? 1 : 0;
        same_cell += graph.page_cells[graph.page_of(node)] == graph.page_cells[own_page] ? 1 : 0;
      }
      space.of_row(layout.row(page, place), exact.data());
      space.of_code(graph.code_of(own), graph.page_cells[own_page], coded.data());
      error += space.distance(exact.data(), coded.data());
    });
    double few = 0;
    for (const uint32_t slot : index::slots_of(index_->slots())) few += led_to[slot] < 8 ? 1 : 0;
    std::printf(
        "         degree %.2f, stale %.2f, led to by < 8: %.4f, code error %.4f, edges in page "
        "%.3f, in cell %.3f\n",
        edges / nodes, stale / nodes, few / nodes, error / nodes, same_page / edges,
        same_cell / edges);
  }

  const Options options_;
  base::ThreadPool pool_;
  storage::FileSystem& files_;
  std::mt19937 random_{1};
  VectorBatch base_, query_;
  index::DiskPaths paths_;
  std::vector<uint32_t> inside_, outside_;  // rows
  std::vector<uint32_t> slot_of_;           // by row
  std::vector<uint32_t> free_slots_;
  uint32_t slot_end_ = 0;
  size_t rounds_left_ = options_.rounds;
  size_t round_ = 0;  // the first that is reported
  std::unique_ptr<index::DiskIndex> index_;
  std::unique_ptr<index::DiskUpdater> updater_;
  size_t list_size_ = 0;
  std::vector<std::vector<index::ScanNeighbor>> truth_;
  index::DiskUpdateStats before_;
  size_t changes_ = 0;
  double change_us_ = 0;
};

bool parse(int count, char** arguments, Options& options) {
  std::vector<std::string> paths;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (!name.starts_with("--")) {
      paths.push_back(name);
      continue;
    }
    if (++i == count) return false;
    const std::string value = arguments[i];
    const std::pair<const char*, size_t*> numbers[] = {{"--rows", &options.rows},
                                                       {"--first", &options.first},
                                                       {"--share", &options.share},
                                                       {"--rounds", &options.rounds},
                                                       {"--every", &options.every},
                                                       {"--queries", &options.queries},
                                                       {"--threads", &options.threads},
                                                       {"--list-size", &options.list_size},
                                                       {"--cache", &options.cache},
                                                       {"--memory", &options.memory},
                                                       {"--batch", &options.batch},
                                                       {"--search-k", &options.search_k},
                                                       {"--search-list", &options.search_list},
                                                       {"--part-count", &options.part_count},
                                                       {"--resume", &options.resume}};
    bool is_known = false;
    for (const auto& [known, number] : numbers) {
      if (name != known) continue;
      *number = static_cast<size_t>(std::atoll(value.c_str()));
      is_known = true;
    }
    if (name == "--scenario") {
      options.scenario = value;
    } else if (name == "--work") {
      options.work = value;
    } else if (name == "--metric" && parse_metric(value).has_value()) {
      options.metric = *parse_metric(value);
    } else if (!is_known) {
      return false;
    }
  }
  if (paths.size() != 2) return false;
  options.base = paths[0];
  options.query = paths[1];
  return options.rows >= 100 && options.threads > 0 && options.batch > 0 && options.every > 0;
}

int run(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    std::fprintf(stderr, "usage: disk_churn BASE QUERY [options]; see the top of its source\n");
    return 2;
  }
  const Status status = Churn(options).run();
  if (!status.is_ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.is_ok() ? 0 : 1;
}

}  // namespace
}  // namespace roxanne::bench

int main(int count, char** arguments) { return roxanne::bench::run(count, arguments); }
