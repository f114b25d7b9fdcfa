#include "index/disk_updater.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/background.h"
#include "base/status_macros.h"
#include "index/cell_repacker.h"
#include "index/neighbour_search.h"
#include "index/node_remover.h"
#include "index/page_fetcher.h"
#include "index/page_packer.h"
#include "index/place_order.h"

namespace roxanne::index {
namespace {

// Nodes of one piece, where memory allows: more share what is written, but are not found by each
// other's searches, and the next piece is searched for meanwhile. Of the memory, half is for pages,
// an eighth for points that edges are chosen among, an eighth for edges that wait, the rest for
// what searches found.
constexpr size_t kPieceNodes = 256;
constexpr size_t kPieceNodesLeast = 1;
constexpr size_t kPiecePagesLeast = 64;
// A deleted node and its neighbours of the same cell lie on about so many pages.
constexpr size_t kPagesOfRemoved = 5;
constexpr size_t kRemovedTogether = 1024;
// Cells that are packed at once, where there is so much memory.
constexpr size_t kCellsPacked = 2;
constexpr uint64_t kPackBytes = 8u << 20;
// A checkpoint is due when pages that only the last one needs come to one part in so many of the
// file, and to so many at the least.
constexpr uint64_t kRetiredShare = 24;
constexpr uint64_t kRetiredPagesLeast = 1024;
// Of codes that are made anew, a call does so many steps: a twentieth of its time.
constexpr size_t kRefreshSteps = 8;
// Which of a checkpoint's numbers tells what the codebook was made of; those before are the codes
// keeper's.
constexpr size_t kKnownPoints = 3;

}  // namespace

class DiskUpdater::Impl {
 public:
  Impl(DiskIndex& index, base::ThreadPool& pool, const DiskUpdateOptions& options)
      : index_(index),
        graph_(index.graph()),
        store_(index.pages()),
        pool_(pool),
        options_(options),
        pieces_{Piece(graph_), Piece(graph_)},
        order_(graph_),
        editor_(graph_, numbers_, memory_of(options) / 8, memory_of(options) / 8),
        search_(index, {options.search_k, options.search_list_size}),
        fetcher_(graph_, store_, index.cache()),
        remover_(graph_, editor_, fetcher_),
        repacker_(index, fetcher_, numbers_, pool,
                  memory_of(options) < kPackBytes ? 1 : kCellsPacked),
        refresher_(index, fetcher_, pool,
                   {.thread_count = 1 + pool.thread_count(),
                    .pages_most = memory_of(options) / 2 / index.graph().layout.page_bytes,
                    .take_memory = options.take_memory},
                   known_points(index)),
        packer_(index, fetcher_, numbers_,
                memory_of(options) / 2 / index.graph().layout.page_bytes) {
    repacker_.set_refresher(&refresher_);
    const uint64_t bytes = memory_of(options);
    pages_most_ = std::max<size_t>(kPiecePagesLeast, bytes / 2 / graph_.layout.page_bytes);
    const size_t found_bytes =
        GraphEditor::near_most(graph_) * (graph_.layout.row_bytes + sizeof(NearPoints::Point));
    piece_nodes_ = std::clamp<size_t>(bytes / 8 / found_bytes, kPieceNodesLeast, kPieceNodes);
    numbers_.end = graph_.shape.page_count;
    for (uint32_t page = graph_.shape.page_count; page-- > 0;) {
      if (graph_.page_cells[page] == kNoCell) numbers_.free.push_back(page);
    }
  }

  Status apply(const DiskChanges& changes) {
    packer_.stop();
    ROX_RETURN_IF_ERROR(remove_all(changes.removed));
    // At least one piece is done in a call.
    if (!changes.removed.empty() && hands_over()) return Status::ok();
    is_growing_ = graph_.shape.node_count > refresher_.known_points();
    ROX_RETURN_IF_ERROR(add_all(changes.added));
    if (hands_over()) return Status::ok();  // who comes next does the rest
    ROX_RETURN_IF_ERROR(repack_cells());
    for (size_t i = 0; i < kRefreshSteps && has_work(); ++i) ROX_RETURN_IF_ERROR(work_some());
    return Status::ok();
  }

  Status checkpoint(uint64_t log_sequence_number) {
    CodesKeeper& keeper = *index_.codes_keeper();
    auto saved = keeper.save(graph_);
    // A shorter file of codes needs room beside the old one. On a full disk it stays as long as it
    // was: its log takes less.
    if (saved.status().code() == StatusCode::kDiskFull && grow_back()) saved = keeper.save(graph_);
    ROX_ASSIGN_OR_RETURN(const CodesKeeper::OwnerNumbers numbers, std::move(saved));
    storage::CheckpointRecord record{.log_sequence_number = log_sequence_number,
                                     .owner_numbers = numbers};
    record.owner_numbers[kKnownPoints] = refresher_.known_points();
    ROX_RETURN_IF_ERROR(store_.checkpoint(record));
    keeper.adopt();
    index_.note_changed(std::nullopt, keeper.bytes_on_disk());
    ++stats_.checkpoints;
    return Status::ok();
  }

