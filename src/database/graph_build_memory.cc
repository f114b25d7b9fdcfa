#include "database/graph_build_memory.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "database/database_impl.h"
#include "database/graph_upkeep.h"
#include "database/memory_limit.h"
#include "index/disk_build_bytes.h"
#include "index/resident_index.h"

namespace roxanne::database {
namespace {

// A build may take this many times the least it goes on with, where the budget has it: what does
// not fit goes through files.
constexpr uint64_t kBuildMemoryFactor = 8;
// One part in so many of what a disk form may take, beyond so much, is left to the allocator's own
// needs: below, what no part counts has a larger share already.
constexpr uint64_t kSpareShare = 16;
constexpr uint64_t kSpareFrom = 41u << 20;
// And so much to a graph that changes: its pages are less full than those of a build.
constexpr uint64_t kChangeShare = 14;
constexpr uint64_t kTagAndSlotBytes = sizeof(uint64_t) + sizeof(uint32_t);

uint64_t gathered_bytes(const CollectionOptions& options, uint64_t row_count) {
  return row_count * (options.dim * scalar_bytes(options.type) + kTagAndSlotBytes);
}

// What whoever serves may give to graphs.
uint64_t serving_limit(DatabaseImpl& database, const GraphBuildNeeds& needs) {
  const uint64_t limit = database.budget().limit();
  if (needs.serving_memory_bytes == 0) return limit;
  if (needs.serving_memory_bytes < kMemoryLimitMin) return 0;  // nothing but what it must have
  return std::min(limit, share_memory(needs.serving_memory_bytes).vectors_bytes);
}

// For a disk form, so that it fits beside its search buffers.
uint64_t disk_bytes(DatabaseImpl& database, const CollectionOptions& options,
                    const GraphBuildNeeds& needs) {
  const index::ResidentBytes serving = index::disk_serving_bytes(options, needs.row_count());
  const uint64_t lanes = database.options().thread_count * index::disk_lane_bytes(options);
  const uint64_t all = serving_limit(database, needs);
  const uint64_t limit = all - (all - std::min(all, kSpareFrom)) / kSpareShare;
  // It is to be changed there, too.
  const uint64_t taken = lanes + GraphUpkeep::buffer_bytes_of(all);
  const uint64_t left = limit - std::min(limit, taken);
  return std::clamp(left - left / kChangeShare, serving.least, serving.wanted);
}

Status reserve_for_resident(DatabaseImpl& database, const CollectionOptions& options,
                            const GraphBuildNeeds& needs, GraphBuildMemory& memory) {
  const index::ResidentBytes graph = index::resident_bytes(options, needs.row_count());
  const uint64_t build = index::build_bytes_least(options, needs.row_count());
  if (needs.serving_memory_bytes != 0 && graph.least > serving_limit(database, needs)) {
    return Status::unsupported("the graph would not fit where it is to be served");
  }
  const uint64_t least = resident_build_bytes_least(options, needs.row_count());
  ROX_ASSIGN_OR_RETURN(memory.reservation, needs.take(least));
  const uint64_t gathered = gathered_bytes(options, needs.row_count());
  const uint64_t wanted = gathered + graph.wanted + kBuildMemoryFactor * build;
  const uint64_t allowed = std::min(wanted, least + database.budget().left() / 2);
  if (allowed > least) (void)memory.reservation.resize(allowed);
  memory.build_bytes = memory.reservation.bytes() - gathered;
  memory.resident_bytes = std::clamp(memory.build_bytes - build, graph.least, graph.wanted);
  return Status::ok();
}

Status reserve_for_disk(DatabaseImpl& database, const CollectionOptions& options,
                        const GraphBuildNeeds& needs, GraphBuildMemory& memory) {
  const uint64_t least = index::disk_build_bytes_least(options, needs.row_count());
  ROX_ASSIGN_OR_RETURN(memory.reservation, needs.take(least));
  // All that is left but a little: more memory makes fewer and larger shards.
  const uint64_t allowed = std::max(least, least + database.budget().left() / 8 * 7);
  (void)memory.reservation.resize(allowed);
  memory.build_bytes = memory.reservation.bytes();
  return Status::ok();
}

}  // namespace

// The graph takes shape while rows and edges are still there.
uint64_t resident_build_bytes_least(const CollectionOptions& options, uint64_t row_count) {
  return gathered_bytes(options, row_count) + index::resident_bytes(options, row_count).least +
         index::build_bytes_least(options, row_count);
}

Result<GraphBuildMemory> reserve_for_build(DatabaseImpl& database, const CollectionOptions& options,
                                           const GraphBuildNeeds& needs) {
  GraphBuildMemory memory;
  const Status resident = reserve_for_resident(database, options, needs, memory);
  if (!resident.is_ok()) {
    if (needs.is_for_resident_only || !index::fits_disk_index(options)) return resident;
    memory.is_for_resident = false;
    ROX_RETURN_IF_ERROR(reserve_for_disk(database, options, needs, memory));
  }
  memory.disk_bytes = disk_bytes(database, options, needs);
  return memory;
}

}  // namespace roxanne::database
