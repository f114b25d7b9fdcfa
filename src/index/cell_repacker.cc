#include "index/cell_repacker.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {

// A cell is sorted anew when so many percent of its points came or went, but not before so many
// did.
constexpr size_t kChangedPercent = 10;
constexpr uint32_t kChangesLeast = 30;

}  // namespace

CellRepacker::CellRepacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers,
                           base::ThreadPool& pool, size_t cells_at_once)
    : index_(index),
      graph_(index.graph()),
      fetcher_(fetcher),
      numbers_(numbers),
      pool_(pool),
      pages_(index.graph()) {
  for (size_t i = 0; i < cells_at_once; ++i) plans_.emplace_back(graph_);
}

void CellRepacker::note_changes(uint32_t cell, uint32_t count) {
  if (cell >= changes_.size()) changes_.resize(graph_.cells.cell_count());
  changes_[cell] += count;
}

size_t CellRepacker::row_count(uint32_t cell) const {
  size_t rows = 0;
  for (const uint32_t page : graph_.cell_pages[cell]) rows += graph_.count_on(page);
  return rows;
}

bool CellRepacker::is_due(uint32_t cell) const {
  if (cell >= changes_.size() || changes_[cell] < kChangesLeast) return false;
  const size_t most = graph_.cell_pages[cell].size() * graph_.layout.nodes;
  if (100 * changes_[cell] >= kChangedPercent * most) return true;
  return most > CellPlan::rows_most() && row_count(cell) > CellPlan::rows_most();
}

Status CellRepacker::repack(std::span<const uint32_t> cells, size_t thread_count) {
  for (size_t first = 0; first < cells.size(); first += plans_.size()) {
    ROX_RETURN_IF_ERROR(repack_some(
        cells.subspan(first, std::min(plans_.size(), cells.size() - first)), thread_count));
  }
  return Status::ok();
}

Status CellRepacker::repack_some(std::span<const uint32_t> cells, size_t thread_count) {
  pages_.clear();
  for (const uint32_t cell : cells) {
    changes_[cell] = 0;
    ROX_RETURN_IF_ERROR(fetcher_.fetch(graph_.cell_pages[cell], pages_));
  }
  std::atomic<size_t> next{0};
  pool_.run(std::min(thread_count, cells.size()), [&](size_t) {
    for (size_t i = next++; i < cells.size(); i = next++) plans_[i].make(cells[i], pages_);
  });
  const std::span<const CellPlan> plans(plans_.data(), cells.size());
  number_pages(plans);
  const Status written = write(plans);
  if (!written.is_ok()) {
    numbers_.free.insert(numbers_.free.end(), made_.begin(), made_.end());
    return written;
  }
  for (size_t i = 0; i < plans.size(); ++i) publish(plans[i], new_pages_[i]);
  if (refresher_ != nullptr) {
    for (const storage::PageImage& image : images_) {
      refresher_->note_page(image.logical_page, image.bytes);
    }
    for (const uint32_t page : gone_) refresher_->note_page(page, nullptr);
  }
  cells_packed_ += cells.size();
  if (gone_.empty()) return Status::ok();
  // It fails where no checkpoint will be made any more.
  ROX_RETURN_IF_ERROR(index_.pages().remove(gone_));
  numbers_.free.insert(numbers_.free.end(), gone_.begin(), gone_.end());
  return Status::ok();
}

// The old ones' numbers, in order; some are not needed any more, or some are new.
void CellRepacker::number_pages(std::span<const CellPlan> plans) {
  made_.clear();
  gone_.clear();
  auto next_cell = static_cast<uint32_t>(graph_.cells.cell_count());
  new_pages_.assign(plans.size(), {});
  for (size_t i = 0; i < plans.size(); ++i) {
    const CellPlan& plan = plans[i];
    NewPages& pages = new_pages_[i];
    if (plan.is_cut()) pages.cut_off = next_cell++;
    pages.numbers = plan.old_pages();
    while (pages.numbers.size() < plan.pages().size()) {
      pages.numbers.push_back(numbers_.take());
      made_.push_back(pages.numbers.back());
    }
    const auto kept = pages.numbers.begin() + static_cast<ptrdiff_t>(plan.pages().size());
    pages.gone.assign(kept, pages.numbers.end());
    pages.numbers.erase(kept, pages.numbers.end());
    gone_.insert(gone_.end(), pages.gone.begin(), pages.gone.end());
  }
  std::sort(gone_.begin(), gone_.end());
}

