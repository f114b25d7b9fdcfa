#include "index/disk_build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "graph/random_ids.h"
#include "index/cell_sorter.h"
#include "index/disk_build_bytes.h"
#include "index/disk_calibration.h"
#include "index/disk_codes_file.h"
#include "index/edge_file.h"
#include "index/grouped_rows.h"
#include "index/ordered_rows.h"
#include "index/page_writer.h"
#include "index/row_residual.h"
#include "index/shard_linker.h"
#include "quantize/kmeans.h"

namespace roxanne::index {
namespace {

constexpr size_t kLeafNeighbours = 2;
// Leaves of few points overlap so much that all name the same neighbours: they name more.
constexpr size_t kFewPoints = 8192;
constexpr size_t kLeafNeighboursOfFew = 8;

constexpr size_t kSampleRows = 131072;
constexpr size_t kCodeSampleRows = 32768;
constexpr uint64_t kSampleBytesMost = 256u << 20;
constexpr uint64_t kSampleBytesLeast = 8u << 20;
constexpr size_t kRowsAtOnce = 512;
constexpr uint64_t kGroupBytesWanted = 32u << 20;  // of a group's rows while they are sorted

// Of the whole build's time.
constexpr double kGroupEnd = 0.05;
constexpr double kSortEnd = 0.15;
constexpr double kLinkEnd = 0.80;
constexpr double kEncodeEnd = 0.95;

class DiskBuild {
 public:
  DiskBuild(storage::FileSystem& file_system, const DiskPaths& paths,
            const CollectionOptions& collection, const RowSource& rows, base::ThreadPool& pool,
            const DiskBuildOptions& options)
      : file_system_(file_system),
        paths_(paths),
        collection_(collection),
        rows_(rows),
        pool_(pool),
        options_(options),
        count_(rows.row_count()),
        layout_(collection, kDiskDegree) {}

  Result<std::unique_ptr<DiskIndex>> run() {
    const uint64_t least = disk_build_bytes_least(collection_, count_);
    if (options_.memory_bytes != 0 && options_.memory_bytes < least) {
      return Status::invalid_argument("building a graph of " + std::to_string(count_) +
                                      " points takes at least " + std::to_string(least) +
                                      " bytes of memory, " + std::to_string(options_.memory_bytes) +
                                      " are allowed");
    }
    graph_ = std::make_unique<DiskGraph>();
    graph_->tuning = options_.tuning;
    graph_->shape.options = collection_;
    ROX_RETURN_IF_ERROR(make_groups());
    ROX_RETURN_IF_ERROR(fill_groups());
    ROX_RETURN_IF_ERROR(sort_groups());
    train_code();
    ROX_RETURN_IF_ERROR(link());
    ROX_RETURN_IF_ERROR(write_pages());
    return finish();
  }

 private:
  Status report(const char* phase, double fraction) {
    std::lock_guard lock(report_mutex_);
    reported_ = std::max(reported_, fraction);
    if (options_.progress && !options_.progress({phase, reported_})) {
      return Status::cancelled("building the graph was cancelled");
    }
    return Status::ok();
  }

  uint64_t memory() const {
    return options_.memory_bytes == 0 ? UINT64_MAX : options_.memory_bytes;
  }

  // Rows at random, as they are.
  Result<std::vector<std::byte>> take_sample(size_t& taken) {
    const size_t row_bytes = layout_.row_bytes;
    const uint64_t bytes_most = std::clamp(memory() / 8, kSampleBytesLeast, kSampleBytesMost);
    const size_t rows_most = std::max<size_t>(256, bytes_most / (collection_.dim * sizeof(float)));
    const size_t wanted = std::min({count_, kSampleRows, rows_most});
    std::vector<uint32_t> ids = graph::random_ids(static_cast<uint32_t>(count_), wanted,
                                                  graph::mix_seeds(options_.seed, 1));
    std::sort(ids.begin(), ids.end());
    std::vector<std::byte> sample(wanted * row_bytes);
    taken = 0;
    uint64_t first = 0;
    const auto visit = [&](MatrixView rows, std::span<const uint32_t>,
                           std::span<const uint64_t>) -> Status {
      for (; taken < wanted && ids[taken] < first + rows.rows(); ++taken) {
        std::memcpy(sample.data() + taken * row_bytes, rows.row(ids[taken] - first), row_bytes);
      }
      first += rows.rows();
      return Status::ok();
    };
    ROX_RETURN_IF_ERROR(rows_.scan(visit));
    return sample;
  }

