#include "index/cell_repacker.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/status_macros.h"
#include "index/cell_sorter.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr size_t kRowsMost = 3 * CellSorter::kCellRows / 2;
// A cell is sorted anew when so many percent of its points came or went, but not before so many
// did.
constexpr size_t kChangedPercent = 10;
constexpr uint32_t kChangesLeast = 30;
constexpr size_t kIterations = 8;
// Either half has at least one point in so many.
constexpr size_t kLeastShare = 4;
// A cell that is not cut keeps its centroid, and its points their codes, until the mean of its
// points is farther from there than such a share of their mean squared distance.
constexpr float kDriftMost = 0.01f;
// A place in so many stays vacant, for points to come.
constexpr uint32_t kVacantShare = 12;

}  // namespace

CellRepacker::CellRepacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers)
    : index_(index),
      graph_(index.graph()),
      fetcher_(fetcher),
      numbers_(numbers),
      pages_(index.graph()) {}

void CellRepacker::note_changes(uint32_t cell, uint32_t count) {
  if (cell >= changes_.size()) changes_.resize(graph_.cells.cell_count());
  changes_[cell] += count;
}

size_t CellRepacker::row_count(uint32_t cell) const {
  size_t rows = 0;
  for (const uint32_t page : graph_.cell_pages[cell]) {
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      rows += graph_.is_vacant(page * graph_.layout.nodes + place) ? 0 : 1;
    }
  }
  return rows;
}

bool CellRepacker::is_due(uint32_t cell) const {
  if (cell >= changes_.size() || changes_[cell] < kChangesLeast) return false;
  const size_t most = graph_.cell_pages[cell].size() * graph_.layout.nodes;
  if (100 * changes_[cell] >= kChangedPercent * most) return true;
  return most > kRowsMost && row_count(cell) > kRowsMost;
}

Status CellRepacker::repack(uint32_t cell) {
  changes_[cell] = 0;
  ROX_RETURN_IF_ERROR(load(cell));
  if (points_.empty()) return Status::ok();
  divide();
  fill_pages(cell);
  const Status written = write();
  if (!written.is_ok()) {
    for (size_t i = new_pages_.size() - made_; i < new_pages_.size(); ++i) {
      numbers_.free.push_back(new_pages_[i].number);
    }
    return written;
  }
  publish(cell);
  numbers_.free.insert(numbers_.free.end(), gone_.begin(), gone_.end());
  ++cells_packed_;
  return Status::ok();
}

Status CellRepacker::load(uint32_t cell) {
  pages_.clear();
  old_pages_ = graph_.cell_pages[cell];
  ROX_RETURN_IF_ERROR(fetcher_.fetch(old_pages_, pages_));
  const CollectionOptions& options = graph_.shape.options;
  points_.clear();
  for (const uint32_t number : old_pages_) {
    PageEdit* const page = pages_.find(number);
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (page->has(place)) points_.push_back({page, place});
    }
  }
  places_.resize(points_.size() * options.dim);
  offsets_.resize(points_.size());
  for (size_t p = 0; p < points_.size(); ++p) {
    graph_.space.map_rows(
        VectorView(options.type, points_[p].page->row(points_[p].place), options.dim),
        places_.data() + p * options.dim, &offsets_[p]);
  }
  return Status::ok();
}

