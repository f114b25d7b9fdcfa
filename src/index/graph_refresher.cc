#include "index/graph_refresher.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "base/status_macros.h"
#include "graph/random_ids.h"
#include "quantize/kmeans.h"

namespace roxanne::index {
namespace {

// It is due when there are half as many points more than there were.
constexpr uint64_t kGrowthHalves = 3;
constexpr uint64_t kPointsLeast = 4096;
// Pages whose points the codebook is trained on, and that are encoded in one step.
constexpr size_t kSamplePages = 2048;
constexpr size_t kStepPages = 512;
constexpr size_t kSampleRowsLeast = 4096;

uint64_t next_due(uint64_t points) { return std::max(kGrowthHalves * points / 2, kPointsLeast); }

}  // namespace

GraphRefresher::GraphRefresher(DiskIndex& index, PageFetcher& fetcher, base::ThreadPool& pool,
                               const Options& options, uint64_t known_points)
    : index_(index),
      graph_(index.graph()),
      fetcher_(fetcher),
      pool_(pool),
      options_(options),
      known_points_(known_points),
      due_at_(next_due(known_points)),
      pages_(index.graph()),
      residual_(index.graph()) {}

bool GraphRefresher::is_due() const { return graph_.shape.node_count >= due_at_; }

Status GraphRefresher::step() {
  Status status;
  if (is_running()) {
    status = advance();
  } else if (is_due()) {
    status = begin();
  }
  if (!status.is_ok()) stop();
  return status;
}

void GraphRefresher::stop() {
  new_code_.reset();
  new_codes_ = base::AlignedBuffer();
  memory_.reset();
  scan_.reset();
  sample_ = {};
  pages_.release();
  due_at_ = graph_.shape.node_count + graph_.shape.node_count / 8 + kPointsLeast;
}

Status GraphRefresher::begin() {
  const uint64_t bytes = graph_.codes.size() + graph_.codes.size() / 4;
  std::shared_ptr<void> training;  // given back at the end
  if (options_.take_memory) {
    memory_ = options_.take_memory(bytes);
    // The codes come after the training.
    const uint64_t more = training_bytes() - std::min(training_bytes(), bytes);
    if (memory_ != nullptr) training = options_.take_memory(more);
    if (training == nullptr) {
      stop();
      return Status::ok();
    }
  }
  ++seed_;
  ROX_RETURN_IF_ERROR(train());
  ROX_RETURN_IF_ERROR(take_queries());
  new_codes_ = base::AlignedBuffer(graph_.codes.size());
  next_page_ = 0;
  next_id_ = 0;
  return Status::ok();
}

size_t GraphRefresher::sample_pages() const {
  return std::min<size_t>({graph_.shape.page_count, kSamplePages, options_.pages_most});
}

// As many points as fit the memory that their pages take.
size_t GraphRefresher::sample_rows(size_t pages) const {
  const size_t row_bytes = graph_.shape.options.dim * sizeof(float);
  return std::max(kSampleRowsLeast, pages * graph_.layout.page_bytes / (2 * row_bytes));
}

// Pages, and the points on them thrice: from their cell, the cell, and what clustering takes.
uint64_t GraphRefresher::training_bytes() const {
  const size_t pages = sample_pages();
  const size_t rows = std::min(sample_rows(pages), pages * graph_.layout.nodes);
  return pages * graph_.layout.page_bytes + 3 * rows * graph_.shape.options.dim * sizeof(float);
}

Status GraphRefresher::train() {
  const size_t dim = graph_.shape.options.dim;
  std::vector<uint32_t> numbers =
      graph::random_ids(graph_.shape.page_count, sample_pages(), graph::mix_seeds(seed_, 11));
  std::erase_if(numbers, [&](uint32_t page) { return graph_.page_cells[page] == kNoCell; });
  std::sort(numbers.begin(), numbers.end());
  pages_.clear();
  ROX_RETURN_IF_ERROR(fetcher_.fetch(numbers, pages_));
  const size_t points = numbers.size() * graph_.layout.nodes;
  const size_t rows_most = sample_rows(numbers.size());
  const size_t step = (points + rows_most - 1) / rows_most;
  std::vector<float> residuals, centroids, extras;
  residuals.reserve(std::min(points, rows_most) * dim);
  centroids.reserve(std::min(points, rows_most) * dim);
  size_t seen = 0;
  for (const uint32_t number : numbers) {
    const PageEdit& page = *pages_.find(number);
    residual_.set_cell(page.cell());
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page.has(place) || seen++ % step != 0) continue;
      residual_.set_row(page.row(place));
      const auto append = [](std::vector<float>& to, const std::vector<float>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      append(residuals, residual_.residual());
      append(centroids, residual_.centroid());
      extras.push_back(residual_.extra());
    }
  }
  new_code_.emplace(dim, graph_.code.shape());
  new_code_->train({residuals.data(), centroids.data(), extras.data(), extras.size()},
                   graph::mix_seeds(seed_, 12), pool_, options_.thread_count);
  return Status::ok();
}