  // Of a group while it is sorted. Groups do not depend on how many threads there are: as many are
  // sorted at once as memory allows.
  uint64_t group_bytes() const { return std::min<uint64_t>(kGroupBytesWanted, memory() / 8); }
  size_t groups_at_once() const {
    return std::clamp<uint64_t>(memory() / 4 / group_bytes(), 1, options_.thread_count);
  }

  size_t group_count() const {
    const double cells = static_cast<double>(count_) / CellSorter::kCellRows;
    // A row takes its floats twice while its group is sorted, and its bytes.
    const uint64_t row_bytes = layout_.row_bytes + 3 * collection_.dim * sizeof(float);
    const uint64_t for_memory = count_ * row_bytes / group_bytes();
    return std::max<size_t>({1, static_cast<size_t>(std::sqrt(cells)), for_memory});
  }

  Status make_groups() {
    ROX_RETURN_IF_ERROR(report("sample", 0));
    size_t taken = 0;
    ROX_ASSIGN_OR_RETURN(const std::vector<std::byte> sample, take_sample(taken));
    const MatrixView rows(collection_.type, sample.data(), taken, collection_.dim);
    graph_->space = SearchSpace::of_sample(rows, collection_.metric);
    std::vector<float> places(taken * collection_.dim);
    graph_->space.map_rows(rows, places.data(), nullptr);
    const size_t groups = std::min(group_count(), taken);
    group_centroids_ = quantize::kmeans(
        places.data(), taken, collection_.dim,
        {.cluster_count = groups, .iteration_max = 8, .seed = graph::mix_seeds(options_.seed, 2)});
    return Status::ok();
  }

  size_t groups() const { return group_centroids_.size() / collection_.dim; }

  Status fill_groups() {
    ROX_ASSIGN_OR_RETURN(
        grouped_,
        GroupedRows::create(file_system_, options_.scratch_prefix + "groups", groups(),
                            layout_.row_bytes, std::min<uint64_t>(memory() / 8, 64u << 20)));
    const quantize::NearestCentroid nearest(group_centroids_.data(), groups(), collection_.dim);
    std::vector<uint32_t> numbers;
    uint64_t done = 0;
    const auto visit = [&](MatrixView rows, std::span<const uint32_t> slots,
                           std::span<const uint64_t> tags) -> Status {
      numbers.resize(rows.rows());
      assign(nearest, rows, numbers);
      for (size_t i = 0; i < rows.rows(); ++i) {
        ROX_RETURN_IF_ERROR(grouped_->add(numbers[i], {rows.row(i), slots[i], tags[i]}));
      }
      done += rows.rows();
      return report("group", kGroupEnd * static_cast<double>(done) / static_cast<double>(count_));
    };
    ROX_RETURN_IF_ERROR(rows_.scan(visit));
    return grouped_->finish();
  }

  // The nearest group of each row, by several threads.
  void assign(const quantize::NearestCentroid& nearest, MatrixView rows,
              std::vector<uint32_t>& numbers) {
    const size_t pieces = (rows.rows() + kRowsAtOnce - 1) / kRowsAtOnce;
    std::atomic<size_t> next{0};
    pool_.run(std::min(options_.thread_count, pieces), [&](size_t) {
      std::vector<float> places(kRowsAtOnce * rows.dim());
      for (size_t p = next++; p < pieces; p = next++) {
        const size_t first = p * kRowsAtOnce;
        const size_t count = std::min(kRowsAtOnce, rows.rows() - first);
        graph_->space.map_rows(rows.slice(first, count), places.data(), nullptr);
        nearest.assign(places.data(), count, numbers.data() + first);
      }
    });
  }

