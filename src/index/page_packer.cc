#include "index/page_packer.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {

// It pays when one number in so many is free, or one place in the file.
constexpr uint32_t kFreeShare = 4;
// A file that is longer by less is left alone.
constexpr uint32_t kFreePlacesLeast = 64;
// Searches that are under way read pages as they were when they began, and pass over a number that
// was free then. So a step moves one page in so many, and bounds for what a search may miss.
constexpr size_t kStepShare = 64;
constexpr size_t kStepPagesLeast = 8;
constexpr size_t kStepPagesMost = 256;

}  // namespace

PagePacker::PagePacker(DiskIndex& index, PageFetcher& fetcher, FreePageNumbers& numbers,
                       size_t pages_most)
    : index_(index),
      graph_(index.graph()),
      fetcher_(fetcher),
      numbers_(numbers),
      pages_most_(std::max<size_t>(1, pages_most)),
      pages_(index.graph()) {}

bool PagePacker::has_free_numbers() const {
  const uint32_t numbers = graph_.shape.page_count;
  return !keeps_numbers_ && graph_.used_pages > 0 &&
         numbers - graph_.used_pages >= std::max(1u, numbers / kFreeShare);
}

bool PagePacker::has_free_places() const {
  const storage::PageStoreStats stats = index_.pages().stats();
  return !keeps_places_ && stats.free_pages >= kFreePlacesLeast &&
         stats.free_pages >= stats.file_pages / kFreeShare;
}

bool PagePacker::is_due() const {
  return phase_ != Phase::kNone || has_free_numbers() || has_free_places();
}

Status PagePacker::step() {
  if (phase_ == Phase::kNone && has_free_numbers()) {
    phase_ = Phase::kNumbers;
    end_ = graph_.shape.page_count;
    std::sort(numbers_.free.begin(), numbers_.free.end(), std::greater<>());  // lowest last
  } else if (phase_ == Phase::kNone) {
    phase_ = Phase::kPlaces;
    next_page_ = 0;
    const storage::PageStoreStats stats = index_.pages().stats();
    places_end_ = static_cast<uint32_t>(stats.file_pages - stats.free_pages);
  }
  const Status done = phase_ == Phase::kNumbers ? step_numbers() : step_places();
  if (!done.is_ok()) give_up();
  return done;
}

void PagePacker::stop() {
  end_phase();
  keeps_numbers_ = false;
  keeps_places_ = false;
}

void PagePacker::give_up() {
  end_phase();
  keeps_numbers_ = true;
  keeps_places_ = true;
}

void PagePacker::end_phase() {
  phase_ = Phase::kNone;
  numbers_.free.insert(numbers_.free.end(), left_.begin(), left_.end());
  left_.clear();
  pages_.release();
}

size_t PagePacker::pages_of_step() const {
  return std::min(pages_most_, std::clamp<size_t>(graph_.used_pages / kStepShare, kStepPagesLeast,
                                                  kStepPagesMost));
}

Status PagePacker::step_numbers() {
  const std::vector<Move> moves = choose_moves();
  if (moves.empty()) {
    shrink();
    return Status::ok();
  }
  const Status written = write(moves);
  if (!written.is_ok()) {
    for (const Move& move : moves) numbers_.free.push_back(move.to);
    return written;
  }
  publish(moves);
  end_ = moves.back().from;
  for (const Move& move : moves) left_.push_back(move.from);
  // Only now: searches that began before go by the old numbers. It fails where no checkpoint will
  // be made any more.
  std::vector<uint32_t> gone(left_.end() - static_cast<ptrdiff_t>(moves.size()), left_.end());
  std::reverse(gone.begin(), gone.end());
  return index_.pages().remove(gone);
}

// The highest pages, to the lowest numbers; takes these.
std::vector<PagePacker::Move> PagePacker::choose_moves() {
  std::vector<Move> moves;
  uint32_t from = end_;
  while (moves.size() < pages_of_step() && !numbers_.free.empty()) {
    while (from > 0 && graph_.page_cells[from - 1] == kNoCell) --from;
    if (from == 0 || numbers_.free.back() >= from) break;
    moves.push_back({--from, numbers_.free.back()});
    numbers_.free.pop_back();
  }
  return moves;
}

Status PagePacker::write(const std::vector<Move>& moves) {
  std::vector<uint32_t> from;
  for (const Move& move : moves) from.push_back(move.from);
  pages_.clear();
  ROX_RETURN_IF_ERROR(fetcher_.fetch(from, pages_));
  std::vector<storage::PageImage> images;
  for (const Move& move : moves) {
    const PageEdit& page = *pages_.find(move.from);
    images.push_back({move.to, 0, page.taken(), page.bytes()});
  }
  return index_.write_pages(images, from);
}

void PagePacker::publish(const std::vector<Move>& moves) {
  const NodePageLayout& layout = graph_.layout;
  const size_t codes_bytes = layout.nodes * graph_.code.code_bytes();
  {
    const std::lock_guard lock(index_.gate());
    for (const Move& move : moves) {
      const PageEdit& page = *pages_.find(move.from);
      const uint32_t cell = graph_.page_cells[move.from];
      auto& numbers = graph_.cell_pages[cell];
      *std::find(numbers.begin(), numbers.end(), move.from) = move.to;
      graph_.page_cells[move.to] = cell;
      graph_.page_cells[move.from] = kNoCell;
      uint8_t* const codes = graph_.code_of(move.from * layout.nodes);
      std::memcpy(graph_.code_of(move.to * layout.nodes), codes, codes_bytes);
      for (uint32_t place = 0; place < layout.nodes; ++place) {
        graph_.code.set_vacant(graph_.code_of(move.from * layout.nodes + place));
        if (page.has(place)) {
          graph_.node_of_slot[page.slot(place)] = move.to * layout.nodes + place;
        }
      }
    }
  }
  for (const Move& move : moves) {
    index_.codes_keeper()->note_page(move.from);
    index_.codes_keeper()->note_page(move.to);
  }
}

void PagePacker::shrink() {
  uint32_t end = end_;
  while (end > 1 && graph_.page_cells[end - 1] == kNoCell) --end;
  {
    const std::lock_guard lock(index_.gate());
    graph_.shrink(end);
  }
  numbers_.end = end;
  std::erase_if(numbers_.free, [&](uint32_t number) { return number >= end; });
  left_.clear();
  end_phase();
  keeps_numbers_ = has_free_numbers();  // it does not, or would try for ever
  index_.note_changed(std::nullopt, index_.codes_bytes_on_disk());
}

// One by one: a page alone gets the first free place there is, many together a run of places.
Status PagePacker::step_places() {
  const storage::PageSnapshot map = index_.pages().snapshot();
  std::vector<uint32_t> far;
  for (; next_page_ < graph_.shape.page_count && far.size() < pages_of_step(); ++next_page_) {
    const uint32_t place = map->physical_page(next_page_);
    if (place != storage::kNoPage && place >= places_end_) far.push_back(next_page_);
  }
  if (far.empty()) {
    end_phase();
    keeps_places_ = true;
    return Status::ok();
  }
  pages_.clear();
  ROX_RETURN_IF_ERROR(fetcher_.fetch(far, pages_));
  for (const uint32_t number : far) {
    const PageEdit& page = *pages_.find(number);
    const storage::PageImage image{number, 0, page.taken(), page.bytes()};
    ROX_RETURN_IF_ERROR(index_.write_pages({&image, 1}));
    if (index_.pages().snapshot()->physical_page(number) < map->physical_page(number)) continue;
    give_up();  // no room in front any more
    break;
  }
  return Status::ok();
}

}  // namespace roxanne::index
