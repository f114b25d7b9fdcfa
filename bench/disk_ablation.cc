// disk_ablation: what each ingredient of the disk regime is worth. Builds the disk index of a
// file's first rows, searches it with one ingredient changed at a time, with real reads and nothing
// cached, and prints what a query needs at recalls of 0.90, 0.95 and 0.99.
//
//   disk_ablation BASE QUERY [--metric l2|ip|cosine] [--rows N] [--queries N] [--threads N]
//                 [--work FOLDER] [--only LETTERS]
//                 [--exact-base FILE --exact-query FILE --exact-metric M]
//
// BASE and QUERY are vector files that `roxanne import` takes. LETTERS name the groups to measure
// (abcdefghi; all but s). With --exact-base, BASE holds shorter vectors of the same rows, as a page
// that keeps exact vectors elsewhere would: group s looks for the nearest few by those, and reads
// one exact vector for each to put them in order.
//
// A cell is reads / rounds / comparisons, by interpolation between two search_list_sizes along the
// logarithm of what is missed. "-": not reached, "<": fewer, since the first size finds more.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "bench/disk_lab.h"
#include "eval/vector_io.h"
#include "graph/adjacency.h"
#include "index/disk_build.h"
#include "index/disk_index.h"
#include "index/exact_distance.h"
#include "index/exact_scan.h"
#include "index/row_source.h"
#include "storage/file_system.h"
#include "storage/page_store.h"

namespace roxanne::bench {
namespace {

using eval::VectorBatch;
using index::DiskIndex;
using index::DiskTuning;

constexpr size_t kK = 10;
constexpr std::array<double, 3> kRecalls = {0.90, 0.95, 0.99};
constexpr size_t kListSizeMax = 640;
constexpr double kListSizeStep = 1.3;

struct Options {
  std::string base, query, exact_base, exact_query;
  Metric metric = Metric::kL2;
  Metric exact_metric = Metric::kL2;
  size_t row_count = 1'000'000;
  size_t query_count = 1000;
  size_t thread_count = 2;
  std::string work = "disk-ablation";
  std::string only;
};

void print_row(const std::string& name, const std::vector<Point>& points) {
  std::string line = "| " + name;
  for (const double recall : kRecalls) {
    bool is_bound = false;
    const std::optional<Point> point = point_at(points, recall, is_bound);
    char cell[80] = "-";
    if (point.has_value()) {
      std::snprintf(cell, sizeof cell, "%s%.1f / %.1f / %.0f", is_bound ? "< " : "", point->reads,
                    point->rounds, point->comparisons);
    }
    line += " | " + std::string(cell);
  }
  double most = 0;
  for (const Point& point : points) most = std::max(most, point.recall);
  std::printf("%s | %.4f |\n", line.c_str(), most);
  std::fflush(stdout);
}

class Ablation {
 public:
  explicit Ablation(const Options& options)
      : options_(options), pool_(options.thread_count - 1), files_(storage::posix_file_system()) {}

  Status run() {
    ROX_RETURN_IF_ERROR(load());
    ROX_RETURN_IF_ERROR(build({}, &index_));
    std::printf("| what | 0.90 | 0.95 | 0.99 | most |\n|---|---|---|---|---|\n");
    if (is_wanted('s') && !options_.exact_base.empty()) return measure_split();
    ROX_RETURN_IF_ERROR(measure("(a) all on", {}));
    ROX_RETURN_IF_ERROR(measure_searches());
    index_.reset();
    return measure_builds();
  }

 private:
  bool is_wanted(char letter) const {
    return options_.only.empty() || options_.only.find(letter) != std::string::npos;
  }
  CollectionOptions collection() const { return collection_of(base_, options_.metric); }

