#include "database/graph_maintainer.h"

#include <algorithm>

#include "base/background.h"
#include "base/stopwatch.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_upkeep.h"
#include "database/serving_graph.h"
#include "index/cache_warmer.h"

namespace roxanne::database {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kIdle = milliseconds::max();
constexpr milliseconds kAtOnce{0};
// How often what waits for time to pass is looked at.
constexpr milliseconds kTick{50};

// So many changes are worth a step; fewer wait for company, but not longer than this.
constexpr uint64_t kChangesTogether = 256;
constexpr milliseconds kPatience{200};
// Of one step: many changes at a time share pages, which are written once a piece. Who wants the
// graph for himself waits for seconds.
constexpr uint64_t kStepMax = 4096;
// From this pause on what was done is made durable, and slots are given back.
constexpr milliseconds kPause{2000};
// A graph that nobody searched is loaded where so many points changed: until then no slot is used
// again.
constexpr uint64_t kChangesBeforeLoad = 1024;
// A build that is due but rests is waited for so long.
constexpr seconds kShortRest{5};
constexpr seconds kRetryDelay{5};
constexpr seconds kRetryDelayMax{300};

// Larger batches do not wait: where they are too much for a graph to take in, it is built anew.
constexpr size_t kLargeBatchRows = 4096;
constexpr milliseconds kRoomPoll{20};
// From a writer's last wait on it is urgent for so long: those who write as fast as they can would
// soon wait again.
constexpr seconds kUrgency{5};

// A graph in force is searched for a while before its pages are brought to memory: who came for one
// search is gone by then.
constexpr seconds kBeforeWarming{1};

// Searches that take less than so much of a processor leave all of them to changes.
constexpr double kBusySearching = 0.25;

double mean_of(double before, double now) { return before + (now - before) / 4; }

}  // namespace

GraphMaintainer::~GraphMaintainer() { stop(); }

void GraphMaintainer::start() {
  runs_ = true;
  news_ = 1;     // what was there before
  (void)pool();  // made here: its threads inherit the niceness of whoever makes them
  threads_[0] = std::thread([this] {
    base::enter_background();
    run(false);
  });
  threads_[1] = std::thread([this] {
    base::take_short_turns();
    run(true);
  });
}

void GraphMaintainer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    runs_ = false;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void GraphMaintainer::note_commit() {
  std::lock_guard lock(mutex_);
  ++news_;
  last_commit_ = Clock::now();
  if (look_next_ == Clock::time_point::max()) changed_.notify_all();
}

void GraphMaintainer::note_graph() {
  std::lock_guard lock(mutex_);
  ++news_;
  changed_.notify_all();
}

size_t GraphMaintainer::thread_count(bool is_behind) {
  std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - asked_last_ >= kTick) {
    const uint64_t searching_us = searching_us_;
    const double passed_us = std::chrono::duration<double, std::micro>(now - asked_last_).count();
    const double busy = static_cast<double>(searching_us - searching_us_then_) / passed_us;
    is_searching_ = busy >= kBusySearching;
    asked_last_ = now;
    searching_us_then_ = searching_us;
  }
  const size_t all = database_.options().thread_count;
  return is_behind && !is_searching_ ? all : std::max<size_t>(1, all / 2);
}

base::ThreadPool& GraphMaintainer::pool() {
  std::lock_guard lock(mutex_);
  if (pool_ == nullptr) {
    const size_t helpers = database_.options().thread_count - 1;
    std::thread([&] {
      base::take_short_turns();
      pool_ = std::make_unique<base::ThreadPool>(helpers, helpers);
    }).join();
  }
  return *pool_;
}

bool GraphMaintainer::hands_over() const { return is_urgent_ && base::in_background(); }

UpdateCosts GraphMaintainer::costs() const {
  const UpdateCosts usual = usual_costs(database_.options().thread_count);
  std::lock_guard lock(mutex_);
  return {costs_.change_us > 0 ? costs_.change_us : usual.change_us,
          costs_.build_us > 0 ? costs_.build_us : usual.build_us};
}

void GraphMaintainer::note_changes(uint64_t count, double seconds) {
  if (count == 0) return;
  const double measured = seconds * 1e6 / static_cast<double>(count);
  const double before = costs().change_us;
  std::lock_guard lock(mutex_);
  costs_.change_us = mean_of(before, measured);
}

void GraphMaintainer::note_build(uint64_t points, double seconds) {
  if (points == 0) return;
  const double measured = seconds * 1e6 / static_cast<double>(points);
  const double before = costs().build_us;
  std::lock_guard lock(mutex_);
  costs_.build_us = mean_of(before, measured);
}

