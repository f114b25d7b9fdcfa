#include "index/disk_updater.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "index/cell_repacker.h"
#include "index/page_fetcher.h"

namespace roxanne::index {
namespace {

// Nodes of one piece, where memory allows. Of the memory, half is for pages, a quarter for points
// as floats, the rest for what searches found: so much a node.
constexpr size_t kPieceNodes = 1024;
constexpr size_t kPieceNodesLeast = 32;
constexpr size_t kPiecePagesLeast = 64;
constexpr uint64_t kFoundBytes = 6144;
// A new node is near the points of few cells, and what is near those is near enough.
constexpr size_t kScanCodes = 1000;
constexpr float kExpandMargin = 0.08f;
// A deleted node and its neighbours lie on about so many pages.
constexpr size_t kPagesOfRemoved = 14;
// A checkpoint is due when pages that only the last one needs come to one part in so many of the
// file, and to so many at the least.
constexpr uint64_t kRetiredShare = 24;
constexpr uint64_t kRetiredPagesLeast = 1024;
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
        pages_(graph_),
        editor_(graph_, pages_, numbers_, memory_of(options) / 4),
        fetcher_(graph_, store_, index.cache()),
        repacker_(index, fetcher_, numbers_),
        refresher_(index, fetcher_, pool,
                   {.thread_count = options.thread_count,
                    .pages_most = memory_of(options) / 2 / index.graph().layout.page_bytes,
                    .take_memory = options.take_memory},
                   known_points(index)) {
    repacker_.set_refresher(&refresher_);
    const uint64_t bytes = memory_of(options);
    pages_most_ = std::max<size_t>(kPiecePagesLeast, bytes / 2 / graph_.layout.page_bytes);
    piece_nodes_ = std::clamp<size_t>(bytes / 4 / kFoundBytes, kPieceNodesLeast, kPieceNodes);
    numbers_.end = graph_.shape.page_count;
    for (uint32_t page = graph_.shape.page_count; page-- > 0;) {
      if (graph_.page_cells[page] == kNoCell) numbers_.free.push_back(page);
    }
  }

  Status apply(const DiskChanges& changes) {
    ROX_RETURN_IF_ERROR(remove_all(changes.removed));
    return add_all(changes.added);
  }

  Status checkpoint(uint64_t log_sequence_number) {
    CodesKeeper& keeper = *index_.codes_keeper();
    ROX_ASSIGN_OR_RETURN(const CodesKeeper::OwnerNumbers numbers, keeper.save(graph_));
    storage::CheckpointRecord record{.log_sequence_number = log_sequence_number,
                                     .owner_numbers = numbers};
    record.owner_numbers[kKnownPoints] = refresher_.known_points();
    ROX_RETURN_IF_ERROR(store_.checkpoint(record));
    keeper.adopt();
    index_.note_changed(std::nullopt, keeper.bytes_on_disk());
    ++stats_.checkpoints;
    return Status::ok();
  }

  Status give_idle_space_back() { return store_.give_idle_space_back(); }

  // From where the last choice ended on, all around.
  std::vector<uint32_t> choose(std::span<const NewNode> added, size_t count) {
    if (cell_of_.size() > 4 * added.size() + kPieceNodes)
      cell_of_.clear();  // of slots that are gone
    std::vector<Keyed> order = keyed(added);
    const auto from = std::find_if(order.begin(), order.end(), [&](const Keyed& one) {
      return std::tie(one.group, one.cell) > std::tie(last_chosen_.group, last_chosen_.cell);
    });
    std::rotate(order.begin(), from, order.end());
    std::vector<uint32_t> chosen;
    for (size_t i = 0; i < std::min(count, order.size()); ++i) chosen.push_back(order[i].index);
    if (!chosen.empty()) last_chosen_ = order[chosen.size() - 1];
    return chosen;
  }

  bool has_work() const { return refresher_.is_running() || refresher_.is_due(); }
  Status work_some() { return refresher_.step(); }

  bool is_checkpoint_due() const {
    const storage::PageStoreStats stats = store_.stats();
    return stats.retired_pages > std::max(kRetiredPagesLeast, stats.file_pages / kRetiredShare);
  }