  // Groups are sorted by several threads, and put behind each other in their order.
  Status sort_groups() {
    ROX_ASSIGN_OR_RETURN(ordered_,
                         OrderedRows::create(file_system_, options_.scratch_prefix + "rows",
                                             collection_.type, collection_.dim));
    graph_->cells = Cells(collection_.dim);
    const size_t at_once = groups_at_once();
    std::vector<GroupedRows::Rows> rows(at_once);
    std::vector<SortedGroup> sorted(at_once);
    std::vector<Status> statuses(at_once);
    for (size_t first = 0; first < groups(); first += at_once) {
      const size_t count = std::min(at_once, groups() - first);
      std::atomic<size_t> next{0};
      pool_.run(count, [&](size_t) {
        CellSorter sorter(graph_->space, layout_.nodes, options_.tuning.packs_cells);
        for (size_t i = next++; i < count; i = next++) {
          const size_t group = first + i;
          sorted[i] = {};
          statuses[i] = grouped_->read(group, rows[i]);
          if (!statuses[i].is_ok() || rows[i].slots.empty()) continue;
          sorted[i] = sorter.sort(view_of(rows[i]), graph::mix_seeds(options_.seed, 3 + group));
        }
      });
      for (size_t i = 0; i < count; ++i) {
        ROX_RETURN_IF_ERROR(statuses[i]);
        ROX_RETURN_IF_ERROR(append_group(first + i, rows[i], sorted[i]));
      }
      const double done = static_cast<double>(first + count) / static_cast<double>(groups());
      ROX_RETURN_IF_ERROR(report("sort", kGroupEnd + (kSortEnd - kGroupEnd) * done));
    }
    row_starts_.push_back(static_cast<uint32_t>(ordered_->count()));
    cell_starts_.push_back(row_starts_.back());
    cell_pages_.push_back(static_cast<uint32_t>(row_starts_.size() - 1));
    grouped_.reset();
    return ordered_->finish();
  }

  MatrixView view_of(const GroupedRows::Rows& rows) const {
    return {collection_.type, rows.bytes.data(), rows.slots.size(), collection_.dim};
  }

  Status append_group(size_t group, const GroupedRows::Rows& rows, const SortedGroup& sorted) {
    graph_->cells.add_group(group_centroids_.data() + group * collection_.dim);
    const auto cell_group = static_cast<uint32_t>(graph_->cells.group_count() - 1);
    auto at = static_cast<uint32_t>(ordered_->count());
    for (size_t cell = 0; cell < sorted.cell_sizes.size(); ++cell) {
      graph_->cells.add_cell(cell_group, sorted.centroids.data() + cell * collection_.dim,
                             sorted.offsets[cell]);
      cell_starts_.push_back(at);
      cell_pages_.push_back(static_cast<uint32_t>(row_starts_.size()));
      const uint32_t end = at + sorted.cell_sizes[cell];
      for (; at < end; at += std::min(layout_.nodes, end - at)) row_starts_.push_back(at);
    }
    const MatrixView view = view_of(rows);
    for (const uint32_t i : sorted.order) {
      ROX_RETURN_IF_ERROR(
          ordered_->append(view.slice(i, 1), {&rows.slots[i], 1}, {&rows.tags[i], 1}));
      row_slots_.push_back(rows.slots[i]);
    }
    return sample_residuals(view, sorted);
  }

  // Every so many-th row's residual, for the code.
  Status sample_residuals(MatrixView rows, const SortedGroup& sorted) {
    const size_t dim = collection_.dim;
    const uint64_t bytes_most = std::clamp(memory() / 8, kSampleBytesLeast, kSampleBytesMost);
    const size_t wanted =
        std::clamp<size_t>(bytes_most / (2 * dim * sizeof(float)), 256, kCodeSampleRows);
    const size_t step = std::max<size_t>(1, count_ / wanted);
    RowResidual residual(*graph_);
    size_t row = 0;
    for (size_t cell = 0; cell < sorted.cell_sizes.size(); ++cell) {
      const auto number =
          static_cast<uint32_t>(graph_->cells.cell_count() - sorted.cell_sizes.size() + cell);
      bool is_loaded = false;
      for (uint32_t i = 0; i < sorted.cell_sizes[cell]; ++i, ++row) {
        if (rows_seen_++ % step != 0) continue;
        if (!is_loaded) residual.set_cell(number);
        is_loaded = true;
        residual.set_row(rows.row(sorted.order[row]));
        residuals_.insert(residuals_.end(), residual.residual().begin(), residual.residual().end());
        residual_centroids_.insert(residual_centroids_.end(), residual.centroid().begin(),
                                   residual.centroid().end());
        residual_offsets_.push_back(residual.extra());
      }
    }
    return Status::ok();
  }