  // Not while codes are made anew: whoever does that counts pages.
  Result<bool> pack_some() {
    if (has_work() || !packer_.is_due()) return false;
    ROX_RETURN_IF_ERROR(packer_.step());
    return true;
  }

  bool shorten_log() {
    CodesKeeper& keeper = *index_.codes_keeper();
    if (has_work() || !keeper.is_log_long()) return false;
    keeper.shorten_log();
    return true;
  }

  Status give_idle_space_back() { return store_.give_idle_space_back(); }

  std::vector<uint32_t> choose(std::span<const NewNode> added, size_t count) {
    return order_.choose(added, count);
  }

  bool has_work() const { return refresher_.is_running() || refresher_.is_due(); }
  Status work_some() {
    packer_.stop();
    return refresher_.step();
  }

  bool is_checkpoint_due() const {
    const storage::PageStoreStats stats = store_.stats();
    return stats.retired_pages > std::max(kRetiredPagesLeast, stats.file_pages / kRetiredShare);
  }

  DiskUpdateStats stats() const {
    DiskUpdateStats stats = stats_;
    stats.reads = search_.counts().reads + fetcher_.reads();
    stats.cache_hits = search_.counts().cache_hits + fetcher_.cache_hits();
    stats.pages_written = store_.stats().pages_written;
    stats.bytes_written = store_.stats().bytes_written + index_.codes_keeper()->bytes_written();
    stats.distance_computations =
        search_.counts().distance_computations + editor_.distance_computations();
    stats.cells_packed = repacker_.cells_packed();
    return stats;
  }

 private:
  static uint64_t memory_of(const DiskUpdateOptions& options) {
    return options.memory_bytes == 0 ? kUpdateBytesWanted
                                     : std::max(kUpdateBytesLeast, options.memory_bytes);
  }
  // That the codebook was made of: as many as a build found, where no checkpoint says.
  static uint64_t known_points(DiskIndex& index) {
    const uint64_t known = index.pages().last_checkpoint().owner_numbers[kKnownPoints];
    return known != 0 ? known : index.graph().shape.node_count;
  }

  // Has as many pages as when codes were saved last; whether it had fewer.
  bool grow_back() {
    const uint32_t end = index_.codes_keeper()->saved_page_count();
    if (numbers_.end >= end) return false;
    packer_.give_up();
    for (uint32_t number = end; number-- > numbers_.end;) numbers_.free.push_back(number);
    numbers_.end = end;
    {
      const std::lock_guard lock(index_.gate());
      graph_.grow(end, 0);
    }
    return true;
  }

  // --- Removing.
  Status remove_all(std::span<const uint32_t> slots) {
    std::vector<uint32_t> there;  // those on a page together
    std::copy_if(slots.begin(), slots.end(), std::back_inserter(there),
                 [this](uint32_t slot) { return graph_.node_of(slot) != kNoNode; });
    if (there.empty()) return Status::ok();
    std::sort(there.begin(), there.end(),
              [this](uint32_t a, uint32_t b) { return graph_.node_of(a) < graph_.node_of(b); });
    there.erase(std::unique(there.begin(), there.end()), there.end());
    const size_t together = std::clamp<size_t>(pages_most_ / kPagesOfRemoved, 1, kRemovedTogether);
    editor_.forget();
    for (size_t first = 0; first < there.size() && (first == 0 || !hands_over());
         first += together) {
      const size_t count = std::min(together, there.size() - first);
      PagesUnderWay& pages = pieces_[0].pages;
      pages.clear();
      editor_.begin(pages);
      ROX_RETURN_IF_ERROR(remover_.remove({there.data() + first, count}, pages));
      ROX_RETURN_IF_ERROR(end_piece(pages));
      stats_.removed += count;
    }
    std::vector<uint32_t> gone;
    std::copy_if(slots.begin(), slots.end(), std::back_inserter(gone),
                 [this](uint32_t slot) { return graph_.node_of(slot) == kNoNode; });
    editor_.forget_waiting(gone);
    pieces_[0].pages.release();  // more than a piece that is put in has
    return Status::ok();
  }

  // --- Adding.

