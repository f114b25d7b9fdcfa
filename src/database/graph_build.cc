// A graph is built of one version's rows while searches and writes go on, written to a file of its
// own, and put in force by one record in the store (docs/durability.md, "A graph, step by step").
#include "database/graph_build.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "accel/graph_builder.h"
#include "base/aligned_buffer.h"
#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_build_memory.h"
#include "database/graph_maintainer.h"
#include "database/graph_policy.h"
#include "database/graph_upkeep.h"
#include "database/live_rows.h"
#include "index/disk_build.h"
#include "index/disk_build_bytes.h"
#include "index/resident_index.h"

namespace roxanne::database {
namespace {

// Shares of the whole that progress tells.
constexpr double kReadShare = 0.02;
constexpr double kBuildShare = 0.96;
// Of a build of both forms: the edges, and the disk form that is made when they are there.
constexpr double kLinkShare = 0.60;
constexpr double kDiskShare = 0.20;
// Of the memory of a build.
constexpr uint64_t kPinnedShare = 8;

class GraphBuild {
 public:
  GraphBuild(DatabaseImpl& database, CollectionImpl& collection, const GraphBuildOptions& options)
      : database_(database), collection_(collection), options_(options) {}

  Status run() {
    base::Stopwatch timer;
    {
      // What is under way in the graph ends; from now on it stays as it is, or makes way.
      const auto held = collection_.upkeep().hold();
      collection_.is_being_built = true;
    }
    const Status built = build();
    collection_.is_being_built = false;
    if (built.is_ok() && is_named_ && !is_promotion_) {
      database_.maintainer().note_build(row_count(), timer.lap_us() / 1e6);
    }
    return built;
  }

  // Whether the graph that served before had to make room.
  bool unloaded() const { return unloaded_; }
  // Whether it was refused before it began.
  bool lacked_memory() const { return lacked_memory_; }

 private:
  Status build() {
    version_ = collection_.version();
    vectors_ = collection_.vectors();
    if (version_ == nullptr || vectors_ == nullptr) return gone();
    had_graph_ = collection_.graph_record().has_value();
    if (!is_wanted()) return Status::ok();
    if (is_promotion_) {
      // The image is of what the files say, so that it fits them after a crash. Keeps D8.
      const auto held = collection_.upkeep().hold();
      ROX_RETURN_IF_ERROR(collection_.upkeep().checkpoint());
    }
    const Status reserved = reserve_memory();
    lacked_memory_ = reserved.code() == StatusCode::kUnsupported;
    ROX_RETURN_IF_ERROR(reserved);
    ROX_RETURN_IF_ERROR(choose_builder());
    if (memory_.is_for_resident) ROX_RETURN_IF_ERROR(gather_rows());
    if (is_promotion_) {
      record_ = *collection_.graph_record();
      if (version_->graph != nullptr) note_disk_form(*version_->graph->disk);
    } else {
      ROX_ASSIGN_OR_RETURN(
          record_.file_number,
          database_.files().next_graph_number(collection_.id(), collection_.last_graph_number()));
    }
    paths_ = database_.files().graph_paths(collection_.id(), record_.file_number);
    const Status built = write_and_serve();
    // What is not in force is not needed. A leftover would be removed by a later open.
    if (!built.is_ok() && !is_named_) {
      if (keeps_image()) (void)database_.file_system().remove(paths_.resident);
      if (!is_promotion_) (void)database_.file_system().remove(paths_.disk.pages);
      if (!is_promotion_) (void)database_.file_system().remove(paths_.disk.codes);
    }
    return built;
  }

  Status gone() const {
    ROX_RETURN_IF_ERROR(collection_.usable());
    return Status::not_found("collection " + collection_.name() + " was dropped");
  }

  bool is_wanted() {
    const GraphLag lag = lag_of(*version_);
    const bool is_due = options_.rebuild ? lag.points >= database_.index_points_min() &&
                                               (lag.nodes == 0 || lag.pending() > 0)
                                         : is_build_due(lag);
    if (is_due) return true;
    is_promotion_ = !options_.rebuild && options_.serving_memory_bytes == 0 &&
                    collection_.may_become_resident(*version_) &&
                    (!keeps_image() || make_way_for_image());
    return is_promotion_;
  }

  // Whether the resident form gets a file: one that is asked for does, and the first of a
  // collection. What the background makes of a graph that changes lives in memory alone: it takes
  // several times the disk form's space, and the next changes would make it useless. Who opens the
  // folder later has the disk form at once, and in the background another image.
  bool keeps_image() const {
    return !options_.in_background || !had_graph_ || (!is_promotion_ && !record_.disk.exists());
  }

