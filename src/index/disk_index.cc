#include "index/disk_index.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/deadline.h"
#include "base/status_macros.h"
#include "index/disk_check.h"
#include "index/disk_codes_file.h"

namespace roxanne::index {
namespace {

// A query with a long list knows many points, and computes more than it waits: fewer are kept under
// way then, at least two.
size_t places_for(size_t list_share) {
  constexpr size_t kUsualShare = 8;  // search_list_size / k
  if (list_share <= kUsualShare) return DiskLane::kQueriesMax;
  return std::max<size_t>(2, DiskLane::kQueriesMax * kUsualShare / list_share);
}

// Pages that are read in one call where all are read.
constexpr uint32_t kPagesTogether = 256;

}  // namespace

DiskIndex::DiskIndex(std::unique_ptr<DiskGraph> graph, std::unique_ptr<storage::PageStore> pages,
                     uint64_t codes_file_bytes)
    : graph_(std::move(graph)),
      pages_(std::move(pages)),
      cache_(graph_->layout.page_bytes),
      codes_file_bytes_(codes_file_bytes) {
  std::vector<uint32_t> slots;
  for (uint32_t slot = 0; slot < graph_->node_of_slot.size(); ++slot) {
    if (graph_->node_of_slot[slot] != kNoNode) slots.push_back(slot);
  }
  note_changed(set_of_slots(slots), codes_file_bytes);
}

DiskIndex::~DiskIndex() = default;

Result<std::unique_ptr<DiskIndex>> DiskIndex::open(storage::FileSystem& file_system,
                                                   const DiskPaths& paths,
                                                   const CollectionOptions& options,
                                                   const DiskOpenOptions& open_options) {
  // Pages first: their checkpoint says which codes belong to them.
  ROX_ASSIGN_OR_RETURN(auto pages, storage::PageStore::open(
                                       file_system, paths.pages,
                                       {.read_only = open_options.read_only,
                                        .is_unread_elsewhere = open_options.is_unread_elsewhere}));
  ROX_ASSIGN_OR_RETURN(
      CodesKeeper::Opened codes,
      CodesKeeper::open(file_system, paths, options, pages->last_checkpoint(),
                        {.read_only = open_options.read_only,
                         .is_unread_elsewhere = open_options.is_unread_elsewhere}));
  if (pages->page_bytes() != codes.graph->layout.page_bytes ||
      pages->snapshot()->logical_page_count() > codes.graph->shape.page_count) {
    return Status::corruption(paths.pages + ": not the pages that " + paths.codes +
                              " was made for");
  }
  const uint64_t codes_bytes = codes.keeper->bytes_on_disk();
  auto index = std::make_unique<DiskIndex>(std::move(codes.graph), std::move(pages), codes_bytes);
  index->keep_codes(std::move(codes.keeper));
  return index;
}

LiveSet DiskIndex::slots() const {
  const std::lock_guard lock(facts_mutex_);
  return slots_;
}

DiskIndex::Facts DiskIndex::facts() const {
  const std::lock_guard lock(facts_mutex_);
  return facts_;
}

Status DiskIndex::write_pages(std::span<const storage::PageImage> images,
                              std::span<const uint32_t> moved_from) {
  const storage::PageSnapshot old = pages_->snapshot();
  if (cache_.bytes() == 0) return pages_->write(images);
  const auto for_each_move = [&](const storage::PageMap& next, const auto& move) {
    for (size_t i = 0; i < images.size(); ++i) {
      const storage::PageImage& image = images[i];
      const uint32_t before = moved_from.empty() ? image.logical_page : moved_from[i];
      move(old->physical_page(before), next.physical_page(image.logical_page),
           std::span<const std::byte>(image.bytes, graph_->layout.page_bytes));
    }
  };
  // Before searches see the new places: else they would wait for the disk, for what was in memory.
  ROX_RETURN_IF_ERROR(pages_->write(images, [&](const storage::PageMap& next) {
    for_each_move(next, [&](auto... move) { cache_.begin_move(move...); });
  }));
  for_each_move(*pages_->snapshot(), [&](auto... move) { cache_.end_move(move...); });
  return Status::ok();
}

void DiskIndex::note_changed(std::optional<LiveSet> slots, uint64_t codes_file_bytes) {
  codes_file_bytes_ = codes_file_bytes;
  const Facts facts{graph_->shape.node_count, graph_->list_sizes, bytes_of(*graph_)};
  const std::lock_guard lock(facts_mutex_);
  facts_ = facts;
  if (slots.has_value()) slots_ = *std::move(slots);
}

uint64_t DiskIndex::page_bytes_on_disk() const {
  const Result<uint64_t> bytes = pages_->file_bytes();
  return bytes.is_ok() ? *bytes : 0;
}

uint64_t DiskIndex::cache_bytes_for_all() const {
  return cache_.bytes_of(page_bytes_on_disk() / graph_->layout.page_bytes);
}

DiskMemory DiskIndex::memory() const {
  const DiskGraphBytes graph = facts().bytes;
  DiskMemory memory;
  memory.codes = graph.codes;
  memory.cells = graph.cells;
  memory.page_map = pages_->stats().memory_bytes;
  memory.slots = graph.slots + slots().chunk_count() * (sizeof(LiveChunk) + 32);
  std::lock_guard lock(lanes_mutex_);
  memory.search_buffers = lane_bytes_;
  return memory;
}

uint64_t DiskIndex::lane_bytes() const {
  return DiskLane::bytes_of(graph_->layout.page_bytes, graph_->shape.code.query_bytes());
}

std::unique_ptr<DiskLane> DiskIndex::take_lane() {
  {
    std::lock_guard lock(lanes_mutex_);
    if (!idle_lanes_.empty()) {
      auto lane = std::move(idle_lanes_.back());
      idle_lanes_.pop_back();
      lane_bytes_ -= lane->bytes();
      return lane;
    }
  }
  return std::make_unique<DiskLane>(*graph_, gate_, *pages_, cache_);
}

void DiskIndex::give_back(std::unique_ptr<DiskLane> lane) {
  std::lock_guard lock(lanes_mutex_);
  if (idle_lanes_.size() >= lanes_kept_) return;
  lane_bytes_ += lane->bytes();
  idle_lanes_.push_back(std::move(lane));
}

std::vector<DiskOutcome> DiskIndex::search(MatrixView queries, const LiveSet& live,
                                           base::ThreadPool& pool,
                                           const DiskSearchOptions& options) {
  const size_t k = std::clamp<size_t>(options.k, 1, std::max<uint64_t>(1, node_count()));
  const size_t wanted = options.search_list_size != 0 ? options.search_list_size
                                                      : facts().list_sizes.for_k(options.k);
  const size_t size = std::max(wanted, options.k);
  std::vector<DiskOutcome> outcomes(queries.rows());
  // The filters outlive the queries that use them.
  std::vector<std::function<bool(uint32_t)>> accepts(queries.rows());
  std::atomic<size_t> next_query{0};
  const DiskLane::RunOptions run_options{
      .places = places_for(size / k), .held = {}, .deadline = options.deadline};
  const size_t lane_count = std::max<size_t>(1, std::min(options.thread_count, queries.rows()));
  std::vector<Status> statuses(lane_count);
  pool.run(lane_count, [&](size_t lane_number) {
    std::vector<size_t> taken;  // query by the lane's number for it
    auto lane = take_lane();
    const auto next = [&]() -> std::optional<DiskQuery::Request> {
      size_t q = next_query++;
      for (; q < queries.rows() && base::has_passed(options.deadline); q = next_query++) {
        outcomes[q].status = base::check_deadline(options.deadline);
        outcomes[q].stats.queries = 1;
      }
      if (q >= queries.rows()) return std::nullopt;
      taken.push_back(q);
      const uint32_t without = options.without == nullptr ? UINT32_MAX : options.without[q];
      accepts[q] = [&live, without](uint32_t slot) {
        return slot != without && live.contains(slot);
      };
      return DiskQuery::Request{
          .query = queries.row(q), .k = k, .search_list_size = size, .accepts = &accepts[q]};
    };
    const auto done = [&](size_t number, DiskOutcome outcome) {
      outcome.stats.search_list_size_used = size;
      outcomes[taken[number]] = std::move(outcome);
    };
    statuses[lane_number] = lane->run(run_options, next, done);
    // Else the ring is of no use any more; its reads are waited for before the buffers go.
    if (statuses[lane_number].is_ok()) give_back(std::move(lane));
  });
  // Queries under way on a ring that failed, and those that nobody was left to take.
  for (const Status& status : statuses) {
    if (status.is_ok()) continue;
    for (DiskOutcome& outcome : outcomes) {
      if (outcome.stats.queries == 0) outcome.status = status;
    }
  }
  return outcomes;
}

void DiskIndex::visit_pages(const VisitPage& visit, const Damaged& damaged) const {
  const size_t page_bytes = graph_->layout.page_bytes;
  const storage::PageSnapshot snapshot = pages_->snapshot();
  const uint32_t page_count = snapshot->logical_page_count();
  base::AlignedBuffer buffer(kPagesTogether * page_bytes);
  for (uint32_t first = 0; first < page_count;) {
    const uint64_t offset = pages_->offset_of(*snapshot, first);
    uint32_t count = 1;
    if (offset == 0) {  // no such page
      ++first;
      continue;
    }
    while (count < kPagesTogether && first + count < page_count &&
           pages_->offset_of(*snapshot, first + count) == offset + count * page_bytes) {
      ++count;
    }
    const auto bytes = buffer.span().first(count * page_bytes);
    const Result<size_t> got = pages_->direct_file().read(offset, bytes);
    for (uint32_t i = 0; i < count; ++i) {
      const auto page = bytes.subspan(i * page_bytes, page_bytes);
      Status checked = got.status();
      if (checked.is_ok()) checked = pages_->check_page(first + i, page);
      if (checked.is_ok()) {
        visit(first + i, page.data());
      } else if (!damaged(checked)) {
        return;
      }
    }
    first += count;
  }
}

Status DiskIndex::read_edges(std::span<const uint32_t> slots, graph::Adjacency& edges) const {
  const NodePageLayout& layout = graph_->layout;
  Status status;
  const auto damaged = [&](const Status& found) {
    status = found;
    return false;
  };
  const auto number_of = [&](uint32_t slot) {
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot);
    return at == slots.end() || *at != slot ? kNoNode : static_cast<uint32_t>(at - slots.begin());
  };
  std::vector<uint32_t> targets;
  const auto link = [&](uint32_t, const std::byte* bytes) {
    const uint64_t taken = storage::load_page_header(bytes).record_bitmap;
    for (uint32_t place = 0; place < layout.nodes; ++place) {
      if (((taken >> place) & 1) == 0) continue;
      const uint32_t source = number_of(layout.slot(bytes, place));
      if (source == kNoNode) continue;
      targets.clear();
      for (size_t i = 0; i < layout.max_degree; ++i) {
        const uint32_t target = number_of(layout.neighbours(bytes, place)[i]);
        if (target != kNoNode) targets.push_back(target);
      }
      edges.set(source, targets);
    }
  };
  visit_pages(link, damaged);
  return status;
}

void DiskIndex::verify(const RowOf& row_of, const TagOf& tag_of, const Damaged& damaged) const {
  DiskCheck(*this, row_of, tag_of, damaged).run();
}

}  // namespace roxanne::index