  DiskUpdateStats stats() const {
    DiskUpdateStats stats = stats_;
    stats.reads = search_reads_ + fetcher_.reads();
    stats.cache_hits = search_hits_ + fetcher_.cache_hits();
    stats.pages_written = store_.stats().pages_written;
    stats.bytes_written = store_.stats().bytes_written + index_.codes_keeper()->bytes_written();
    stats.distance_computations += editor_.distance_computations();
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

  // --- Removing.
  Status remove_all(std::span<const uint32_t> slots) {
    std::vector<std::pair<uint32_t, uint32_t>> nodes;  // and slots: those on a page together
    for (const uint32_t slot : slots) {
      const uint32_t node = graph_.node_of(slot);
      if (node != kNoNode) nodes.push_back({node, slot});
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    const size_t together = std::clamp<size_t>(pages_most_ / kPagesOfRemoved, 1, piece_nodes_);
    for (size_t first = 0; first < nodes.size(); first += together) {
      const size_t count = std::min(together, nodes.size() - first);
      begin_piece();
      ROX_RETURN_IF_ERROR(remove_piece({nodes.data() + first, count}));
      ROX_RETURN_IF_ERROR(end_piece());
      stats_.removed += count;
    }
    return Status::ok();
  }

  Status remove_piece(std::span<const std::pair<uint32_t, uint32_t>> nodes) {
    std::vector<uint32_t> numbers;
    // Pieces before may have moved them.
    for (const auto& [node, slot] : nodes) numbers.push_back(editor_.page_of(slot));
    ROX_RETURN_IF_ERROR(fetch(numbers));
    for (const auto& [node, slot] : nodes) {
      for (const uint32_t neighbour : editor_.neighbours_of(slot)) {
        numbers.push_back(editor_.page_of(neighbour));
      }
    }
    ROX_RETURN_IF_ERROR(fetch(numbers));
    for (const auto& [node, slot] : nodes) editor_.remove(slot);
    return merge_thinned();
  }

  Status fetch(std::vector<uint32_t>& numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return fetcher_.fetch(numbers, pages_);
  }

  // Pages with few nodes give them to others of their cell, and go.
  Status merge_thinned() {
    std::vector<uint32_t> thinned = editor_.thinned_pages();
    std::sort(thinned.begin(), thinned.end());
    thinned.erase(std::unique(thinned.begin(), thinned.end()), thinned.end());
    const uint32_t few = std::max(1u, graph_.layout.nodes / 3);
    for (const uint32_t number : thinned) {
      PageEdit& page = *pages_.find(number);
      if (page.count() > few) continue;
      if (page.count() > 0) {
        const uint32_t partner = partner_of(page);
        if (partner == kNoCell) continue;
        ROX_RETURN_IF_ERROR(fetcher_.fetch({&partner, 1}, pages_));
        editor_.merge(page, *pages_.find(partner));
      }
      page.set_cell(kNoCell);
    }
    return Status::ok();
  }

  uint32_t count_of(uint32_t number) {
    if (PageEdit* const page = pages_.find(number); page != nullptr) return page->count();
    uint32_t count = 0;
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      count += graph_.is_vacant(number * graph_.layout.nodes + place) ? 0 : 1;
    }
    return count;
  }

  // The fullest page of the cell that has room for all of a page's nodes; kNoCell where none has.
  uint32_t partner_of(const PageEdit& page) {
    uint32_t best = kNoCell;
    uint32_t best_count = 0;
    for (const uint32_t number : graph_.cell_pages[page.cell()]) {
      if (number == page.number()) continue;
      const PageEdit* const other = pages_.find(number);
      if (other != nullptr && other->cell() != page.cell()) continue;
      const uint32_t count = count_of(number);
      if (count + page.count() > graph_.layout.nodes || count <= best_count) continue;
      best = number;
      best_count = count;
    }
    return best;
  }

  // --- Adding.
  Status add_all(std::span<const NewNode> added) {
    std::vector<NewNode> nodes = by_place(added);
    for (size_t first = 0; first < nodes.size();) {
      begin_piece();
      std::span<const NewNode> rest(nodes.data() + first, nodes.size() - first);
      ROX_ASSIGN_OR_RETURN(const size_t searched,
                           search(rest.first(std::min(rest.size(), piece_nodes_))));
      for (size_t i = 0; i < searched; ++i) editor_.insert(rest[i], near_[i]);
      ROX_RETURN_IF_ERROR(end_piece());
      first += searched;
      stats_.added += searched;
    }
    return Status::ok();
  }

  // Those that go to the same cell together: they share pages.
  std::vector<NewNode> by_place(std::span<const NewNode> added) {
    std::vector<NewNode> sorted;
    for (const Keyed& one : keyed(added)) {
      sorted.push_back(added[one.index]);
      cell_of_.erase(added[one.index].slot);
    }
    return sorted;
  }

  // By cell, and cells by group.
  struct Keyed {
    uint32_t group;
    uint32_t cell;
    uint32_t index;
    bool operator<(const Keyed& other) const {
      return std::tie(group, cell, index) < std::tie(other.group, other.cell, other.index);
    }
  };
  std::vector<Keyed> keyed(std::span<const NewNode> added) {
    std::vector<Keyed> order;
    const CollectionOptions& options = graph_.shape.options;
    std::vector<float> place(options.dim);
    Cells::Scratch scratch;
    std::vector<NearCell> nearest;
    for (uint32_t i = 0; i < added.size(); ++i) {
      const auto [known, is_new] = cell_of_.try_emplace(added[i].slot, 0);
      if (is_new) {
        graph_.space.map_rows(VectorView(options.type, added[i].row, options.dim), place.data(),
                              nullptr);
        graph_.cells.nearest(place.data(), 1, scratch, nearest);
        known->second = nearest.empty() ? 0 : nearest.front().cell;
      }
      order.push_back({graph_.cells.group_of(known->second), known->second, i});
    }
    std::sort(order.begin(), order.end());
    return order;
  }

  // Searches for nodes, several at a time, until enough pages are held; fills near_ of the first so
  // many, which are returned.
  Result<size_t> search(std::span<const NewNode> nodes) {
    if (near_.size() < nodes.size()) near_.resize(nodes.size());
    std::vector<std::function<void(uint32_t, const std::byte*, const float*)>> hear(nodes.size());
    const storage::PageSnapshot snapshot = store_.snapshot();
    std::atomic<size_t> next_node{0};
    std::mutex mutex;  // guards what follows
    Status status;
    DiskLane::RunOptions run_options;
    run_options.held = [&](uint32_t page, std::span<std::byte> out) {
      return pages_.copy(page, out);
    };
    const auto run_lane = [&](size_t) {
      auto lane = index_.take_lane();
      const auto next = [&]() -> std::optional<DiskQuery::Request> {
        if (next_node > 0 && pages_.count() >= pages_most_) return std::nullopt;
        const size_t i = next_node++;
        if (i >= nodes.size()) return std::nullopt;
        near_[i].clear();
        hear[i] = [this, i](uint32_t page, const std::byte* bytes, const float* distances) {
          note_page(page, bytes, distances, near_[i]);
        };
        return DiskQuery::Request{.query = nodes[i].row,
                                  .k = options_.search_k,
                                  .search_list_size = options_.search_list_size,
                                  .on_page = &hear[i],
                                  .scan_codes = kScanCodes,
                                  .expand_margin = kExpandMargin};
      };
      const auto done = [&](size_t, DiskOutcome outcome) {
        const std::lock_guard lock(mutex);
        search_reads_ += outcome.stats.reads;
        search_hits_ += outcome.stats.cache_hits;
        stats_.distance_computations += outcome.stats.distance_computations;
        if (status.is_ok()) status = outcome.status;
      };
      const Status ran = lane->run(snapshot, run_options, next, done);
      if (ran.is_ok()) index_.give_back(std::move(lane));
      const std::lock_guard lock(mutex);
      if (status.is_ok()) status = ran;
    };
    pool_.run(std::min(options_.thread_count, nodes.size()), run_lane);
    ROX_RETURN_IF_ERROR(status);
    return std::min<size_t>(next_node, nodes.size());
  }

  void note_page(uint32_t page, const std::byte* bytes, const float* distances,
                 std::vector<NearPoint>& near) {
    pages_.keep(page, bytes);
    const uint64_t taken = storage::load_page_header(bytes).record_bitmap;
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (((taken >> place) & 1) == 0) continue;
      near.push_back({distances[place], graph_.layout.slot(bytes, place)});
    }
  }