  // An image that was forgotten while others read the folder is there still, under the name that
  // the next one has. It is not written over: they may read it, and a copy of the folder may share
  // the file.
  bool make_way_for_image() const {
    const auto record = collection_.graph_record();
    if (!record.has_value()) return false;
    const std::string path =
        database_.files().graph_paths(collection_.id(), record->file_number).resident;
    const Result<bool> there = database_.file_system().exists(path);
    if (there.is_ok() && !*there) return true;
    return database_.no_readers_elsewhere() && database_.file_system().remove(path).is_ok();
  }

  bool is_build_due(const GraphLag& lag) const {
    const GraphRules rules = collection_.rules();
    if (!collection_.upkeep().can_work()) return is_renewal_due(lag, rules);
    const UpdateCosts costs = database_.maintainer().costs();
    if (options_.in_background) return is_bulk_build_due(lag, rules, costs);
    const bool is_behind = version_->graph->resident == nullptr || is_image_outdated(lag, rules);
    return lag.points >= rules.index_points_min && is_behind && prefers_build(lag, costs);
  }

  bool goes_on(std::string_view phase, double fraction) const {
    if (options_.cancelled->load() || is_overtaken()) return false;
    return !options_.progress || options_.progress(phase, fraction);
  }
  static Status stopped() { return Status::cancelled("the build of the graph was stopped"); }
  // While an image is made, the graph stands still: where too much changes, it is not worth it.
  bool is_overtaken() const {
    return is_promotion_ && is_image_outdated(collection_.lag(), collection_.rules());
  }

  uint64_t row_count() const { return version_->live.count(); }

  Status reserve_memory() {
    ROX_ASSIGN_OR_RETURN(
        memory_,
        reserve_for_build(database_, collection_.options(),
                          {.row_count = [this] { return row_count(); },
                           .serving_memory_bytes = options_.serving_memory_bytes,
                           .is_for_resident_only = is_promotion_,
                           .take = [this](uint64_t bytes) { return take_memory(bytes); }}));
    return Status::ok();
  }

  Result<index::MemoryReservation> take_memory(uint64_t least) {
    std::optional<index::MemoryReservation> memory = database_.reserve_memory(least);
    if (!memory.has_value() && version_->graph != nullptr &&
        least <= database_.budget().left() + version_->graph->memory.bytes() +
                     version_->graph->cache_bytes()) {
      ROX_RETURN_IF_ERROR(unload_old_graph());
      memory = database_.reserve_memory(least);
    }
    if (!memory.has_value()) {
      return Status::unsupported("building a graph of " + std::to_string(row_count()) +
                                 " points takes " + std::to_string(least) +
                                 " bytes of memory; the memory limit leaves " +
                                 std::to_string(database_.budget().left()));
    }
    return *std::move(memory);
  }

  // Old and new graph together may not fit: searches are exact until the new one serves.
  Status unload_old_graph() {
    std::weak_ptr<const ServingGraph> old;
    const auto held = collection_.upkeep().hold();
    // It is loaded again where this build fails.
    ROX_RETURN_IF_ERROR(collection_.upkeep().checkpoint());
    collection_.upkeep().let_go();
    const Status stopped_serving = database_.committer().run_alone([&]() -> Status {
      ROX_RETURN_IF_ERROR(collection_.usable());
      old = collection_.stop_serving(database_.committer().commits());
      return Status::ok();
    });
    ROX_RETURN_IF_ERROR(stopped_serving);
    unloaded_ = true;
    version_ = collection_.version();
    if (version_ == nullptr) return gone();
    const bool is_wanted =
        wait_for_searches_of(old, database_.file_system(), [this] { return goes_on("wait", 0); });
    return is_wanted ? Status::ok() : stopped();
  }

  // What devices read and write of the host's memory is beside what the build takes, and a share of
  // it.
  Status choose_builder() {
    if (is_promotion_) return Status::ok();  // its edges are there
    accel::DeviceOptions device;
    device.device_memory_bytes = options_.device_memory_bytes;
    device.pinned_memory_bytes = memory_.build_bytes / kPinnedShare;
    ROX_ASSIGN_OR_RETURN(builder_, accel::make_graph_builder(options_.accelerator, device));
    return Status::ok();
  }

  void tell_builder() const {
    if (options_.report == nullptr || builder_ == nullptr) return;
    options_.report->accelerator = builder_->accelerator();
    options_.report->accelerator_note = builder_->note();
  }