// Of the pages that training read.
Status GraphRefresher::take_queries() {
  sample_ = {};
  std::vector<std::pair<uint64_t, std::pair<PageEdit*, uint32_t>>> all;
  for (uint32_t number = 0; number < graph_.shape.page_count; ++number) {
    PageEdit* const page = pages_.find(number);
    for (uint32_t place = 0; page != nullptr && place < graph_.layout.nodes; ++place) {
      if (page->has(place))
        all.push_back({graph::mix_seeds(seed_, page->node(place)), {page, place}});
    }
  }
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < std::min(all.size(), CalibrationSample::kQueries); ++i) {
    const auto [page, place] = all[i].second;
    const std::byte* row = page->row(place);
    sample_.rows.insert(sample_.rows.end(), row, row + graph_.layout.row_bytes);
    sample_.slots.push_back(page->slot(place));
  }
  const CollectionOptions& options = graph_.shape.options;
  scan_ = std::make_unique<ExactScan>(sample_.queries(options), options.metric,
                                      CalibrationSample::kNeighbours + 1, 1);
  return Status::ok();
}

Status GraphRefresher::advance() {
  std::vector<uint32_t> numbers;
  const uint32_t first = next_page_;
  const auto step = static_cast<uint32_t>(std::min(kStepPages, options_.pages_most));
  for (uint32_t page = first; page < graph_.shape.page_count && page - first < step; ++page) {
    if (graph_.page_cells[page] != kNoCell) {
      numbers.push_back(page);
    } else {
      encode_page(page, nullptr);
    }
  }
  pages_.clear();
  ROX_RETURN_IF_ERROR(fetcher_.fetch(numbers, pages_));
  next_page_ = std::min<uint32_t>(graph_.shape.page_count, first + step);
  std::vector<std::byte> rows;
  std::vector<uint64_t> slots;
  for (const uint32_t number : numbers) {
    const PageEdit& page = *pages_.find(number);
    encode_page(number, page.bytes());
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (!page.has(place)) continue;
      rows.insert(rows.end(), page.row(place), page.row(place) + graph_.layout.row_bytes);
      slots.push_back(page.slot(place));
    }
  }
  compare(rows, slots);
  return next_page_ >= graph_.shape.page_count ? finish() : Status::ok();
}

void GraphRefresher::compare(const std::vector<std::byte>& rows,
                             const std::vector<uint64_t>& slots) {
  if (slots.empty()) return;
  scan_->scan(
      0,
      {.rows = rows.data(), .row_count = slots.size(), .first_id = next_id_, .tags = slots.data()});
  next_id_ += slots.size();
}

// Those on pages that were not encoded yet are met there. Without the others the truth would be of
// fewer points than are searched, and short lists would seem to find it.
void GraphRefresher::note_points(std::span<const NewNode> nodes) {
  if (!is_running()) return;
  std::vector<std::byte> rows;
  std::vector<uint64_t> slots;
  for (const NewNode& node : nodes) {
    if (graph_.page_of(graph_.node_of(node.slot)) >= next_page_) continue;
    rows.insert(rows.end(), node.row, node.row + graph_.layout.row_bytes);
    slots.push_back(node.slot);
  }
  compare(rows, slots);
}