  Status load() {
    ROX_ASSIGN_OR_RETURN(base_, read_rows(options_.base, options_.row_count));
    ROX_ASSIGN_OR_RETURN(query_, read_rows(options_.query, options_.query_count));
    if (options_.exact_base.empty()) {
      exact_base_.rows = 0;
    } else {
      ROX_ASSIGN_OR_RETURN(exact_base_, read_rows(options_.exact_base, base_.rows));
      ROX_ASSIGN_OR_RETURN(exact_query_, read_rows(options_.exact_query, query_.rows));
    }
    const bool is_split = exact_base_.rows > 0;
    const VectorBatch& rows = is_split ? exact_base_ : base_;
    index::ExactScan scan((is_split ? exact_query_ : query_).view(),
                          is_split ? options_.exact_metric : options_.metric, kK, 1);
    scan.scan(0, {.rows = rows.data.data(), .row_count = rows.rows});
    truth_ = scan.finish();
    slots_.resize(base_.rows);
    std::iota(slots_.begin(), slots_.end(), 0u);
    tags_.assign(slots_.begin(), slots_.end());
    std::filesystem::create_directories(options_.work);
    paths_ = {options_.work + "/graph.pages", options_.work + "/graph.codes"};
    return Status::ok();
  }

  // Edges are found once, and taken from the first graph's pages for the others.
  Status build(const DiskTuning& tuning, std::unique_ptr<DiskIndex>* index) {
    index->reset();
    base::Stopwatch watch;
    index::DiskBuildOptions build;
    build.scratch_prefix = options_.work + "/scratch.";
    build.thread_count = options_.thread_count;
    build.tuning = tuning;
    build.adjacency = edges_.get();
    const index::RowsInMemory rows(base_.view(), slots_, tags_);
    ROX_ASSIGN_OR_RETURN(*index,
                         index::build_disk_index(files_, paths_, collection(), rows, pool_, build));
    const index::DiskGraph& graph = (*index)->graph();
    std::fprintf(
        stderr,
        "%zu nodes a page of %u bytes, codes of %zu bytes, default list size %zu; estimates are "
        "%.3f too far, spread %.3f, of the 10th distance; built in %.1f s\n",
        size_t{graph.layout.nodes}, graph.layout.page_bytes, graph.code.code_bytes(),
        (*index)->default_search_list_size(), graph.error.bias, graph.error.spread,
        watch.lap_us() / 1e6);
    if (edges_ != nullptr) return Status::ok();
    const index::NodePageLayout layout = graph.layout;
    index->reset();
    ROX_RETURN_IF_ERROR(read_edges(layout));
    ROX_ASSIGN_OR_RETURN(*index, DiskIndex::open(files_, paths_, collection()));
    return Status::ok();
  }

  Status read_edges(const index::NodePageLayout& layout) {
    ROX_ASSIGN_OR_RETURN(const auto pages,
                         storage::PageStore::open(files_, paths_.pages, {.read_only = true}));
    const storage::PageSnapshot snapshot = pages->snapshot();
    const auto page_count = static_cast<uint32_t>(snapshot->logical_page_count());
    edges_ = std::make_unique<graph::Adjacency>(base_.rows, layout.max_degree);
    base::AlignedBuffer buffer(layout.page_bytes);
    for (uint32_t page = 0; page < page_count; ++page) {
      ROX_RETURN_IF_ERROR(pages->read_page(*snapshot, page, buffer.span()));
      const uint64_t taken = storage::load_page_header(buffer.data()).record_bitmap;
      for (uint32_t place = 0; place < layout.nodes; ++place) {
        if (((taken >> place) & 1) == 0) continue;
        const uint32_t row = layout.slot(buffer.data(), place);  // slots are rows here
        for (uint32_t i = 0; i < layout.max_degree; ++i) {
          const uint32_t other = layout.neighbours(buffer.data(), place)[i];
          if (other != index::kNoNode) edges_->append(row, other);
        }
      }
    }
    return Status::ok();
  }

