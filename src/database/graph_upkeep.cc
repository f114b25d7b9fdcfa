#include "database/graph_upkeep.h"

#include <algorithm>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "database/collection_impl.h"
#include "database/committer.h"
#include "database/database_impl.h"
#include "database/graph_maintainer.h"
#include "database/graph_policy.h"
#include "database/serving_graph.h"

namespace roxanne::database {
namespace {

// One part in so many of what graphs may take is for changing one, but of the first bytes nothing:
// within small limits longer codes save more reads than larger buffers do.
constexpr uint64_t kBufferShare = 10;
constexpr uint64_t kBytesBeforeBuffers = 24u << 20;
// A crash costs no more than doing so many changes again.
constexpr uint64_t kChangesMax = 100'000;
// The store's record of a graph may be off by one part in so many.
constexpr uint64_t kRecordShare = 10;
// Half of the processors are not enough where the tail is longer than one part in so many of what
// writers wait for.
constexpr uint64_t kBehindShare = 4;
// What a drain does between two looks at whether it is still wanted.
constexpr uint64_t kDrainStep = 512;

// Pages move for so long between two checkpoints, which free the places they had.
constexpr double kPackUs = 200'000;

// Within such limits what the allocator keeps in its heaps after a step counts.
constexpr uint64_t kSmallLimit = 256u << 20;

// Points that are put in at once are chosen from so many, near each other.
constexpr uint64_t kChosenFrom = 32768;
// Points are taken out so many times as many at once, for the same reason.
constexpr uint64_t kRemovedFactor = 4;

std::vector<uint32_t> slots_of(std::span<const index::NewNode> nodes) {
  std::vector<uint32_t> slots(nodes.size());
  std::transform(nodes.begin(), nodes.end(), slots.begin(),
                 [](const index::NewNode& node) { return node.slot; });
  return slots;
}

std::vector<uint32_t> first_slots(const index::LiveSet& set, uint64_t count_max) {
  std::vector<uint32_t> slots;
  for (size_t chunk = 0; chunk < set.chunk_count() && slots.size() < count_max; ++chunk) {
    if (set.chunk_words(chunk) == nullptr) continue;
    for (uint32_t i = 0; i < index::kLiveChunkSlots && slots.size() < count_max; ++i) {
      const auto slot = static_cast<uint32_t>(chunk * index::kLiveChunkSlots + i);
      if (set.contains(slot)) slots.push_back(slot);
    }
  }
  return slots;
}

IndexUpdateInfo sum_of(const IndexUpdateInfo& a, const IndexUpdateInfo& b) {
  return {a.added + b.added,
          a.removed + b.removed,
          a.reads + b.reads,
          a.pages_written + b.pages_written,
          a.bytes_written + b.bytes_written,
          a.checkpoints + b.checkpoints};
}

}  // namespace

GraphUpkeep::GraphUpkeep(DatabaseImpl& database, CollectionImpl& collection)
    : database_(database), collection_(collection) {}

GraphUpkeep::~GraphUpkeep() = default;

uint64_t GraphUpkeep::buffer_bytes_of(uint64_t budget_bytes) {
  const uint64_t beyond = budget_bytes - std::min(budget_bytes, kBytesBeforeBuffers);
  return std::clamp(beyond / kBufferShare, index::kUpdateBytesLeast, index::kUpdateBytesWanted);
}

std::unique_lock<std::mutex> GraphUpkeep::hold() {
  ++waiting_;
  std::unique_lock lock(mutex_);
  --waiting_;
  return lock;
}

bool GraphUpkeep::can_work() const {
  const std::shared_ptr<const Version> version = collection_.version();
  if (version == nullptr || version->graph == nullptr || database_.options().read_only)
    return false;
  if (version->graph->can_change()) return true;
  const auto record = collection_.graph_record();
  return version->graph->resident != nullptr && record.has_value() && record->is_changeable &&
         record->disk.exists();
}

// The updater of the graph that serves now.
Status GraphUpkeep::prepare() {
  ROX_RETURN_IF_ERROR(collection_.usable());
  ROX_RETURN_IF_ERROR(database_.committer().failure());
  ROX_RETURN_IF_ERROR(leave_resident_form());
  const std::shared_ptr<const Version> version = collection_.version();
  if (version == nullptr || version->graph == nullptr) {
    return Status::unsupported("the graph does not serve");
  }
  if (version->graph == graph_ && updater_ != nullptr) return Status::ok();
  let_go();
  graph_ = version->graph;
  return make_updater();
}

Status GraphUpkeep::make_updater() {
  index::DiskUpdateOptions options;
  options.thread_count = [this] { return database_.maintainer().thread_count(is_behind()); };
  options.hands_over = [this] { return hands_over(); };
  options.take_memory = [this](uint64_t bytes) -> std::shared_ptr<void> {
    auto memory = database_.reserve_memory(bytes);
    if (!memory.has_value()) return nullptr;
    return std::make_shared<index::MemoryReservation>(*std::move(memory));
  };
  options.memory_bytes = buffer_bytes_of(database_.budget().limit());
  auto memory = database_.reserve_memory(options.memory_bytes);
  if (!memory.has_value()) {
    return Status::unsupported(
        "keeping the graph up with its points takes " + std::to_string(options.memory_bytes) +
        " bytes of memory; the memory limit leaves " + std::to_string(database_.budget().left()));
  }
  buffers_ = *std::move(memory);
  grown_ = index::MemoryReservation(database_.budget(), 0);
  buffer_bytes_ = buffers_.bytes();
  updater_ =
      std::make_unique<index::DiskUpdater>(*graph_->disk, database_.maintainer().pool(), options);
  return follow_growth();
}

bool GraphUpkeep::is_behind() const {
  if (is_draining_) return true;
  return collection_.lag().tail > tail_rows_max(collection_.rules()) / kBehindShare;
}

bool GraphUpkeep::hands_over() const {
  return !is_draining_ && (is_wanted() || database_.maintainer().hands_over());
}

void GraphUpkeep::let_go() {
  take_stats();
  updater_.reset();
  graph_.reset();
  has_idle_space_ = false;
  buffers_ = index::MemoryReservation();
  grown_ = index::MemoryReservation();
  buffer_bytes_ = 0;
  grown_bytes_ = 0;
  changes_ = 0;
  std::lock_guard lock(stats_mutex_);
  earlier_ = sum_of(earlier_, std::exchange(current_, {}));
}

void GraphUpkeep::take_stats() {
  if (updater_ == nullptr) return;
  const index::DiskUpdateStats stats = updater_->stats();
  std::lock_guard lock(stats_mutex_);
  current_ = {stats.added,         stats.removed,       stats.reads,
              stats.pages_written, stats.bytes_written, stats.checkpoints};
}

IndexUpdateInfo GraphUpkeep::done() const {
  std::lock_guard lock(stats_mutex_);
  return sum_of(earlier_, current_);
}

Result<uint64_t> GraphUpkeep::step(uint64_t count_max) {
  if (!can_work()) return uint64_t{0};  // too few points are left, say
  ROX_RETURN_IF_ERROR(prepare());
  ROX_ASSIGN_OR_RETURN(const Work work, find_work(count_max));
  if (work.added.empty() && work.removed.empty()) return uint64_t{0};
  ROX_RETURN_IF_ERROR(apply(work));
  const index::LiveSet& there = graph_->disk->slots();
  const auto is_in = [&](const index::NewNode& node) { return there.contains(node.slot); };
  const auto is_out = [&](uint32_t slot) { return !there.contains(slot); };
  const auto in = std::count_if(work.added.begin(), work.added.end(), is_in);
  const auto out = std::count_if(work.removed.begin(), work.removed.end(), is_out);
  return static_cast<uint64_t>(in + out);
}

Result<GraphUpkeep::Work> GraphUpkeep::find_work(uint64_t count_max) {
  Work work;
  const Status found = database_.committer().run_alone([&]() -> Status {
    ROX_RETURN_IF_ERROR(collection_.usable());
    ROX_RETURN_IF_ERROR(database_.committer().failure());
    work.version = collection_.version();
    if (work.version->graph != graph_) return Status::ok();  // too few points are left
    slot_capacity_ = collection_.vectors()->file().slot_capacity();
    collection_.slots().release(database_.committer().synced_commits());
    work.removed = collection_.slots().take_dead(kRemovedFactor * count_max);
    return Status::ok();
  });
  ROX_RETURN_IF_ERROR(found);
  if (work.version->graph != graph_) return work;
  const Tail& tail = work.version->tail;
  for (const storage::RowRef& row : tail.rows.oldest(std::max(count_max, kChosenFrom))) {
    work.added.push_back({row.slot, row.tag, row.bytes});
  }
  if (work.added.size() > count_max) {
    std::vector<index::NewNode> chosen;
    for (const uint32_t i : updater_->choose(work.added, count_max)) {
      chosen.push_back(work.added[i]);
    }
    work.added = std::move(chosen);
  }
  const Status read = read_rows(count_max - work.added.size(), work);
  if (read.is_ok()) return work;
  work.added.clear();
  ROX_RETURN_IF_ERROR(note_applied(work));
  return read;
}

// Of the tail's rows those that are not in memory.
Status GraphUpkeep::read_rows(uint64_t count_max, Work& work) const {
  const std::vector<uint32_t> slots = first_slots(work.version->tail.on_disk, count_max);
  const std::shared_ptr<index::VectorStore> vectors = collection_.vectors();
  const size_t row_bytes = collection_.row_bytes();
  work.bytes.resize(slots.size() * row_bytes);
  for (size_t i = 0; i < slots.size(); ++i) {
    const std::span<std::byte> bytes(work.bytes.data() + i * row_bytes, row_bytes);
    ROX_ASSIGN_OR_RETURN(const storage::RowRef row, vectors->read(slots[i], bytes));
    work.added.push_back({row.slot, row.tag, row.bytes});
  }
  return Status::ok();
}

Status GraphUpkeep::apply(const Work& work) {
  const Status applied = updater_->apply({.added = work.added, .removed = work.removed});
  take_stats();
  // After an error too: some of it may be done.
  ROX_RETURN_IF_ERROR(note_applied(work));
  ROX_RETURN_IF_ERROR(stop_writing_after(applied));
  if (database_.budget().limit() <= kSmallLimit) base::give_memory_back();
  return follow_growth();
}

// New versions find in the graph what it has now. Until then `work` holds the version that it was
// found in, so that none of its slots, freed or not, was given away.
Status GraphUpkeep::note_applied(const Work& work) {
  changes_ += work.added.size() + work.removed.size();
  record_is_stale_ = true;
  const std::vector<uint32_t> added = slots_of(work.added);
  return database_.committer().run_alone([&]() -> Status {
    collection_.note_graph_changed({.added = added, .removed = work.removed},
                                   database_.committer().commits());
    return Status::ok();
  });
}

// After a failed sync nothing is known about the disk. Keeps D6. A page that cannot be read is no
// such thing.
Status GraphUpkeep::stop_writing_after(const Status& status) {
  if (status.code() == StatusCode::kReadOnly) database_.committer().fail(status);
  return status;
}

Status GraphUpkeep::follow_growth() {
  const uint64_t now = graph_->disk->memory().at_rest() +
                       database_.options().thread_count * graph_->disk->lane_bytes();
  if (now < graph_->memory.bytes()) (void)graph_->memory.resize(now);
  const uint64_t grown = now - graph_->memory.bytes();
  if (!grown_.resize(grown)) {
    // What is cached makes room.
    const bool has_room = database_.reserve_memory(grown - grown_.bytes()).has_value();
    if (!has_room || !grown_.resize(grown)) {
      return Status::unsupported("the graph has grown by " + std::to_string(grown) +
                                 " bytes of memory; the memory limit leaves " +
                                 std::to_string(database_.budget().left()));
    }
  }
  grown_bytes_ = grown_.bytes();
  fit_cache(database_, *graph_);
  return Status::ok();
}

Result<bool> GraphUpkeep::rest(bool is_quiet) {
  if (updater_ == nullptr) return false;
  if (updater_->has_work()) {
    changes_ += 1;  // what is in memory differs from what is durable
    ROX_RETURN_IF_ERROR(stop_writing_after(updater_->work_some()));
    ROX_RETURN_IF_ERROR(follow_growth());
    return updater_->has_work();
  }
  if (is_quiet && changes_ == 0 && has_idle_space_) {
    ROX_ASSIGN_OR_RETURN(const bool packs, pack());
    if (packs) return true;
    if (database_.no_readers_elsewhere() && updater_->shorten_log()) {
      changes_ += 1;  // by the next checkpoint
      return true;
    }
    has_idle_space_ = false;
    ROX_RETURN_IF_ERROR(stop_writing_after(updater_->give_idle_space_back()));
  }
  return false;
}

// For a while; whether it did anything, and may do more after a checkpoint. What fails costs space,
// and no more. Not while others read the files: nothing that is left is free then.
Result<bool> GraphUpkeep::pack() {
  if (!database_.no_readers_elsewhere()) return false;
  base::Stopwatch timer;
  bool has_packed = false;
  for (double us = 0; us < kPackUs && !updater_->is_checkpoint_due(); us += timer.lap_us()) {
    if (is_wanted()) return true;
    const Result<bool> packed = updater_->pack_some();
    if (packed.status().code() == StatusCode::kReadOnly) return stop_writing_after(packed.status());
    if (packed.is_ok() && !*packed) break;
    has_packed = true;
    changes_ += 1;  // where it failed, too: some of it may be done
    record_is_stale_ = true;
  }
  if (has_packed) ROX_RETURN_IF_ERROR(follow_growth());
  return has_packed;
}

bool GraphUpkeep::is_checkpoint_due() const {
  return updater_ != nullptr && (changes_ >= kChangesMax || updater_->is_checkpoint_due());
}

Status GraphUpkeep::checkpoint() {
  if (updater_ == nullptr || changes_ == 0) return Status::ok();
  ROX_RETURN_IF_ERROR(database_.committer().failure());
  // After a power cut the vectors file must be long enough for each slot that the graph names: what
  // lies beyond it could be taken for new. Keeps D8.
  storage::RowFile& file = collection_.vectors()->file();
  const uint64_t cuts = file.cut_count();  // one that was cut and grew again is not durable either
  if (durable_slot_capacity_ < slot_capacity_ || durable_cuts_ != cuts) {
    const uint64_t covered = slot_capacity_;
    const Status synced = file.sync();
    if (!synced.is_ok()) {
      database_.committer().fail(synced);
      return synced;
    }
    durable_slot_capacity_ = covered;
    durable_cuts_ = cuts;
  }
  const Status done = updater_->checkpoint(database_.committer().commits());
  take_stats();
  if (!done.is_ok() && done.code() != StatusCode::kDiskFull) database_.committer().fail(done);
  ROX_RETURN_IF_ERROR(done);
  changes_ = 0;
  has_idle_space_ = true;
  (void)follow_growth();  // one that could not shrink has grown back
  return database_.committer().run_alone([this]() -> Status {
    collection_.slots().note_durable();
    return is_record_far_off() ? renew_record() : Status::ok();
  });
}

bool GraphUpkeep::is_record_far_off() const {
  const auto record = collection_.graph_record();
  if (!record.has_value()) return false;
  const uint64_t nodes = graph_->disk->node_count();
  const uint64_t told = record->node_count;
  return std::max(nodes, told) - std::min(nodes, told) > told / kRecordShare;
}

// While no commit is under way. What it says saves loading the graph, and no more: it need not be
// durable.
Status GraphUpkeep::renew_record() {
  schema::GraphRecord record = *collection_.graph_record();
  record.node_count = static_cast<uint32_t>(graph_->disk->node_count());
  record.slot_end = static_cast<uint32_t>(
      std::min<uint64_t>(graph_->disk->slots().slot_end(), kCollectionPointsMax));
  record.disk = {graph_->disk->bytes_on_disk(), graph_->disk->memory().at_rest(),
                 static_cast<uint32_t>(graph_->disk->default_search_list_size())};
  ROX_RETURN_IF_ERROR(collection_.write_graph_record(record, false));
  collection_.set_graph_record(record);
  record_is_stale_ = false;
  return Status::ok();
}

Status GraphUpkeep::give_up_graph() {
  ROX_RETURN_IF_ERROR(collection_.write_graph_record(std::nullopt, true));
  collection_.set_index_error("");
  let_go();
  collection_.forget_graph(database_.committer().next_commit_number(true));
  // Who reads it elsewhere goes on; a later open removes it.
  if (!database_.no_readers_elsewhere()) return Status::ok();
  return database_.remove_stale_graphs(collection_);
}

void GraphUpkeep::close() {
  // On a full disk the next open does again what is not durable.
  const Status done = checkpoint();
  if (done.is_ok() && graph_ != nullptr && record_is_stale_ &&
      database_.committer().failure().is_ok()) {
    (void)database_.committer().run_alone([this] { return renew_record(); });
  }
  let_go();
}

Status GraphUpkeep::drain(const Progress& progress, const std::atomic<bool>& cancelled) {
  if (!can_work()) return Status::ok();
  ROX_RETURN_IF_ERROR(prepare());
  // Slots of points whose end is not durable could not be given back.
  if (database_.options().durability != Durability::kFull) {
    ROX_RETURN_IF_ERROR(database_.committer().sync_commits());
  }
  is_draining_ = true;
  struct End {
    bool& is_draining;
    ~End() { is_draining = false; }
  } const end{is_draining_};
  const uint64_t all = collection_.lag().pending();
  const auto goes_on = [&](std::string_view phase, uint64_t done) {
    const double fraction = all == 0 ? 1 : static_cast<double>(done) / static_cast<double>(all);
    return !cancelled && (!progress || progress(phase, std::min(1.0, fraction)));
  };
  const Status stopped = Status::cancelled("taking points into the graph was stopped");
  uint64_t done = 0;
  while (done < all) {
    if (!goes_on("insert", done)) return stopped;
    ROX_ASSIGN_OR_RETURN(const uint64_t some, step(kDrainStep));
    if (some == 0) break;
    done += some;
  }
  // What is in stays in, but is not durable yet.
  if (!goes_on("checkpoint", all)) return stopped;
  return checkpoint();
}

}  // namespace roxanne::database
