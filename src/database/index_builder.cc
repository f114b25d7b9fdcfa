#include "database/index_builder.h"

#include <algorithm>

#include "accel/graph_builder.h"
#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_bring_up.h"
#include "database/graph_maintainer.h"
#include "database/graph_policy.h"
#include "database/graph_upkeep.h"
#include "database/move_points.h"

namespace roxanne::database {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// While a load goes on, a build would be out of date when it ends: the background waits for a pause
// of this length, but not longer than that, nor where searches compare with more points than the
// graph has, nor where a build takes no time to speak of.
constexpr milliseconds kWritePause{1000};
constexpr seconds kRipeAfter{30};
constexpr double kShortBuildSeconds = 5;
// The background rests this many times as long as a build took: a collection that never pauses is
// built for a fifth of the time.
constexpr int kRestFactor = 4;
constexpr seconds kRetryDelay{60};
constexpr seconds kRetryDelayMax{3600};
// A caller that waits for its turn is asked this often whether it still wants to.
constexpr milliseconds kTurnPoll{50};

}  // namespace

IndexBuilder::~IndexBuilder() { stop(); }

void IndexBuilder::start() {
  commits_noted_ = 1;  // what was there before counts as a change
  thread_ = std::thread([this] { run(); });
}

void IndexBuilder::stop() {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    cancelled_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return building_ == 0; });
  }
  if (thread_.joinable()) thread_.join();
}

void IndexBuilder::note_commit() {
  std::lock_guard lock(mutex_);
  ++commits_noted_;
  if (awaits_commit_) changed_.notify_all();
}

IndexBuilder::Ban::Ban(IndexBuilder& builder, uint32_t collection)
    : builder_(builder), collection_(collection) {
  std::unique_lock lock(builder_.mutex_);
  builder_.banned_.insert(collection_);
  if (builder_.building_ == collection_) builder_.cancelled_ = true;
  builder_.changed_.wait(lock, [this] { return builder_.building_ != collection_; });
}

IndexBuilder::Ban::~Ban() {
  std::lock_guard lock(builder_.mutex_);
  builder_.banned_.erase(collection_);
}

// Waits for this build's turn.
Status IndexBuilder::begin(const CollectionImpl& collection, const IndexOptions& options) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (stopping_) return Status::cancelled("the database is being closed");
    if (banned_.contains(collection.id())) {
      return Status::cancelled("collection " + collection.name() + " is being dropped");
    }
    if (building_ == 0) break;
    changed_.wait_for(lock, kTurnPoll);
    lock.unlock();
    if (options.progress && !options.progress("wait", 0)) {
      return Status::cancelled("stopped on request");
    }
    lock.lock();
  }
  building_ = collection.id();
  cancelled_ = false;
  return Status::ok();
}

void IndexBuilder::end() {
  std::lock_guard lock(mutex_);
  building_ = 0;
  changed_.notify_all();
}

Status IndexBuilder::build(const std::shared_ptr<CollectionImpl>& collection,
                           const IndexOptions& options) {
  return build_in_turn(*collection, options, Caller::kAsked);
}

Status IndexBuilder::build_in_turn(CollectionImpl& collection, const IndexOptions& options,
                                   Caller caller) {
  ROX_RETURN_IF_ERROR(collection.usable());
  ROX_RETURN_IF_ERROR(database_.check_writable());
  ROX_RETURN_IF_ERROR(accel::check_accelerator(options.accelerator));
  ROX_RETURN_IF_ERROR(begin(collection, options));
  struct Turn {
    IndexBuilder& builder;
    ~Turn() { builder.end(); }
  } turn{*this};
  return bring_up_graph(database_, collection,
                        {.in_background = caller == Caller::kBackground,
                         .rebuild = options.rebuild,
                         .serving_memory_bytes = options.serving_memory_bytes,
                         .accelerator = options.accelerator,
                         .device_memory_bytes = options.device_memory_bytes,
                         .report = options.report,
                         .progress = options.progress,
                         .cancelled = &cancelled_});
}

void IndexBuilder::run() {
  uint64_t seen = 0;
  Clock::time_point look_again = Clock::time_point::max();
  std::unique_lock lock(mutex_);
  const auto stops = [this] { return stopping_; };
  while (!stopping_) {
    // Asleep until something is written, or a failed build may be tried again.
    awaits_commit_ = true;
    const auto is_needed = [&] { return stopping_ || commits_noted_ != seen; };
    if (look_again == Clock::time_point::max()) {
      changed_.wait(lock, is_needed);
    } else {
      changed_.wait_until(lock, look_again, is_needed);
    }
    awaits_commit_ = false;
    while (!stopping_) {
      const uint64_t before = commits_noted_;
      changed_.wait_for(lock, kWritePause, stops);
      if (stopping_) return;
      const bool writes_paused = commits_noted_ == before;
      seen = commits_noted_;
      lock.unlock();
      look_again = look_around(writes_paused);
      lock.lock();
      if (writes_paused) break;
    }
  }
}