  // Copies the version's rows: the file's blocks hold dead slots too.
  Status gather_rows() {
    const storage::RowLayout& layout = vectors_->file().layout();
    const size_t row_bytes = collection_.row_bytes();
    rows_ = base::AlignedBuffer(row_count() * row_bytes);
    slots_ = index::slots_of(version_->live);
    tags_.resize(slots_.size());
    base::AlignedBuffer block(layout.block_bytes);
    const storage::BlockView view(layout, block.data());
    uint64_t loaded = UINT64_MAX;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (layout.block_of(slots_[i]) != loaded) {
        loaded = layout.block_of(slots_[i]);
        const double done = static_cast<double>(i) / static_cast<double>(slots_.size());
        if (!goes_on("read", kReadShare * done)) return stopped();
        ROX_RETURN_IF_ERROR(vectors_->read_block(loaded, version_->live, block.span()));
      }
      const size_t at = layout.index_in_block(slots_[i]);
      std::copy_n(view.row(at), row_bytes, rows_.data() + i * row_bytes);
      tags_[i] = view.tags()[at];
    }
    return Status::ok();
  }

  Status write_and_serve() {
    ROX_RETURN_IF_ERROR(memory_.is_for_resident ? write_resident() : write_disk());
    tell_builder();
    // The files and their names are on disk before the store names them. Keeps D8.
    ROX_RETURN_IF_ERROR(database_.file_system().sync_directory(
        database_.files().collection_path(collection_.id())));
    ROX_RETURN_IF_ERROR(sync_vectors());
    record_.node_count = static_cast<uint32_t>(row_count());
    record_.slot_end = last_slot() + 1;
    if (!goes_on("serve", 1)) return stopped();
    tail_ = collection_.read_tail_beside(*graph_);
    const auto held = collection_.upkeep().hold();
    const Status done = database_.committer().run_alone([this] { return put_in_force(); });
    // It changed the graph before.
    if (done.is_ok()) collection_.upkeep().let_go();
    return done;
  }

  // Without a list of all slots: it would be the largest thing in memory beside the codes.
  uint32_t last_slot() const {
    auto slot = static_cast<uint32_t>(version_->live.slot_end());
    while (!version_->live.contains(slot - 1)) --slot;
    return slot - 1;
  }

  void note_disk_form(const index::DiskIndex& index) {
    record_.disk = {index.bytes_on_disk(), index.memory().at_rest(),
                    static_cast<uint32_t>(index.default_search_list_size())};
    record_.is_changeable = index.can_change();
  }

  // Both forms: the disk form is there for an opener with less memory.
  Status write_resident() {
    const MatrixView rows(collection_.options().type, rows_.data(), slots_.size(),
                          collection_.options().dim);
    index::BuildOptions build;
    build.memory_bytes = memory_.build_bytes;
    build.resident_bytes = memory_.resident_bytes;
    build.scratch_prefix = paths_.resident + ".";
    build.thread_count = database_.options().thread_count;
    double done = kReadShare;  // what the phases before came to
    double share = kLinkShare;
    build.builder = builder_.get();
    build.progress = [&](const index::BuildProgress& progress) {
      return goes_on(progress.phase, done + share * progress.fraction);
    };
    const std::shared_ptr<const ServingGraph> old = version_->graph;
    if (is_promotion_ && old != nullptr && old->disk != nullptr) {
      build.edges = [this, &old](graph::Adjacency& edges) {
        return old->disk->read_edges(slots_, edges);
      };
    }
    build.keeps_file = [this] { return keeps_image(); };
    build.linked = [&](const graph::Adjacency& adjacency) -> Status {
      done = kReadShare + kLinkShare;
      const Status written =
          is_promotion_ ? Status::ok() : write_disk_beside(rows, adjacency, done);
      done = kReadShare + kDiskShare;
      share = kBuildShare - kDiskShare;
      return written;
    };
    // Not the pool of the searches: they would find all its threads taken.
    base::ThreadPool pool(build.thread_count - 1);
    ROX_ASSIGN_OR_RETURN(
        auto index,
        index::build_resident_index(
            database_.file_system(), paths_.resident,
            {.rows = rows, .slots = slots_, .tags = tags_, .metric = collection_.options().metric},
            pool, build));
    rows_ = base::AlignedBuffer();
    if (index->bytes_on_disk() > 0) {
      record_.resident = {index->bytes_on_disk(), index->bytes_in_memory(),
                          static_cast<uint32_t>(index->default_search_list_size())};
    }
    record_.max_degree = static_cast<uint32_t>(index->max_degree());
    ROX_ASSIGN_OR_RETURN(graph_,
                         make_serving_graph(std::move(index), std::move(memory_.reservation)));
    return Status::ok();
  }