  // New nodes that were searched for, with what was found.
  struct Piece {
    explicit Piece(const DiskGraph& graph) : pages(graph) {}
    PagesUnderWay pages;
    std::vector<NearPoints> near;  // by node
    std::span<const NewNode> nodes;
  };

  // While a piece is edited and written other threads search for the next, and then this one too.
  Status add_all(std::span<const NewNode> added) {
    if (added.empty()) return Status::ok();
    const std::vector<NewNode> nodes = order_.take(added);
    std::span<const NewNode> rest = nodes;
    editor_.forget();
    Piece* piece = &pieces_[0];
    Piece* next = &pieces_[1];
    const size_t threads = thread_count();
    begin_search(rest, *piece);
    pool_.run(threads, [this](size_t) { search_.help(); });
    ROX_RETURN_IF_ERROR(end_search(*piece));
    while (!piece->nodes.empty()) {
      rest = rest.subspan(piece->nodes.size());
      if (hands_over()) rest = {};
      Status edited;
      begin_search(rest, *next);
      pool_.run(rest.empty() ? 1 : threads, [&](size_t lane) {
        if (lane == 0) edited = insert(*piece);
        search_.help();
      });
      const Status searched = end_search(*next);
      ROX_RETURN_IF_ERROR(edited);
      ROX_RETURN_IF_ERROR(searched);
      follow(piece->pages, next->pages);
      std::swap(piece, next);
    }
    return Status::ok();
  }

  size_t thread_count() const { return options_.thread_count ? options_.thread_count() : 1; }
  bool hands_over() const { return options_.hands_over && options_.hands_over(); }

  // For some of the first.
  void begin_search(std::span<const NewNode> nodes, Piece& piece) {
    piece.pages.clear();
    piece.pages.set_room(pages_most_ / 2);
    piece.nodes = nodes.first(std::min(nodes.size(), piece_nodes_));
    search_.begin({piece.nodes, pages_most_ / 2, is_growing_, &piece.pages, &piece.near});
  }

  Status end_search(Piece& piece) {
    ROX_ASSIGN_OR_RETURN(const size_t searched, search_.end());
    piece.nodes = piece.nodes.first(searched);
    return Status::ok();
  }

  Status insert(Piece& piece) {
    editor_.begin(piece.pages);
    piece.pages.set_room(SIZE_MAX);  // what is at hand stays
    const std::vector<uint32_t> more =
        editor_.pages_with_room(piece.nodes, std::span(piece.near).first(piece.nodes.size()));
    ROX_RETURN_IF_ERROR(fetcher_.fetch(more, piece.pages));
    for (size_t i = 0; i < piece.nodes.size(); ++i) {
      editor_.insert(piece.nodes[i], piece.near[i]);
      base::give_way();  // or searches wait until the system takes the processor away
    }
    ROX_RETURN_IF_ERROR(end_piece(piece.pages));
    refresher_.note_points(piece.nodes);
    stats_.added += piece.nodes.size();
    return Status::ok();
  }

  // What was read for the next piece may be of before this one.
  void follow(PagesUnderWay& changed, PagesUnderWay& pages) {
    for (const PageEdit* page : changed.dirty_pages()) {
      const bool is_made = std::find(editor_.made_pages().begin(), editor_.made_pages().end(),
                                     page->number()) != editor_.made_pages().end();
      if (is_made || pages.find(page->number()) != nullptr) pages.take_over(*page);
    }
  }

  // --- A piece, from its pages to what searches see.

  // Nothing is changed where writing fails.
  Status end_piece(PagesUnderWay& pages) {
    editor_.update_links();
    const std::vector<PageEdit*> dirty = pages.dirty_pages();
    std::vector<storage::PageImage> images;
    std::vector<uint32_t> gone;
    for (const PageEdit* page : dirty) {
      if (page->cell() == kNoCell) {
        gone.push_back(page->number());
      } else {
        images.push_back({page->number(), 0, page->taken(), page->bytes()});
      }
    }
    const Status written = index_.write_pages(images);
    if (!written.is_ok()) {
      for (const uint32_t number : editor_.made_pages()) numbers_.free.push_back(number);
      return written;
    }
    count_changes(pages);
    publish(dirty);
    // It fails where no checkpoint will be made any more.
    if (!gone.empty()) ROX_RETURN_IF_ERROR(store_.remove(gone));
    numbers_.free.insert(numbers_.free.end(), gone.begin(), gone.end());
    return Status::ok();
  }

  // Before it is published: where nodes were and will be.
  void count_changes(PagesUnderWay& pages) {
    for (const auto& [slot, node] : editor_.moved()) {
      const uint32_t before = graph_.node_of(slot);
      if (before != kNoNode && node == kNoNode)
        ++cell_changes_[graph_.page_cells[graph_.page_of(before)]];
      if (before == kNoNode && node != kNoNode)
        ++cell_changes_[pages.find(graph_.page_of(node))->cell()];
    }
  }