IndexBuilder::Clock::time_point IndexBuilder::look_around(bool writes_paused) {
  auto look_again = Clock::time_point::max();
  const auto goes_on = [this] {
    std::lock_guard lock(mutex_);
    return !stopping_;
  };
  for (const auto& collection : database_.collections()) {
    // Before a build, which would name the slots. What fails is tried again after later writes.
    if (writes_paused) {
      (void)give_up_graph_of_few(*collection);
      (void)tidy_slots(database_, *collection, goes_on);
    }
    Watch& watch = watches_[collection->id()];
    if (!is_due(*collection)) {
      watch.due_since = Clock::time_point();
      continue;
    }
    const auto now = Clock::now();
    if (watch.due_since == Clock::time_point()) watch.due_since = now;
    if (now >= watch.not_before && is_ripe(*collection, watch, writes_paused)) {
      build_in_background(collection, watch);
      look_again = now;  // slots that the graph before named may be free
    }
    collection->build_not_before = watch.not_before;
    if (watch.not_before > now) look_again = std::min(look_again, watch.not_before);
  }
  return look_again;
}

// Where so few points are left that no search goes by the graph it is in the way: it keeps slots
// from being used again, and its files on disk.
Status IndexBuilder::give_up_graph_of_few(CollectionImpl& collection) {
  if (!collection.lacks_points_for_its_graph()) return Status::ok();
  const auto held = collection.upkeep().hold();
  return database_.committer().run_alone([&]() -> Status {
    ROX_RETURN_IF_ERROR(database_.check_writable());
    ROX_RETURN_IF_ERROR(collection.usable());
    if (collection.is_being_built || !collection.lacks_points_for_its_graph()) return Status::ok();
    return collection.upkeep().give_up_graph();
  });
}

// A graph that changes in place is built anew for a bulk only; when it has caught up with its
// points and has no resident form, that may pay. Of a graph that no search has asked for yet its
// record tells, as far as it can.
bool IndexBuilder::is_due(const CollectionImpl& collection) const {
  const auto version = collection.version();
  if (version == nullptr) return false;
  const GraphRules rules = collection.rules();
  const auto record = collection.graph_record();
  GraphLag lag = lag_of(*version);
  if (collection.graph_waits() && record.has_value()) {
    lag.nodes = record->node_count;
    lag.tail = lag.points - std::min(lag.points, lag.nodes);
    lag.dead = lag.nodes - std::min(lag.points, lag.nodes);
  }
  if (lag.nodes > 0 && record.has_value() && record->is_changeable) {
    return is_bulk_build_due(lag, rules, database_.maintainer().costs()) ||
           (collection.upkeep().changes_since_checkpoint() == 0 &&
            collection.may_become_resident(*version));
  }
  return is_renewal_due(lag, rules) || collection.may_become_resident(*version);
}

bool IndexBuilder::is_ripe(const CollectionImpl& collection, const Watch& watch,
                           bool writes_paused) const {
  if (writes_paused || Clock::now() - watch.due_since >= kRipeAfter) return true;
  const GraphLag lag = collection.lag();
  const double seconds =
      static_cast<double>(lag.points) * database_.maintainer().costs().build_us / 1e6;
  // The first graph, too: until it is there, every search compares with everything.
  return lag.tail > lag.nodes || seconds <= kShortBuildSeconds;
}

// Failures stop nothing: they are told by info(), and tried again later.
void IndexBuilder::build_in_background(const std::shared_ptr<CollectionImpl>& collection,
                                       Watch& watch) {
  const auto start = Clock::now();
  const Status built = build_in_turn(*collection, {}, Caller::kBackground);
  const auto end = Clock::now();
  watch.due_since = Clock::time_point();
  // A build that was overtaken by writes, and stopped, rests like one that was done.
  if (built.is_ok() || built.code() == StatusCode::kCancelled) {
    watch.not_before = end + kRestFactor * (end - start);
    watch.next_delay = seconds::zero();
    return;
  }
  if (watch.next_delay.count() == 0) watch.next_delay = kRetryDelay;
  watch.not_before = end + watch.next_delay;
  watch.next_delay = std::min(2 * watch.next_delay, kRetryDelayMax);
}

}  // namespace roxanne::database