  // The disk form of a graph whose edges are found, while its rows are in memory.
  Status write_disk_beside(MatrixView rows, const graph::Adjacency& adjacency, double done) {
    const CollectionOptions& options = collection_.options();
    if (!index::fits_disk_index(options) ||
        index::disk_build_bytes_least(options, row_count()) > memory_.build_bytes) {
      return Status::ok();
    }
    index::DiskBuildOptions build = disk_options(done, kDiskShare);
    build.adjacency = &adjacency;
    base::ThreadPool pool(build.thread_count - 1);
    const auto index =
        index::build_disk_index(database_.file_system(), paths_.disk, options,
                                index::RowsInMemory(rows, slots_, tags_), pool, build);
    if (index.is_ok()) note_disk_form(**index);
    // Vectors that are too large for it are served from memory alone.
    if (index.status().code() == StatusCode::kUnsupported) return Status::ok();
    return index.status();
  }

  Status write_disk() {
    index::DiskBuildOptions build = disk_options(0, kReadShare + kBuildShare);
    const LiveRows rows(*vectors_, version_->live, collection_.options());
    {
      base::ThreadPool pool(build.thread_count - 1);
      ROX_ASSIGN_OR_RETURN(disk_,
                           index::build_disk_index(database_.file_system(), paths_.disk,
                                                   collection_.options(), rows, pool, build));
    }
    note_disk_form(*disk_);
    record_.max_degree = static_cast<uint32_t>(disk_->max_degree());
    ROX_ASSIGN_OR_RETURN(
        graph_, make_serving_graph(database_, std::move(disk_), std::move(memory_.reservation)));
    return Status::ok();
  }

  index::DiskBuildOptions disk_options(double done, double share) const {
    index::DiskBuildOptions build;
    build.memory_bytes = memory_.build_bytes;
    build.serving_bytes = memory_.disk_bytes;
    build.scratch_prefix = paths_.resident + ".";
    build.thread_count = database_.options().thread_count;
    build.builder = builder_.get();
    // It outlives this build: the index keeps it.
    build.is_unread_elsewhere = [&database = database_] { return database.no_readers_elsewhere(); };
    build.progress = [this, done, share](const index::BuildProgress& progress) {
      return goes_on(progress.phase, done + share * progress.fraction);
    };
    return build;
  }

  // After a power cut the vectors file must be long enough for each slot that the graph names, dead
  // ones too: what lies beyond it could be taken for new. Keeps D8.
  Status sync_vectors() {
    const Status synced = vectors_->file().sync();
    if (!synced.is_ok()) database_.committer().fail(synced);
    return synced;
  }

  // No commit is under way. Since the build holds the version it was made of, no slot that was live
  // then was given away since.
  Status put_in_force() {
    ROX_RETURN_IF_ERROR(database_.committer().failure());
    ROX_RETURN_IF_ERROR(collection_.usable());
    ROX_RETURN_IF_ERROR(database_.upgrade_format());
    const auto old_record = collection_.graph_record();
    is_named_ = true;  // whatever the write returns, the record may be on disk
    ROX_RETURN_IF_ERROR(collection_.write_graph_record(record_, true));
    collection_.serve_graph(
        {.graph = std::move(graph_), .record = record_, .tail = std::move(tail_)},
        database_.committer().next_commit_number(true));
    // Readers elsewhere may be about to read the old file; a later build or open removes it then.
    if (old_record.has_value() && !is_promotion_ && database_.no_readers_elsewhere()) {
      (void)database_.remove_stale_graphs(collection_);
    }
    return Status::ok();
  }

  DatabaseImpl& database_;
  CollectionImpl& collection_;
  const GraphBuildOptions& options_;
  std::shared_ptr<const Version> version_;       // what the graph is built of; shared with readers
  std::shared_ptr<index::VectorStore> vectors_;  // shared with the collection
  GraphBuildMemory memory_;
  std::unique_ptr<accel::GraphBuilder> builder_;
  base::AlignedBuffer rows_;
  std::vector<uint32_t> slots_;
  std::vector<uint64_t> tags_;
  bool is_promotion_ = false;  // the disk form is there; the resident one is made of its edges
  bool had_graph_ = false;     // before this build
  GraphPaths paths_;
  schema::GraphRecord record_;
  std::unique_ptr<index::DiskIndex> disk_;
  std::shared_ptr<const ServingGraph> graph_;
  CollectionImpl::TailBeside tail_;
  bool is_named_ = false;
  bool unloaded_ = false;
  bool lacked_memory_ = false;
};

}  // namespace

GraphBuildOutcome build_graph(DatabaseImpl& database, CollectionImpl& collection,
                              const GraphBuildOptions& options) {
  Status built;
  bool lacked_memory = false;
  {
    GraphBuild build(database, collection, options);
    built = build.run();
    lacked_memory = build.lacked_memory();
    if (!built.is_ok() && build.unloaded()) collection.let_graph_wait();
  }
  if (!built.is_ok() && built.code() != StatusCode::kCancelled) {
    collection.set_index_error(built.message());
  }
  database.maintainer().note_graph();  // there is memory again
  return {built, lacked_memory};
}

}  // namespace roxanne::database