  // Lists of growing size, until nothing is missed. Looks for `wanted` points, and counts those of
  // the kK nearest that are among them.
  Result<std::vector<Point>> curve(size_t wanted) {
    std::vector<Point> points;
    for (double size = static_cast<double>(wanted); size <= kListSizeMax;
         size = std::max(size + 1, size * kListSizeStep)) {
      const std::vector<index::DiskOutcome> outcomes =
          index_->search(query_.view(), index_->slots(), pool_,
                         {.k = wanted,
                          .search_list_size = static_cast<size_t>(size),
                          .thread_count = options_.thread_count});
      Point point;
      for (size_t q = 0; q < outcomes.size(); ++q) {
        ROX_RETURN_IF_ERROR(outcomes[q].status);
        const SearchStats& stats = outcomes[q].stats;
        point.recall += recall_of(q, outcomes[q].found);
        point.reads += static_cast<double>(stats.reads);
        point.rounds += static_cast<double>(stats.read_rounds);
        point.comparisons += static_cast<double>(stats.distance_computations);
      }
      for (double Point::*sum :
           {&Point::recall, &Point::reads, &Point::rounds, &Point::comparisons}) {
        point.*sum /= static_cast<double>(outcomes.size());
      }
      const bool is_better = points.empty() || point.recall > points.back().recall;
      if (is_better) points.push_back(point);
      if (point.recall >= kRecalls.back() + 0.001) break;
    }
    return points;
  }

  double recall_of(size_t q, const std::vector<index::ScanNeighbor>& found) const {
    const float limit = truth_[q][kK - 1].distance;
    std::vector<float> distances;
    if (exact_base_.rows == 0) {
      for (const index::ScanNeighbor& near : found) distances.push_back(near.distance);
    } else {
      index::ExactDistance exact(exact_base_.type, options_.exact_metric, exact_base_.dim);
      exact.set_query(exact_query_.view().row(q));
      for (const index::ScanNeighbor& near : found) {
        const std::byte* row = exact_base_.view().row(near.id);
        distances.push_back(exact(row, exact.row_norm(row)));
      }
    }
    const auto right = std::count_if(distances.begin(), distances.end(),
                                     [limit](float distance) { return distance <= limit; });
    return static_cast<double>(std::min<ptrdiff_t>(right, kK)) / static_cast<double>(kK);
  }

  Status measure(const std::string& name, const DiskTuning& tuning) {
    index_->graph().tuning = tuning;
    ROX_ASSIGN_OR_RETURN(const std::vector<Point> points, curve(kK));
    print_row(name, points);
    return Status::ok();
  }

  Status measure_searches() {
    using Companions = DiskTuning::Companions;
    struct Variant {
      char letter;
      std::string name;
      DiskTuning tuning;
    };
    std::vector<Variant> variants;
    const auto add = [&](char letter, const std::string& name, const DiskTuning& tuning) {
      variants.push_back({letter, std::string("(") + letter + ") " + name, tuning});
    };
    for (const size_t codes : {40, 200, 1000, 2000, 8000, 16000}) {
      add('c', std::to_string(codes) + " codes scanned", {.scan_codes = codes});
    }
    for (const size_t codes : {4000, 16000, 64000}) {
      add('d', "no graph, " + std::to_string(codes) + " codes scanned",
          {.scan_codes = codes, .follows_edges = false});
    }
    add('e', "companions compared, not expanded", {.companions = Companions::kCompared});
    add('e', "companions not looked at", {.companions = Companions::kIgnored});
    add('e', "neighbours only of answers (expand margin 0)",
        {.expand_margin = 0, .expand_margin_a_doubling = 0});
    add('e', "the same margin at all list sizes", {.expand_margin_a_doubling = 0});
    add('f', "fixed list", {.reads_by_gain = false});
    add('f', "fixed list, companions not looked at",
        {.companions = Companions::kIgnored, .reads_by_gain = false});
    add('f', "fixed list, companions not looked at, 200 codes scanned",
        {.scan_codes = 200, .companions = Companions::kIgnored, .reads_by_gain = false});
    add('f', "fixed list, 4 pages at once", {.pages_at_once = 4, .reads_by_gain = false});
    for (const size_t pages : {1, 2, 4, 16}) {
      add('i', std::to_string(pages) + " pages at once", {.pages_at_once = pages});
    }
    for (const Variant& variant : variants) {
      if (!is_wanted(variant.letter)) continue;
      ROX_RETURN_IF_ERROR(measure(variant.name, variant.tuning));
    }
    return Status::ok();
  }