void GraphRefresher::note_page(uint32_t page, const std::byte* bytes) {
  if (is_running() && page < next_page_) encode_page(page, bytes);
}

void GraphRefresher::encode_page(uint32_t page, const std::byte* bytes) {
  const size_t code_bytes = new_code_->code_bytes();
  new_codes_.grow((size_t{page} + 1) * graph_.layout.nodes * code_bytes);
  const uint32_t cell = graph_.page_cells[page];
  const uint64_t taken = cell != kNoCell ? storage::load_page_header(bytes).record_bitmap : 0;
  if (cell != kNoCell) residual_.set_cell(cell);
  for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
    uint8_t* code = reinterpret_cast<uint8_t*>(new_codes_.data()) +
                    (size_t{page} * graph_.layout.nodes + place) * code_bytes;
    if (((taken >> place) & 1) == 0) {
      new_code_->set_vacant(code);
      continue;
    }
    residual_.set_row(graph_.layout.row(bytes, place));
    residual_.encode(*new_code_, code);
  }
}

// Cells in groups that are clusters of their centroids. Cells keep their numbers.
Cells GraphRefresher::regrouped() const {
  const size_t dim = graph_.shape.options.dim;
  const size_t count = graph_.cells.cell_count();
  std::vector<float> centroids(count * dim);
  for (uint32_t cell = 0; cell < count; ++cell) {
    graph_.cells.centroid(cell, centroids.data() + cell * dim);
  }
  const auto groups = std::max<size_t>(1, static_cast<size_t>(std::sqrt(count)));
  const std::vector<float> means = quantize::kmeans(
      centroids.data(), count, dim,
      {.cluster_count = groups, .iteration_max = 8, .seed = graph::mix_seeds(seed_, 13)});
  const quantize::NearestCentroid nearest(means.data(), means.size() / dim, dim);
  std::vector<uint32_t> group_of(count);
  nearest.assign(centroids.data(), count, group_of.data());
  Cells cells(dim);
  for (size_t group = 0; group < means.size() / dim; ++group)
    cells.add_group(means.data() + group * dim);
  for (uint32_t cell = 0; cell < count; ++cell) {
    cells.add_cell(group_of[cell], centroids.data() + cell * dim, graph_.cells.offset(cell));
  }
  return cells;
}

Status GraphRefresher::finish() {
  new_codes_.grow(graph_.codes.size());
  sample_.truth = scan_->finish();
  for (size_t i = 0; i < sample_.truth.size(); ++i) {
    // A point that changed its page meanwhile may have been met twice.
    std::unordered_set<uint64_t> seen{sample_.slots[i]};
    for (ScanNeighbor& near : sample_.truth[i]) near.id = near.tag;
    std::erase_if(sample_.truth[i],
                  [&](const ScanNeighbor& near) { return !seen.insert(near.id).second; });
  }
  Cells cells = regrouped();
  {
    const std::lock_guard lock(index_.gate());
    graph_.code = *std::exchange(new_code_, std::nullopt);
    std::swap(graph_.codes, new_codes_);
    graph_.cells = std::move(cells);
    graph_.shape.group_count = static_cast<uint32_t>(graph_.cells.group_count());
    graph_.error = measure_error(graph_, sample_);
  }
  index_.codes_keeper()->note_all();
  known_points_ = graph_.shape.node_count;
  const Result<ListSizes> sizes = measure_list_sizes(index_, sample_, pool_, options_.thread_count);
  if (sizes.is_ok()) {
    const std::lock_guard lock(index_.gate());
    graph_.list_sizes = *sizes;
  }
  index_.note_changed(std::nullopt, index_.codes_bytes_on_disk());
  stop();
  due_at_ = next_due(known_points_);
  return sizes.status();
}

}  // namespace roxanne::index