// Both threads run this, and one at a time looks around: the one of the usual priority while
// somebody waits for it.
void GraphMaintainer::run(bool for_urgent) {
  std::unique_lock lock(mutex_);
  const auto is_my_turn = [&] { return !is_looking_ && is_urgent_ == for_urgent; };
  const auto is_due = [&] {
    if (look_next_ == Clock::time_point::max()) return news_ != seen_;
    return look_next_ <= Clock::now();
  };
  while (!stopping_) {
    if (!is_my_turn() || !is_due()) {
      const bool is_timed = is_my_turn() && look_next_ != Clock::time_point::max();
      if (is_timed) {
        const auto until = look_next_;  // others change it
        changed_.wait_until(lock, until);
      } else {
        changed_.wait(lock);
      }
      continue;
    }
    is_looking_ = true;
    look_next_ = Clock::time_point();  // nobody needs to be told of news
    seen_ = news_;
    lock.unlock();
    const milliseconds wait = look_around();
    lock.lock();
    if (Clock::now() - last_wait_ >= kUrgency) is_urgent_ = false;
    is_looking_ = false;
    if (is_urgent_ != for_urgent) {
      changed_.notify_all();  // the other looks around at once
    } else {
      look_next_ = wait == kIdle ? Clock::time_point::max() : Clock::now() + wait;
    }
  }
}

GraphMaintainer::Milliseconds GraphMaintainer::look_around() {
  milliseconds wait = kIdle;
  for (const auto& collection : database_.collections()) {
    Watch& watch = watches_[collection->id()];
    wait = std::min(wait, look_at(*collection, watch));
    wait = std::min(wait, warm(*collection, watch));
  }
  return wait;
}

// Where all pages of a graph fit in memory, they come there: after opening, and after a build.
GraphMaintainer::Milliseconds GraphMaintainer::warm(CollectionImpl& collection, Watch& watch) {
  if (!base::in_background()) return kIdle;
  const auto version = collection.version();
  if (version == nullptr || version->graph == nullptr || version->graph->disk == nullptr) {
    return kIdle;
  }
  index::DiskIndex& disk = *version->graph->disk;
  const auto now = Clock::now();
  if (watch.warmed.lock() != version->graph) {
    watch.warmed = version->graph;
    watch.warm_from = now + kBeforeWarming;
    watch.warm_next = 0;
    watch.is_warm = false;
  }
  if (watch.is_warm || disk.cache_bytes() < disk.cache_bytes_for_all()) return kIdle;
  if (now < watch.warm_from) return std::chrono::ceil<milliseconds>(watch.warm_from - now);
  const Result<uint32_t> next = index::warm_cache(disk, watch.warm_next);
  watch.is_warm = !next.is_ok() || *next == 0;
  if (watch.is_warm) return kIdle;
  watch.warm_next = *next;
  return kAtOnce;
}

bool GraphMaintainer::writes_paused() const {
  std::lock_guard lock(mutex_);
  return Clock::now() - last_commit_ >= kPause;
}

bool GraphMaintainer::is_able(CollectionImpl& collection, const Watch& watch) const {
  return collection.usable().is_ok() && database_.committer().failure().is_ok() &&
         !collection.is_being_built && collection.upkeep().can_work() &&
         Clock::now() >= watch.not_before;
}

GraphMaintainer::Milliseconds GraphMaintainer::look_at(CollectionImpl& collection, Watch& watch) {
  if (collection.graph_waits() && collection.changes_since_open() >= kChangesBeforeLoad) {
    collection.load_waiting_graph();
  }
  if (const auto version = collection.version(); version != nullptr && version->graph != nullptr) {
    fit_cache(database_, *version->graph);  // what took memory may have given it back
  }
  const bool is_able = this->is_able(collection, watch);
  collection.is_maintained = is_able;
  if (is_able) return work(collection, watch);
  watch.behind_since = Clock::time_point();
  // Whatever else keeps it from working ends with news.
  const auto left = std::chrono::ceil<milliseconds>(watch.not_before - Clock::now());
  return left > kAtOnce ? left : kIdle;
}