  void publish(const std::vector<PageEdit*>& dirty) {
    uint32_t slot_end = 0;
    for (const auto& [slot, node] : editor_.moved()) slot_end = std::max(slot_end, slot + 1);
    int64_t more = 0;
    {
      const std::lock_guard lock(index_.gate());
      graph_.grow(numbers_.end, slot_end);
      for (const PageEdit* page : dirty) {
        if (page->has_other_nodes()) publish_page(*page);
      }
      for (const auto& [slot, node] : editor_.moved()) {
        uint32_t& where = graph_.node_of_slot[slot];
        more += (node != kNoNode ? 1 : 0) - (where != kNoNode ? 1 : 0);
        where = node;
      }
      graph_.shape.node_count = static_cast<uint32_t>(graph_.shape.node_count + more);
    }
    for (const PageEdit* page : dirty) {
      if (!page->has_other_nodes()) continue;
      index_.codes_keeper()->note_page(page->number());
      refresher_.note_page(page->number(), page->bytes());
    }
    index_.note_changed(changed_slots(), index_.codes_bytes_on_disk());
  }

  void publish_page(const PageEdit& page) {
    uint32_t& cell = graph_.page_cells[page.number()];
    std::memcpy(graph_.code_of(page.number() * graph_.layout.nodes), page.codes().data(),
                page.codes().size());
    if (cell == page.cell()) return;
    if (cell != kNoCell) {
      std::erase(graph_.cell_pages[cell], page.number());
      --graph_.used_pages;
    }
    if (page.cell() != kNoCell) {
      graph_.cell_pages[page.cell()].push_back(page.number());
      ++graph_.used_pages;
    }
    cell = page.cell();
  }

  LiveSet changed_slots() const {
    LiveSet slots = index_.slots();
    std::vector<uint32_t> here, gone;
    for (const auto& [slot, node] : editor_.moved())
      (node != kNoNode ? here : gone).push_back(slot);
    set_slots(slots, std::move(here), true);
    set_slots(slots, std::move(gone), false);
    return slots;
  }

  // Cells that were changed so much that sorting them anew pays.
  Status repack_cells() {
    std::vector<uint32_t> cells;
    for (const auto& [cell, count] : cell_changes_) {
      repacker_.note_changes(cell, count);
      if (repacker_.is_due(cell)) cells.push_back(cell);
    }
    cell_changes_.clear();
    std::sort(cells.begin(), cells.end());
    return repacker_.repack(cells, thread_count());
  }

  DiskIndex& index_;
  DiskGraph& graph_;  // read here freely: nobody else changes it
  storage::PageStore& store_;
  base::ThreadPool& pool_;
  const DiskUpdateOptions options_;
  size_t pages_most_ = 0;
  size_t piece_nodes_ = 0;
  FreePageNumbers numbers_;
  Piece pieces_[2];
  PlaceOrder order_;
  GraphEditor editor_;
  NeighbourSearch search_;
  PageFetcher fetcher_;
  NodeRemover remover_;
  CellRepacker repacker_;
  GraphRefresher refresher_;
  PagePacker packer_;
  std::unordered_map<uint32_t, uint32_t> cell_changes_;  // points that came or went, in this call
  bool is_growing_ = false;  // there are more points than the codebook was made of
  DiskUpdateStats stats_;
};

DiskUpdater::DiskUpdater(DiskIndex& index, base::ThreadPool& pool, const DiskUpdateOptions& options)
    : impl_(std::make_unique<Impl>(index, pool, options)) {}
DiskUpdater::~DiskUpdater() = default;

Status DiskUpdater::apply(const DiskChanges& changes) { return impl_->apply(changes); }
std::vector<uint32_t> DiskUpdater::choose(std::span<const NewNode> added, size_t count) {
  return impl_->choose(added, count);
}
Status DiskUpdater::checkpoint(uint64_t log_sequence_number) {
  return impl_->checkpoint(log_sequence_number);
}
Result<bool> DiskUpdater::pack_some() { return impl_->pack_some(); }
bool DiskUpdater::shorten_log() { return impl_->shorten_log(); }
Status DiskUpdater::give_idle_space_back() { return impl_->give_idle_space_back(); }
bool DiskUpdater::is_checkpoint_due() const { return impl_->is_checkpoint_due(); }
bool DiskUpdater::has_work() const { return impl_->has_work(); }
Status DiskUpdater::work_some() { return impl_->work_some(); }
DiskUpdateStats DiskUpdater::stats() const { return impl_->stats(); }

}  // namespace roxanne::index