  // As long as memory allows when the index serves.
  quantize::CellCodeShape choose_code() const {
    if (options_.tuning.part_count != 0) {
      return quantize::CellCodeShape::product(options_.tuning.part_count);
    }
    return disk_code_shape(collection_, {.row_count = count_,
                                         .place_count = uint64_t{page_count()} * layout_.nodes,
                                         .build_bytes = options_.memory_bytes,
                                         .serving_bytes = options_.serving_bytes});
  }

  uint32_t page_count() const { return static_cast<uint32_t>(row_starts_.size() - 1); }

  void train_code() {
    graph_->code = quantize::CellCode(collection_.dim, choose_code());
    graph_->code.train({residuals_.data(), residual_centroids_.data(), residual_offsets_.data(),
                        residual_offsets_.size()},
                       graph::mix_seeds(options_.seed, 2), pool_, options_.thread_count);
    std::vector<float>().swap(residuals_);
    std::vector<float>().swap(residual_centroids_);
    graph_->shape = {collection_,
                     static_cast<uint32_t>(count_),
                     page_count(),
                     kDiskDegree,
                     graph_->code.shape(),
                     static_cast<uint32_t>(graph_->cells.group_count()),
                     static_cast<uint32_t>(graph_->cells.cell_count())};
    graph_->layout = layout_;
    graph_->page_cells.grow(page_count());
    for (uint32_t cell = 0; cell < graph_->shape.cell_count; ++cell) {
      std::fill(graph_->page_cells.begin() + cell_pages_[cell],
                graph_->page_cells.begin() + cell_pages_[cell + 1], cell);
    }
    std::vector<uint32_t>().swap(cell_pages_);
    list_cell_pages(*graph_);
  }

  Status link() {
    if (options_.adjacency != nullptr) return Status::ok();
    ROX_ASSIGN_OR_RETURN(edges_, EdgeFile::create(file_system_, options_.scratch_prefix + "edges",
                                                  count_, kDiskDegree));
    std::vector<float> centroids(graph_->shape.cell_count * collection_.dim);
    for (uint32_t cell = 0; cell < graph_->shape.cell_count; ++cell) {
      graph_->cells.centroid(cell, centroids.data() + cell * collection_.dim);
    }
    const CellsView cells{
        cell_starts_, MatrixView::f32(centroids.data(), graph_->shape.cell_count, collection_.dim),
        [this](MatrixView rows, float* out) { graph_->space.map_rows(rows, out, nullptr); }};
    LinkOptions options;
    options.metric = collection_.metric;
    options.thread_count = options_.thread_count;
    options.seed = options_.seed;
    options.builder = options_.builder;
    options.leaf_neighbours = count_ < kFewPoints ? kLeafNeighboursOfFew : kLeafNeighbours;
    options.scratch_prefix = options_.scratch_prefix;
    if (options_.memory_bytes != 0) {
      const uint64_t held = centroids.size() * sizeof(float) + bytes_of_tables();
      options.memory_bytes = options_.memory_bytes - std::min(options_.memory_bytes / 2, held);
    }
    options.progress = [this](double fraction) {
      return report("link", kSortEnd + (kLinkEnd - kSortEnd) * fraction).is_ok();
    };
    return link_shards(*ordered_, cells, pool_, options, *edges_).status();
  }

  uint64_t bytes_of_tables() const {
    return (row_starts_.size() + cell_starts_.size() + 2 * graph_->page_cells.size()) *
               sizeof(uint32_t) +
           graph_->cells.bytes();
  }

