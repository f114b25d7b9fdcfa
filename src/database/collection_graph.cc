// The graph of a collection as its versions see it: loaded, put in force, changed, let go of.
#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/graph_build_memory.h"
#include "database/graph_maintainer.h"

namespace roxanne::database {
namespace {

// A collection that shrinks keeps its graph until it is this much smaller than one that gets one.
constexpr uint64_t kShrinkFactor = 2;

std::vector<size_t> chunks_of(std::span<const uint32_t> slots, std::span<const uint32_t> others) {
  std::vector<size_t> chunks;
  for (const auto& some : {slots, others}) {
    for (const uint32_t slot : some) {
      const size_t chunk = slot / index::kLiveChunkSlots;
      if (chunks.empty() || chunks.back() != chunk) chunks.push_back(chunk);
    }
  }
  std::sort(chunks.begin(), chunks.end());
  chunks.erase(std::unique(chunks.begin(), chunks.end()), chunks.end());
  return chunks;
}

}  // namespace

bool CollectionImpl::is_worth_a_graph(uint64_t points) const {
  return points > 0 && points >= database_->index_points_min() / kShrinkFactor;
}

bool CollectionImpl::lacks_points_for_its_graph() const {
  const std::shared_ptr<const Version> version = this->version();
  return version != nullptr && graph_record().has_value() && changes_since_open() > 0 &&
         !is_worth_a_graph(version->live.count());
}

GraphRules CollectionImpl::rules() const {
  return {.index_points_min = database_->index_points_min(),
          .row_bytes = row_bytes(),
          .tail = tail_limits(row_bytes(), database_->budget().limit())};
}

GraphLag CollectionImpl::lag() const {
  const std::shared_ptr<const Version> version = this->version();
  return version == nullptr ? GraphLag() : lag_of(*version);
}

std::optional<schema::GraphRecord> CollectionImpl::graph_record() const {
  std::lock_guard lock(mutex_);
  return graph_record_;
}

void CollectionImpl::set_graph_record(const schema::GraphRecord& record) {
  std::lock_guard lock(mutex_);
  graph_record_ = record;
  last_graph_number_ = std::max(last_graph_number_, record.file_number);
}

Status CollectionImpl::write_graph_record(const std::optional<schema::GraphRecord>& record,
                                          bool synced) {
  storage::WriteBatch batch;
  if (record.has_value()) {
    batch.put(schema::graph_key(id_), schema::encode_graph_record(*record));
  } else {
    batch.erase(schema::graph_key(id_));
  }
  const Status written = database_->store()->write(batch, synced);
  if (!written.is_ok()) database_->committer().fail(written);
  return written;
}

uint32_t CollectionImpl::last_graph_number() const {
  std::lock_guard lock(mutex_);
  return last_graph_number_;
}

std::string CollectionImpl::index_error() const {
  std::lock_guard lock(mutex_);
  return index_error_;
}

void CollectionImpl::set_index_error(const std::string& why) {
  std::lock_guard lock(mutex_);
  index_error_ = why;
}

bool CollectionImpl::may_become_resident(const Version& version) const {
  const std::optional<schema::GraphRecord> record = graph_record();
  if (!record.has_value() || record->resident.exists()) return false;
  if (version.graph == nullptr || version.graph->disk == nullptr) return false;
  const GraphLag lag = lag_of(version);
  if (lag.pending() > 0) return false;
  const uint64_t least = resident_build_bytes_least(options(), lag.points);
  // The disk form's cache is given back, but it serves until the other is there.
  const uint64_t cache = version.graph->cache_bytes();
  return least <= database_->budget().left() + cache;
}

Result<std::shared_ptr<const ServingGraph>> CollectionImpl::load_disk_form(
    const schema::GraphRecord& record, index::MemoryReservation memory) {
  std::lock_guard lock(disk_form_mutex_);
  std::shared_ptr<const ServingGraph> graph =
      disk_form_number_ == record.file_number ? disk_form_.lock() : nullptr;
  if (graph != nullptr) return graph;
  ROX_ASSIGN_OR_RETURN(graph, load_graph(*this, record, {false, std::move(memory)},
                                         {.to_change = !database_->options().read_only}));
  disk_form_ = graph;
  disk_form_number_ = record.file_number;
  return graph;
}

void CollectionImpl::note_disk_form(const std::shared_ptr<const ServingGraph>& graph,
                                    uint32_t file_number) {
  if (graph->disk == nullptr) return;
  std::lock_guard lock(disk_form_mutex_);
  disk_form_ = graph;
  disk_form_number_ = file_number;
}

TailRows CollectionImpl::no_tail_rows() const {
  return {row_bytes(), rules().tail, database_->budget()};
}

// What cannot be read is compared with from the file, or told when it is.
CollectionImpl::TailBeside CollectionImpl::read_tail_beside(const ServingGraph& graph) const {
  TailBeside tail{no_tail_rows(), version()};
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (tail.version == nullptr || vectors == nullptr) return tail;
  const index::LiveSet slots = index::without(tail.version->live, graph.slots());
  if (slots.count() <= rules().tail.rows) (void)load_rows(*vectors, slots, tail.rows);
  return tail;
}

void CollectionImpl::load_waiting_graph() {
  if (!graph_waits_) return;
  std::lock_guard lock(graph_load_mutex_);
  if (!graph_waits_) return;
  const schema::GraphRecord record = graph_record().value_or(schema::GraphRecord());
  const auto load = [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(GraphChoice choice, choose_graph(*this, record));
    NewGraph next{.record = record};
    if (choice.is_resident) {
      ROX_ASSIGN_OR_RETURN(next.graph, load_graph(*this, record, std::move(choice), {}));
    } else {
      ROX_ASSIGN_OR_RETURN(next.graph, load_disk_form(record, std::move(choice.memory)));
    }
    next.tail = read_tail_beside(*next.graph);
    return database_->committer().run_alone([&]() -> Status {
      ROX_RETURN_IF_ERROR(usable());
      const auto newest = graph_record();  // a repair may have taken it back
      if (!newest.has_value() || newest->file_number != record.file_number) return Status::ok();
      serve_graph(std::move(next), database_->committer().commits());
      return Status::ok();
    });
  };
  const Status loaded = load();
  const auto newest = graph_record();  // it may have been given up meanwhile
  if (!loaded.is_ok() && newest.has_value() && newest->file_number == record.file_number) {
    set_index_error(loaded.message());
  }
  graph_waits_ = false;
  database_->maintainer().note_graph();  // points may wait to be taken in
}

void CollectionImpl::serve_graph(NewGraph next, uint64_t commit) {
  {
    std::lock_guard lock(mutex_);
    graph_record_ = next.record;
    last_graph_number_ = std::max(last_graph_number_, next.record.file_number);
    index_error_.clear();
  }
  note_disk_form(next.graph, next.record.file_number);
  graph_ = std::move(next.graph);
  indexed_ = graph_->slots();
  // What the graph before named alone may be written from now on: the store does not name it, and
  // versions that still do know these slots as dead.
  slots_->set_named(indexed_);
  const std::shared_ptr<const Version> current = version();
  if (current == nullptr) return;
  TailRows rows = next.tail.has_value() ? std::move(next.tail->rows) : current->tail.rows;
  publish({.live = current->live, .commit = commit, .tail = std::move(rows)});
}

std::weak_ptr<const ServingGraph> CollectionImpl::stop_serving(uint64_t commit) {
  const std::weak_ptr<const ServingGraph> graph = std::exchange(graph_, nullptr);
  refresh(commit);
  return graph;
}

void CollectionImpl::forget_graph(uint64_t commit) {
  {
    std::lock_guard lock(mutex_);
    graph_record_.reset();
  }
  {
    std::lock_guard lock(disk_form_mutex_);
    disk_form_.reset();
  }
  graph_waits_ = false;
  graph_ = nullptr;
  slots_->set_named(index::LiveSet());
  refresh(commit);
}

void CollectionImpl::let_graph_wait() {
  if (graph_record().has_value()) graph_waits_ = true;
}

void CollectionImpl::note_graph_changed(const GraphChange& change, uint64_t commit) {
  const std::shared_ptr<const Version> current = version();
  if (graph_ == nullptr || current == nullptr) return;
  indexed_ = graph_->slots();
  slots_->note_changed(indexed_, change.added, change.removed);
  publish({.live = current->live,
           .commit = commit,
           .indexed_chunks = chunks_of(change.added, change.removed)});
}

}  // namespace roxanne::database