  Status measure_build(char letter, const std::string& name, const DiskTuning& tuning) {
    if (!is_wanted(letter)) return Status::ok();
    ROX_RETURN_IF_ERROR(build(tuning, &index_));
    const std::string full_name = std::string("(") + letter + ") " + name;
    ROX_RETURN_IF_ERROR(measure(full_name, tuning));
    if (letter != 'h') return Status::ok();
    DiskTuning listed = tuning;
    listed.reads_by_gain = false;
    return measure(full_name + ", fixed list", listed);
  }

  Status measure_builds() {
    ROX_RETURN_IF_ERROR(measure_build('b', "no packing inside cells", {.packs_cells = false}));
    for (const size_t bytes : {16, 24, 32, 40, 48, 64}) {
      ROX_RETURN_IF_ERROR(measure_build('g', "codes of " + std::to_string(bytes) + " + 2 bytes",
                                        {.part_count = std::min(bytes, base_.dim)}));
    }
    for (const size_t bytes : {16, 32, 48}) {
      ROX_RETURN_IF_ERROR(
          measure_build('h', "codes of " + std::to_string(bytes) + " + 2 bytes, not residual",
                        {.part_count = std::min(bytes, base_.dim), .codes_residuals = false}));
    }
    return Status::ok();
  }

  Status measure_split() {
    for (const size_t wanted : {10, 12, 15, 20, 30, 45}) {
      ROX_ASSIGN_OR_RETURN(std::vector<Point> points, curve(wanted));
      for (Point& point : points) {
        point.reads += static_cast<double>(wanted);
        point.rounds += 1;
      }
      print_row("(s) " + std::to_string(wanted) + " exact vectors read", points);
    }
    return Status::ok();
  }

  const Options& options_;
  base::ThreadPool pool_;
  storage::FileSystem& files_;
  VectorBatch base_, query_, exact_base_, exact_query_;
  std::vector<uint32_t> slots_;
  std::vector<uint64_t> tags_;
  std::vector<std::vector<index::ScanNeighbor>> truth_;
  index::DiskPaths paths_;
  std::unique_ptr<graph::Adjacency> edges_;  // as the first build found them
  std::unique_ptr<DiskIndex> index_;
};

int usage() {
  std::fprintf(stderr,
               "usage: disk_ablation BASE QUERY [--metric M] [--rows N] [--queries N]\n"
               "                     [--threads N] [--work FOLDER] [--only LETTERS]\n"
               "                     [--exact-base FILE --exact-query FILE --exact-metric M]\n");
  return 2;
}

// False where an option is not known or lacks its value.
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
    const auto number = static_cast<size_t>(std::atoll(value.c_str()));
    if (name == "--metric" || name == "--exact-metric") {
      const std::optional<Metric> metric = parse_metric(value);
      if (!metric.has_value()) return false;
      (name == "--metric" ? options.metric : options.exact_metric) = *metric;
    } else if (name == "--rows") {
      options.row_count = number;
    } else if (name == "--queries") {
      options.query_count = number;
    } else if (name == "--threads") {
      options.thread_count = number;
    } else if (name == "--work") {
      options.work = value;
    } else if (name == "--only") {
      options.only = value;
    } else if (name == "--exact-base") {
      options.exact_base = value;
    } else if (name == "--exact-query") {
      options.exact_query = value;
    } else {
      return false;
    }
  }
  if (paths.size() != 2 || options.exact_base.empty() != options.exact_query.empty()) return false;
  options.base = paths[0];
  options.query = paths[1];
  return options.row_count >= kK && options.query_count > 0 && options.thread_count > 0;
}

int run(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) return usage();
  const Status status = Ablation(options).run();
  if (!status.is_ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.is_ok() ? 0 : 1;
}

}  // namespace
}  // namespace roxanne::bench

int main(int count, char** arguments) { return roxanne::bench::run(count, arguments); }