  Status write_pages() {
    // What linking let go of is wanted for the codes now.
    base::give_memory_back();
    ROX_ASSIGN_OR_RETURN(
        pages_, storage::PageStore::create(file_system_, paths_.pages,
                                           {.page_bytes = layout_.page_bytes,
                                            .is_unread_elsewhere = options_.is_unread_elsewhere}));
    ROX_ASSIGN_OR_RETURN(codes_, DiskCodesWriter::create(file_system_, paths_.codes, *graph_));
    graph_->codes = base::AlignedBuffer(size_t{graph_->place_count()} * graph_->code.code_bytes());
    PageWriter writer(*graph_, *ordered_, row_starts_, row_slots_, pool_, options_.thread_count);
    const auto on_page = [this](double fraction) {
      return report("encode", kLinkEnd + (kEncodeEnd - kLinkEnd) * fraction);
    };
    if (options_.adjacency != nullptr) {
      writer.take_adjacency(*options_.adjacency);
    } else {
      writer.take_edges(*edges_);
    }
    ROX_RETURN_IF_ERROR(writer.write(*pages_, *codes_, on_page));
    ROX_RETURN_IF_ERROR(pages_->checkpoint({}));
    edges_.reset();
    place_slots();
    return Status::ok();
  }

  void place_slots() {
    const uint32_t highest = *std::max_element(row_slots_.begin(), row_slots_.end());
    graph_->node_of_slot.grow(size_t{highest} + 1, kNoNode);
    for (uint32_t page = 0; page < page_count(); ++page) {
      for (uint32_t row = row_starts_[page]; row < row_starts_[page + 1]; ++row) {
        graph_->node_of_slot[row_slots_[row]] = page * layout_.nodes + row - row_starts_[page];
      }
    }
    std::vector<uint32_t>().swap(row_slots_);
  }

  Result<std::unique_ptr<DiskIndex>> finish() {
    ROX_RETURN_IF_ERROR(report("calibrate", kEncodeEnd));
    auto index = std::make_unique<DiskIndex>(std::move(graph_), std::move(pages_), codes_->bytes());
    ROX_ASSIGN_OR_RETURN(const CalibrationSample sample,
                         take_calibration_sample(*index, *ordered_, pool_, options_.thread_count,
                                                 graph::mix_seeds(options_.seed, 4)));
    index->graph().error = measure_error(index->graph(), sample);
    ROX_ASSIGN_OR_RETURN(index->graph().list_sizes,
                         measure_list_sizes(*index, sample, pool_, options_.thread_count));
    index->note_changed(std::nullopt, codes_->bytes());
    ROX_RETURN_IF_ERROR(codes_->finish(index->graph()));
    const WrittenCodes written{codes_->bytes(), codes_->checksum()};
    index->keep_codes(std::make_unique<CodesKeeper>(
        file_system_, paths_, index->graph(), written,
        CodesOpenOptions{.read_only = false, .is_unread_elsewhere = options_.is_unread_elsewhere}));
    ordered_.reset();
    ROX_RETURN_IF_ERROR(report("calibrate", 1));
    return index;
  }

  storage::FileSystem& file_system_;
  const DiskPaths& paths_;
  const CollectionOptions collection_;
  const RowSource& rows_;
  base::ThreadPool& pool_;
  const DiskBuildOptions& options_;
  const size_t count_;
  const NodePageLayout layout_;

  std::unique_ptr<DiskGraph> graph_;
  std::vector<float> group_centroids_;
  std::unique_ptr<GroupedRows> grouped_;
  std::unique_ptr<OrderedRows> ordered_;
  std::vector<uint32_t> cell_starts_;  // first row of each cell, and the end
  std::vector<uint32_t> row_starts_;   // first row of each page, and the end
  std::vector<uint32_t> cell_pages_;   // first page of each cell, and the end
  std::vector<uint32_t> row_slots_;    // by row
  size_t rows_seen_ = 0;
  std::vector<float> residuals_, residual_centroids_, residual_offsets_;
  std::unique_ptr<EdgeFile> edges_;
  std::unique_ptr<storage::PageStore> pages_;
  std::unique_ptr<DiskCodesWriter> codes_;

  std::mutex report_mutex_;  // guards reported_ and calls of progress
  double reported_ = 0;
};

}  // namespace

Result<std::unique_ptr<DiskIndex>> build_disk_index(storage::FileSystem& file_system,
                                                    const DiskPaths& paths,
                                                    const CollectionOptions& collection,
                                                    const RowSource& rows, base::ThreadPool& pool,
                                                    const DiskBuildOptions& options) {
  auto built = DiskBuild(file_system, paths, collection, rows, pool, options).run();
  if (!built.is_ok()) {
    (void)file_system.remove(paths.pages);  // where they are there
    (void)file_system.remove(paths.codes);
  }
  return built;
}

}  // namespace roxanne::index