// Two-means, where there are too many; else all are in the first half.
void CellRepacker::divide() {
  const size_t dim = graph_.shape.options.dim;
  const size_t count = points_.size();
  const auto place = [&](size_t p) { return places_.data() + p * dim; };
  halves_[0].resize(count);
  for (uint32_t p = 0; p < count; ++p) halves_[0][p] = p;
  halves_[1].clear();
  centre(0);
  if (count <= kRowsMost) return;
  std::vector<float> distances(count);
  const auto farthest = [&](const float* from) {
    kernels::kernels().l2_f32(from, places_.data(), count, dim, distances.data());
    return static_cast<size_t>(std::max_element(distances.begin(), distances.end()) -
                               distances.begin());
  };
  const size_t left = farthest(place(0));
  const size_t right = farthest(place(left));
  if (!(distances[right] > 0)) return;  // all the same
  centroids_[0].assign(place(left), place(left) + dim);
  centroids_[1].assign(place(right), place(right) + dim);
  std::vector<float> to_right(count);
  std::vector<std::pair<float, uint32_t>> order(count);
  for (size_t iteration = 0; iteration < kIterations; ++iteration) {
    kernels::kernels().l2_f32(centroids_[0].data(), places_.data(), count, dim, distances.data());
    kernels::kernels().l2_f32(centroids_[1].data(), places_.data(), count, dim, to_right.data());
    for (uint32_t p = 0; p < count; ++p) order[p] = {distances[p] - to_right[p], p};
    std::sort(order.begin(), order.end());
    const auto sign =
        std::find_if(order.begin(), order.end(), [](const auto& one) { return one.first > 0; });
    const size_t least = count / kLeastShare;
    const size_t kept = std::clamp(static_cast<size_t>(sign - order.begin()), least, count - least);
    for (auto& half : halves_) half.clear();
    for (size_t i = 0; i < count; ++i) halves_[i < kept ? 0 : 1].push_back(order[i].second);
    centre(0);
    centre(1);
  }
}

void CellRepacker::centre(size_t half) {
  const size_t dim = graph_.shape.options.dim;
  centroids_[half].assign(dim, 0);
  double offsets = 0;
  for (const uint32_t p : halves_[half]) {
    for (size_t d = 0; d < dim; ++d) centroids_[half][d] += places_[p * dim + d];
    offsets += offsets_[p];
  }
  const auto count = static_cast<float>(halves_[half].size());
  for (float& value : centroids_[half]) value /= count;
  centroid_offsets_[half] = static_cast<float>(offsets / count);
}

void CellRepacker::fill_pages(uint32_t cell) {
  const size_t dim = graph_.shape.options.dim;
  const uint32_t vacant = graph_.layout.nodes / kVacantShare;
  const uint32_t together = std::max(1u, graph_.layout.nodes - vacant);
  new_pages_.clear();
  made_ = 0;
  std::vector<float> members;
  for (size_t half = 0; half < 2; ++half) {
    const std::vector<uint32_t>& points = halves_[half];
    members.resize(points.size() * dim);
    for (size_t i = 0; i < points.size(); ++i) {
      std::copy_n(places_.data() + points[i] * dim, dim, members.data() + i * dim);
    }
    const auto& order = packer_.pack(members.data(), points.size(), dim, together);
    const auto to = half == 0 ? cell : static_cast<uint32_t>(graph_.cells.cell_count());
    for (size_t first = 0; first < points.size(); first += together) {
      Page page{0, to, {}};
      for (size_t i = first; i < std::min(points.size(), first + together); ++i) {
        page.points.push_back(points[order[i]]);
      }
      new_pages_.push_back(std::move(page));
    }
  }
  std::vector<uint32_t> numbers = old_pages_;
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < new_pages_.size(); ++i) {
    if (i < numbers.size()) {
      new_pages_[i].number = numbers[i];
    } else {
      new_pages_[i].number = numbers_.take();
      ++made_;
    }
  }
  gone_.assign(
      numbers.begin() + static_cast<ptrdiff_t>(std::min(numbers.size(), new_pages_.size())),
      numbers.end());
}

Status CellRepacker::write() {
  const size_t page_bytes = graph_.layout.page_bytes;
  if (bytes_.size() < new_pages_.size() * page_bytes) {
    bytes_ = base::AlignedBuffer(new_pages_.size() * page_bytes);
  }
  std::memset(bytes_.data(), 0, new_pages_.size() * page_bytes);
  images_.clear();
  for (size_t i = 0; i < new_pages_.size(); ++i) {
    std::byte* const bytes = bytes_.data() + i * page_bytes;
    // Codes are made below: here they are only carried along.
    PageEdit page(graph_, new_pages_[i].number, new_pages_[i].cell, bytes);
    for (const uint32_t p : new_pages_[i].points) {
      page.add(points_[p].page->record(points_[p].place));
    }
    images_.push_back({page.number(), 0, page.taken(), bytes});
  }
  std::sort(images_.begin(), images_.end(),
            [](const auto& a, const auto& b) { return a.logical_page < b.logical_page; });
  return index_.write_pages(images_, gone_);
}