  // --- A piece, from its pages to what searches see.
  void begin_piece() {
    pages_.clear();
    editor_.clear();
  }

  // Nothing is changed where it fails.
  Status end_piece() {
    const std::vector<PageEdit*> dirty = pages_.dirty_pages();
    std::vector<storage::PageImage> images;
    std::vector<uint32_t> gone;
    for (const PageEdit* page : dirty) {
      if (page->cell() == kNoCell) {
        gone.push_back(page->number());
      } else {
        images.push_back({page->number(), 0, page->taken(), page->bytes()});
      }
    }
    const Status written = index_.write_pages(images, gone);
    if (!written.is_ok()) {
      for (const uint32_t number : editor_.made_pages()) numbers_.free.push_back(number);
      return written;
    }
    count_changes();
    publish(dirty);
    for (const uint32_t number : gone) numbers_.free.push_back(number);
    return repack_cells();
  }

  // Before it is published: where nodes were and will be.
  void count_changes() {
    for (const auto& [slot, node] : editor_.moved()) {
      const uint32_t before = graph_.node_of(slot);
      if (before != kNoNode && node == kNoNode)
        ++cell_changes_[graph_.page_cells[graph_.page_of(before)]];
      if (before == kNoNode && node != kNoNode)
        ++cell_changes_[pages_.find(graph_.page_of(node))->cell()];
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
    if (cell != kNoCell) std::erase(graph_.cell_pages[cell], page.number());
    if (page.cell() != kNoCell) graph_.cell_pages[page.cell()].push_back(page.number());
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

  // Cells that the piece changed so much that sorting them anew pays.
  Status repack_cells() {
    std::vector<uint32_t> cells;
    for (const auto& [cell, count] : cell_changes_) {
      repacker_.note_changes(cell, count);
      if (repacker_.is_due(cell)) cells.push_back(cell);
    }
    cell_changes_.clear();
    std::sort(cells.begin(), cells.end());
    for (const uint32_t cell : cells) ROX_RETURN_IF_ERROR(repacker_.repack(cell));
    return has_work() ? work_some() : Status::ok();
  }

  DiskIndex& index_;
  DiskGraph& graph_;  // read here freely: nobody else changes it
  storage::PageStore& store_;
  base::ThreadPool& pool_;
  const DiskUpdateOptions options_;
  size_t pages_most_ = 0;
  size_t piece_nodes_ = 0;
  FreePageNumbers numbers_;
  PagesUnderWay pages_;
  GraphEditor editor_;
  PageFetcher fetcher_;
  CellRepacker repacker_;
  GraphRefresher refresher_;
  std::unordered_map<uint32_t, uint32_t> cell_changes_;  // points that came or went, in the piece
  std::unordered_map<uint32_t, uint32_t> cell_of_;       // the nearest one, of slots that wait
  Keyed last_chosen_{};
  std::vector<std::vector<NearPoint>> near_;  // by node of the piece
  DiskUpdateStats stats_;
  uint64_t search_reads_ = 0;
  uint64_t search_hits_ = 0;
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
Status DiskUpdater::give_idle_space_back() { return impl_->give_idle_space_back(); }
bool DiskUpdater::is_checkpoint_due() const { return impl_->is_checkpoint_due(); }
bool DiskUpdater::has_work() const { return impl_->has_work(); }
Status DiskUpdater::work_some() { return impl_->work_some(); }
DiskUpdateStats DiskUpdater::stats() const { return impl_->stats(); }

}  // namespace roxanne::index
