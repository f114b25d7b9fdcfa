#include "database/graph_bring_up.h"

#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/graph_maintainer.h"
#include "database/graph_policy.h"
#include "database/graph_upkeep.h"

namespace roxanne::database {
namespace {

// Of taking points in, before a resident form is made.
constexpr double kDrainShare = 0.5;

// What part of the progress of a whole is told of a part of it.
GraphBuildOptions part_of(const GraphBuildOptions& whole, double begin, double share) {
  GraphBuildOptions part = whole;
  if (!whole.progress) return part;
  part.progress = [&whole, begin, share](std::string_view phase, double fraction) {
    return whole.progress(phase, begin + share * fraction);
  };
  return part;
}

// Whether points wait that the graph, changed in place, can take in.
bool can_drain(const CollectionImpl& collection, const GraphBuildOptions& options) {
  if (options.in_background || options.rebuild || !collection.upkeep().can_work()) return false;
  const auto version = collection.version();
  if (version == nullptr || version->graph == nullptr) return false;
  const GraphLag lag = lag_of(*version);
  if (version->graph->resident != nullptr && !is_image_outdated(lag, collection.rules())) {
    return false;
  }
  return lag.pending() > 0;
}

// Whether to build it anew costs more.
bool should_drain(DatabaseImpl& database, const CollectionImpl& collection) {
  const GraphLag lag = lag_of(*collection.version());
  return lag.points < database.index_points_min() ||
         !prefers_build(lag, database.maintainer().costs());
}

Status drain(DatabaseImpl& database, CollectionImpl& collection, const GraphBuildOptions& options) {
  base::Stopwatch timer;
  const uint64_t before = collection.lag().pending();
  const auto held = collection.upkeep().hold();
  const Status drained = collection.upkeep().drain(options.progress, *options.cancelled);
  if (drained.is_ok()) {
    database.maintainer().note_changes(before, timer.lap_us() / 1e6);
    collection.set_index_error("");
  } else if (drained.code() != StatusCode::kCancelled) {
    collection.set_index_error(drained.message());
  }
  return drained;
}

}  // namespace

Status bring_up_graph(DatabaseImpl& database, CollectionImpl& collection,
                      const GraphBuildOptions& options) {
  collection.load_waiting_graph();
  const bool drains = can_drain(collection, options);
  if (!drains || !should_drain(database, collection)) {
    const GraphBuildOutcome built = build_graph(database, collection, options);
    // Where memory does not allow a build the graph that is there takes in what it can.
    if (!drains || !built.lacked_memory) return built.status;
    collection.load_waiting_graph();
    return can_drain(collection, options) ? drain(database, collection, options) : built.status;
  }
  const GraphBuildOptions first = part_of(options, 0, kDrainShare);
  ROX_RETURN_IF_ERROR(drain(database, collection, first));
  // Up to now, it may have a resident form.
  const GraphBuildOptions second = part_of(options, kDrainShare, 1 - kDrainShare);
  return build_graph(database, collection, second).status;
}

}  // namespace roxanne::database