// Of a cell that is not cut.
bool CellRepacker::has_drifted(uint32_t cell) const {
  const size_t dim = graph_.shape.options.dim;
  std::vector<float> old(dim);
  graph_.cells.centroid(cell, old.data());
  const auto squared = [&](const float* a, const float* b) {
    float sum = 0;
    kernels::kernels().l2_f32(a, b, 1, dim, &sum);
    return sum;
  };
  double spread = 0;
  for (size_t p = 0; p < points_.size(); ++p) {
    spread += squared(centroids_[0].data(), places_.data() + p * dim);
  }
  return squared(centroids_[0].data(), old.data()) >
         kDriftMost * spread / static_cast<double>(points_.size());
}

// Codes are of what the centroids leave as the cells will give them: as halves.
void CellRepacker::encode(uint8_t* codes) const {
  const size_t dim = graph_.shape.options.dim;
  std::vector<float> residual(dim), rounded(dim);
  for (size_t half = 0; half < 2 && !halves_[half].empty(); ++half) {
    Cells halves(dim);
    halves.add_group(centroids_[half].data());
    halves.add_cell(0, centroids_[half].data(), 0);
    rounded.assign(dim, 0);
    if (graph_.tuning.codes_residuals) halves.centroid(0, rounded.data());
    const float offset = graph_.tuning.codes_residuals ? centroid_offsets_[half] : 0;
    for (const uint32_t p : halves_[half]) {
      for (size_t d = 0; d < dim; ++d) residual[d] = places_[p * dim + d] - rounded[d];
      graph_.code.encode(residual.data(), rounded.data(), offsets_[p] - offset,
                         codes + p * graph_.code.code_bytes());
    }
  }
}

void CellRepacker::publish(uint32_t cell) {
  const size_t code_bytes = graph_.code.code_bytes();
  const bool is_cut = !halves_[1].empty();
  const bool is_moved = is_cut || has_drifted(cell);
  std::vector<uint8_t> codes(points_.size() * code_bytes);
  if (is_moved) {
    encode(codes.data());
  } else {
    for (size_t p = 0; p < points_.size(); ++p) {
      const uint8_t* const code = points_[p].page->record(points_[p].place).code;
      std::memcpy(codes.data() + p * code_bytes, code, code_bytes);
    }
  }
  const auto set_vacant = [&](uint32_t node) { graph_.code.set_vacant(graph_.code_of(node)); };
  {
    const std::lock_guard lock(index_.gate());
    graph_.grow(numbers_.end, 0);
    if (is_moved) graph_.cells.move_cell(cell, centroids_[0].data(), centroid_offsets_[0]);
    if (is_cut) {
      graph_.cells.add_cell(graph_.cells.group_of(cell), centroids_[1].data(),
                            centroid_offsets_[1]);
      graph_.cell_pages.emplace_back();
      graph_.shape.cell_count = static_cast<uint32_t>(graph_.cells.cell_count());
    }
    graph_.cell_pages[cell].clear();
    for (const uint32_t page : gone_) {
      graph_.page_cells[page] = kNoCell;
      for (uint32_t i = 0; i < graph_.layout.nodes; ++i) set_vacant(page * graph_.layout.nodes + i);
    }
    for (const Page& page : new_pages_) {
      graph_.page_cells[page.number] = page.cell;
      graph_.cell_pages[page.cell].push_back(page.number);
      for (uint32_t i = 0; i < graph_.layout.nodes; ++i) {
        const uint32_t node = page.number * graph_.layout.nodes + i;
        if (i >= page.points.size()) {
          set_vacant(node);
          continue;
        }
        const Point& point = points_[page.points[i]];
        graph_.node_of_slot[point.page->slot(point.place)] = node;
        std::memcpy(graph_.code_of(node), codes.data() + page.points[i] * code_bytes, code_bytes);
      }
    }
  }
  index_.note_changed(std::nullopt, index_.codes_bytes_on_disk());
  for (const Page& page : new_pages_) index_.codes_keeper()->note_page(page.number);
  for (const uint32_t page : gone_) index_.codes_keeper()->note_page(page);
  index_.codes_keeper()->note_cell(cell);
  if (refresher_ == nullptr) return;
  for (const storage::PageImage& image : images_) {
    refresher_->note_page(image.logical_page, image.bytes);
  }
  for (const uint32_t page : gone_) refresher_->note_page(page, bytes_.data());
}

}  // namespace roxanne::index