GraphMaintainer::Milliseconds GraphMaintainer::work(CollectionImpl& collection, Watch& watch) {
  auto version = collection.version();
  if (version == nullptr || version->graph == nullptr) return kIdle;
  const GraphLag lag = lag_of(*version);
  const bool is_image = version->graph->resident != nullptr;
  version.reset();  // its graph may have to make room
  if (is_image && !is_image_outdated(lag, collection.rules())) return kIdle;
  // Soon it is built anew: to take points into this one would be work for nothing.
  const bool awaits_build = collection.build_not_before.load() <= Clock::now() + kShortRest &&
                            is_bulk_build_due(lag, collection.rules(), costs());
  if (awaits_build) collection.is_maintained = false;
  GraphUpkeep& upkeep = collection.upkeep();
  if (awaits_build || upkeep.is_wanted()) return kTick;

  const auto now = Clock::now();
  if (lag.pending() == 0) watch.behind_since = Clock::time_point();
  if (lag.pending() > 0 && watch.behind_since == Clock::time_point()) watch.behind_since = now;
  const bool is_due = is_image || lag.tail >= kChangesTogether ||
                      collection.slots().dead_count() >= kChangesTogether ||
                      (lag.pending() > 0 && now - watch.behind_since >= kPatience);
  uint64_t done = 0;
  Status status;
  if (is_due) {
    status = step(collection, done);
    watch.behind_since = Clock::time_point();
  }
  const bool is_quiet = done == 0 && writes_paused();
  const auto held = upkeep.hold();
  if (collection.is_being_built) return kTick;
  if (status.is_ok() && (upkeep.is_checkpoint_due() || is_quiet)) status = upkeep.checkpoint();
  bool has_more = false;
  if (status.is_ok() && lag.pending() == 0) {
    const Result<bool> rested = upkeep.rest(is_quiet);
    status = rested.status();
    has_more = rested.is_ok() && *rested;
  }
  if (!status.is_ok()) {
    note_failure(collection, watch, status);
    return kTick;
  }
  // A build that was refused is not missed any more where the graph has caught up.
  if (watch.next_delay.count() > 0 || (done > 0 && collection.lag().pending() == 0)) {
    collection.set_index_error("");
  }
  watch.next_delay = seconds::zero();
  if (done > 0 || has_more) return kAtOnce;
  if (lag.pending() > 0 || upkeep.changes_since_checkpoint() > 0 || upkeep.has_idle_space()) {
    return kTick;
  }
  if (is_quiet) database_.index_builder().note_commit();  // a resident form may pay now
  return kIdle;
}

Status GraphMaintainer::step(CollectionImpl& collection, uint64_t& done) {
  // Until their end is durable, dead points stay.
  const bool waits_for_sync = database_.options().durability != Durability::kFull &&
                              collection.lag().dead > collection.slots().dead_count();
  if (waits_for_sync && writes_paused()) {
    const Status synced = database_.committer().sync_commits();
    if (!synced.is_ok()) return synced;
  }
  const auto held = collection.upkeep().hold();
  if (collection.is_being_built) return Status::ok();
  base::Stopwatch timer;
  const Result<uint64_t> stepped = collection.upkeep().step(kStepMax);
  if (!stepped.is_ok()) return stepped.status();
  done = *stepped;
  if (done == 0) return Status::ok();
  note_changes(done, timer.lap_us() / 1e6);
  std::lock_guard lock(mutex_);
  changed_.notify_all();  // there may be room
  return Status::ok();
}

// Nothing stops for it: what is not in the graph is compared with. Told by info(), tried again
// later.
void GraphMaintainer::note_failure(CollectionImpl& collection, Watch& watch, const Status& status) {
  collection.is_maintained = false;
  collection.set_index_error(status.message());
  if (watch.next_delay.count() == 0) watch.next_delay = kRetryDelay;
  watch.not_before = Clock::now() + watch.next_delay;
  watch.next_delay = std::min(2 * watch.next_delay, kRetryDelayMax);
  std::lock_guard lock(mutex_);
  changed_.notify_all();
}

bool GraphMaintainer::holds_up(const CollectionImpl& collection) const {
  if (!collection.is_maintained || collection.is_being_built) return false;
  const auto version = collection.version();
  return version != nullptr && version->graph != nullptr &&
         version->tail.count() > tail_rows_max(collection.rules());
}

void GraphMaintainer::wait_for_room(CollectionImpl& collection, size_t row_count) {
  if (row_count >= kLargeBatchRows || !holds_up(collection)) return;
  std::unique_lock lock(mutex_);
  while (runs_ && holds_up(collection)) {
    last_wait_ = Clock::now();
    if (!is_urgent_.exchange(true)) changed_.notify_all();
    changed_.wait_for(lock, kRoomPoll);
  }
}

}  // namespace roxanne::database