Status CellRepacker::write(std::span<const CellPlan> plans) {
  const size_t page_bytes = graph_.layout.page_bytes;
  size_t count = 0;
  for (const CellPlan& plan : plans) count += plan.pages().size();
  if (bytes_.size() < count * page_bytes) bytes_ = base::AlignedBuffer(count * page_bytes);
  std::memset(bytes_.data(), 0, count * page_bytes);
  images_.clear();
  for (size_t i = 0; i < plans.size(); ++i) {
    const CellPlan& plan = plans[i];
    for (size_t p = 0; p < plan.pages().size(); ++p) {
      std::byte* const bytes = bytes_.data() + images_.size() * page_bytes;
      // Codes come with the plan: here they are only carried along.
      PageEdit page(graph_, new_pages_[i].numbers[p], 0, bytes);
      for (const uint32_t point : plan.pages()[p].points) {
        page.add(plan.points()[point].page->record(plan.points()[point].place));
      }
      page.drop_links_to([this](uint32_t slot) { return graph_.node_of(slot) == kNoNode; });
      images_.push_back({page.number(), 0, page.taken(), bytes});
    }
  }
  std::sort(images_.begin(), images_.end(),
            [](const auto& a, const auto& b) { return a.logical_page < b.logical_page; });
  return index_.write_pages(images_);
}

void CellRepacker::publish(const CellPlan& plan, const NewPages& pages) {
  const uint32_t cell = plan.cell();
  const uint32_t nodes = graph_.layout.nodes;
  const auto set_vacant = [&](uint32_t node) { graph_.code.set_vacant(graph_.code_of(node)); };
  {
    const std::lock_guard lock(index_.gate());
    graph_.grow(numbers_.end, 0);
    if (plan.is_moved()) {
      graph_.cells.move_cell(cell, plan.centroid(0), plan.centroid_offset(0));
    }
    if (plan.is_cut()) {
      graph_.cells.add_cell(graph_.cells.group_of(cell), plan.centroid(1), plan.centroid_offset(1));
      graph_.cell_pages.emplace_back();
      graph_.shape.cell_count = static_cast<uint32_t>(graph_.cells.cell_count());
    }
    graph_.cell_pages[cell].clear();
    for (const uint32_t page : pages.gone) {
      graph_.page_cells[page] = kNoCell;
      --graph_.used_pages;
      for (uint32_t i = 0; i < nodes; ++i) set_vacant(page * nodes + i);
    }
    for (size_t p = 0; p < pages.numbers.size(); ++p) {
      const uint32_t number = pages.numbers[p];
      const CellPlan::Page& page = plan.pages()[p];
      const uint32_t to = page.half == 0 ? cell : pages.cut_off;
      graph_.used_pages += graph_.page_cells[number] == kNoCell ? 1 : 0;
      graph_.page_cells[number] = to;
      graph_.cell_pages[to].push_back(number);
      for (uint32_t i = 0; i < nodes; ++i) {
        const uint32_t node = number * nodes + i;
        if (i >= page.points.size()) {
          set_vacant(node);
          continue;
        }
        const CellPlan::Point& point = plan.points()[page.points[i]];
        graph_.node_of_slot[point.page->slot(point.place)] = node;
        std::memcpy(graph_.code_of(node), plan.code(page.points[i]), graph_.code.code_bytes());
      }
    }
  }
  index_.note_changed(std::nullopt, index_.codes_bytes_on_disk());
  for (const uint32_t page : pages.numbers) index_.codes_keeper()->note_page(page);
  for (const uint32_t page : pages.gone) index_.codes_keeper()->note_page(page);
  index_.codes_keeper()->note_cell(cell);
}

}  // namespace roxanne::index
