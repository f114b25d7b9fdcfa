// How a collection is searched: through its graph where one serves, and by comparing with every
// vector that the graph does not name.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "base/deadline.h"
#include "base/status_macros.h"
#include "base/stopwatch.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/door.h"
#include "database/graph_maintainer.h"
#include "database/schema.h"

namespace roxanne::database {
namespace {

// Below this many query-row pairs, waking another thread costs more than it brings.
constexpr uint64_t kPairsPerLane = 32 * 1024;
// A walk through a graph costs about as much as comparing with so many rows.
constexpr uint64_t kPairsPerWalk = 4 * 1024;
constexpr size_t kQueriesPerDiskLane = 4;
// Bounds the candidate lists of one pass over the vectors.
constexpr size_t kCandidateBytesMax = 32u << 20;
constexpr size_t kCandidateBytes = 24;
constexpr size_t kQueriesPerPassMax = 4096;

// `watch` may be null.
index::GraphSearchOptions graph_options(const SearchOptions& options, base::Stopwatch* watch) {
  const size_t size = options.search_list_size;
  return {.k = options.k,
          .search_list_size = size == 0 ? 0 : std::max(size, options.k),
          .watch = watch};
}

SearchStats cost_of(const index::GraphSearchStats& walks) {
  return {.distance_computations = walks.distance_computations,
          .hops = walks.hops,
          .seed_us = walks.seed_us,
          .walk_us = walks.walk_us,
          .search_list_size_used = walks.search_list_size_used};
}

bool is_nearer(const index::ScanNeighbor& a, const index::ScanNeighbor& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

// Whether a walk brought fewer nodes than there are: a graph whose nodes are mostly dead, say. Then
// the k nearest are found by comparing. A graph that changes may have brought points of the tail.
bool is_short(const std::vector<index::ScanNeighbor>& found, const SearchOptions& options,
              const Version& version) {
  if (found.size() >= options.k) return false;
  size_t nodes = found.size();
  if (version.tail.count() > 0) {
    for (const auto& one : found) {
      if (version.tail.slots.contains(static_cast<uint32_t>(one.id))) --nodes;
    }
  }
  return nodes < version.live.count() - version.tail.count();
}

// The k nearest of two lists, by distance. What both have is taken once: a point may be found in
// the tail and in a graph that has taken it in meanwhile.
void merge(std::vector<index::ScanNeighbor>& found, const std::vector<index::ScanNeighbor>& more,
           size_t k) {
  std::vector<uint64_t> ids(found.size());
  std::transform(found.begin(), found.end(), ids.begin(), [](const auto& one) { return one.id; });
  std::sort(ids.begin(), ids.end());
  const auto middle = static_cast<ptrdiff_t>(found.size());
  for (const index::ScanNeighbor& one : more) {
    if (!std::binary_search(ids.begin(), ids.end(), one.id)) found.push_back(one);
  }
  std::inplace_merge(found.begin(), found.begin() + middle, found.end(), is_nearer);
  if (found.size() > k) found.resize(k);
}

}  // namespace

size_t CollectionImpl::lane_count(uint64_t work_per_query, size_t queries,
                                  const SearchOptions& options) const {
  const uint64_t pairs = work_per_query * queries;
  const size_t wanted =
      options.thread_count != 0 ? options.thread_count : database_->pool().thread_count() + 1;
  const size_t worth = static_cast<size_t>(std::max<uint64_t>(1, pairs / kPairsPerLane));
  return std::min({wanted, worth, database_->pool().thread_count() + 1});
}

// Null where the collection is gone or did not open: usable() says why.
std::shared_ptr<const Version> CollectionImpl::version_to_search(const SearchOptions& options) {
  std::shared_ptr<const Version> version = this->version();
  if (version == nullptr || version->graph != nullptr || options.exact) return version;
  if (!graph_waits_ || !is_worth_a_graph(version->live.count())) return version;
  load_waiting_graph();
  return this->version();
}

// The common case has a way of its own, which takes one lock and does not ask the store.
Result<std::vector<Neighbor>> CollectionImpl::search(const VectorView& query,
                                                     const SearchOptions& options) {
  std::optional<base::Stopwatch> timer;
  if (options.stats != nullptr) timer.emplace();
  base::Stopwatch* const watch = timer.has_value() ? &*timer : nullptr;
  ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));
  ROX_RETURN_IF_ERROR(check_queries(query, this->options()));
  const std::shared_ptr<const Version> version = version_to_search(options);
  if (version == nullptr) return usable();
  if (version->graph == nullptr || version->graph->resident == nullptr || options.exact ||
      version->tail.count() > 0) {
    ROX_ASSIGN_OR_RETURN(auto results, search(static_cast<const MatrixView&>(query), options));
    return std::move(results.front());
  }
  const double before_us = watch != nullptr ? watch->lap_us() : 0;
  index::GraphSearchStats stats;
  Found found;
  found.reserve(std::min<uint64_t>(options.k, version->live.count()));
  version->graph->resident->search(query, version->live, graph_options(options, watch), found,
                                   stats);
  if (is_short(found, options, *version)) {
    ROX_ASSIGN_OR_RETURN(auto results, search(static_cast<const MatrixView&>(query), options));
    return std::move(results.front());
  }
  ROX_ASSIGN_OR_RETURN(auto neighbors, to_neighbors(*version, found, options));
  if (watch != nullptr) {
    SearchStats cost = cost_of(stats);
    cost.queries = 1;
    cost.result_us = watch->lap_us();
    cost.latency_us = before_us + cost.seed_us + cost.walk_us + cost.result_us;
    *options.stats += cost;
  }
  return neighbors;
}

Result<std::vector<Neighbor>> CollectionImpl::search_like(const Key& key,
                                                          const SearchOptions& options) {
  ROX_ASSIGN_OR_RETURN(const Point point, get(key, {.with_payload = false}));
  SearchOptions with_itself = options;
  ++with_itself.k;
  ROX_ASSIGN_OR_RETURN(auto neighbors, search(point.vector.view(), with_itself));
  const auto is_itself = [&](const Neighbor& neighbor) { return neighbor.key == key; };
  neighbors.erase(std::remove_if(neighbors.begin(), neighbors.end(), is_itself), neighbors.end());
  // A search that is not exact may have missed it.
  if (neighbors.size() > options.k) neighbors.resize(options.k);
  return neighbors;
}

Result<std::vector<std::vector<Neighbor>>> CollectionImpl::search(const MatrixView& queries,
                                                                  const SearchOptions& options) {
  base::Stopwatch watch;
  ROX_RETURN_IF_ERROR(usable());
  ROX_RETURN_IF_ERROR(check_queries(queries, this->options()));
  const std::shared_ptr<const Version> version = version_to_search(options);
  if (version == nullptr) return usable();
  SearchStats stats;
  std::vector<std::vector<Neighbor>> results;
  results.reserve(queries.rows());
  const size_t lanes = lane_count(version->live.slot_end(), queries.rows(), options);
  const size_t per_pass = std::clamp<size_t>(
      kCandidateBytesMax /
          (lanes * std::min<uint64_t>(options.k, version->live.count() + 1) * kCandidateBytes),
      1, kQueriesPerPassMax);
  for (size_t first = 0; first < queries.rows(); first += per_pass) {
    const size_t count = std::min(per_pass, queries.rows() - first);
    ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));
    ROX_RETURN_IF_ERROR(
        search_block(*version, queries.slice(first, count), options, results, stats));
  }
  const double us = watch.lap_us();
  database_->maintainer().note_search(us);
  if (options.stats != nullptr) {
    stats.queries = queries.rows();
    stats.latency_us = us;
    *options.stats += stats;
  }
  return results;
}

Status CollectionImpl::search_block(const Version& version, const MatrixView& queries,
                                    const SearchOptions& options,
                                    std::vector<std::vector<Neighbor>>& results,
                                    SearchStats& stats) const {
  const bool walks = version.graph != nullptr && !options.exact;
  std::vector<Found> found(queries.rows());
  if (walks) {
    ROX_ASSIGN_OR_RETURN(found, search_graph(version, queries, options, stats));
    ROX_RETURN_IF_ERROR(complete(version, queries, options, found, stats));
  }
  if (walks) {
    ROX_RETURN_IF_ERROR(compare_tail(version, queries, options, found, stats));
  } else if (version.live.count() > 0) {
    ROX_ASSIGN_OR_RETURN(found, scan_slots(version.live, queries, options, stats));
  }
  base::Stopwatch watch;
  for (const Found& one : found) {
    ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));
    ROX_ASSIGN_OR_RETURN(auto neighbors, to_neighbors(version, one, options));
    results.push_back(std::move(neighbors));
  }
  stats.result_us += watch.lap_us();
  return Status::ok();
}

// Keeps the promise of k answers.
Status CollectionImpl::complete(const Version& version, const MatrixView& queries,
                                const SearchOptions& options, std::vector<Found>& found,
                                SearchStats& stats) const {
  index::LiveSet nodes;
  for (size_t q = 0; q < queries.rows(); ++q) {
    if (!is_short(found[q], options, version)) continue;
    if (nodes.count() == 0) nodes = index::without(version.live, version.tail.slots);
    ROX_ASSIGN_OR_RETURN(auto scanned, scan_slots(nodes, queries.slice(q, 1), options, stats));
    found[q] = std::move(scanned.front());
  }
  return Status::ok();
}

Result<std::vector<CollectionImpl::Found>> CollectionImpl::search_graph(
    const Version& version, const MatrixView& queries, const SearchOptions& options,
    SearchStats& stats) const {
  if (version.graph->disk != nullptr) return search_disk(version, queries, options, stats);
  return search_resident(version, queries, options, stats);
}

// A read that fails ends the call it was made for; others do not hear of it.
Result<std::vector<CollectionImpl::Found>> CollectionImpl::search_disk(const Version& version,
                                                                       const MatrixView& queries,
                                                                       const SearchOptions& options,
                                                                       SearchStats& stats) const {
  const size_t threads =
      options.thread_count != 0 ? options.thread_count : database_->pool().thread_count() + 1;
  // A thread keeps some queries under way before another is worth waking.
  const size_t lanes = (queries.rows() + kQueriesPerDiskLane - 1) / kQueriesPerDiskLane;
  std::vector<index::DiskOutcome> outcomes = version.graph->disk->search(
      queries, version.live, database_->pool(),
      {.k = options.k,
       .search_list_size = options.search_list_size,
       .thread_count = std::min({threads, lanes, database_->pool().thread_count() + 1}),
       .deadline = options.deadline});
  std::vector<Found> found(queries.rows());
  for (size_t q = 0; q < queries.rows(); ++q) {
    ROX_RETURN_IF_ERROR(outcomes[q].status);
    outcomes[q].stats.queries = 0;  // counted by the caller
    stats += outcomes[q].stats;
    found[q] = std::move(outcomes[q].found);
  }
  return found;
}

Result<std::vector<CollectionImpl::Found>> CollectionImpl::search_resident(
    const Version& version, const MatrixView& queries, const SearchOptions& options,
    SearchStats& stats) const {
  std::vector<Found> found(queries.rows());
  std::atomic<size_t> next{0};
  std::mutex stats_mutex;  // guards stats
  const auto run_lane = [&](size_t) {
    index::GraphSearchStats lane_stats;
    base::Stopwatch timer;
    base::Stopwatch* const watch = options.stats != nullptr ? &timer : nullptr;
    for (size_t q = next++; q < queries.rows() && !base::has_passed(options.deadline); q = next++) {
      const VectorView query(queries.type(), queries.row(q), queries.dim());
      version.graph->resident->search(query, version.live, graph_options(options, watch), found[q],
                                      lane_stats);
    }
    std::lock_guard lock(stats_mutex);
    stats += cost_of(lane_stats);
  };
  const size_t lanes = lane_count(kPairsPerWalk, queries.rows(), options);
  database_->pool().run(std::min(lanes, queries.rows()), run_lane);
  ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));
  return found;
}

// With what no graph names yet: rows in memory, and those that did not fit there.
Status CollectionImpl::compare_tail(const Version& version, const MatrixView& queries,
                                    const SearchOptions& options, std::vector<Found>& found,
                                    SearchStats& stats) const {
  const Tail& tail = version.tail;
  if (tail.rows.count() > 0) {
    ROX_ASSIGN_OR_RETURN(const std::vector<Found> scanned,
                         scan_tail_rows(tail.rows, queries, options, stats));
    for (size_t q = 0; q < queries.rows(); ++q) merge(found[q], scanned[q], options.k);
  }
  if (tail.on_disk.count() > 0) {
    ROX_ASSIGN_OR_RETURN(const std::vector<Found> scanned,
                         scan_slots(tail.on_disk, queries, options, stats));
    for (size_t q = 0; q < queries.rows(); ++q) merge(found[q], scanned[q], options.k);
  }
  return Status::ok();
}

Result<std::vector<CollectionImpl::Found>> CollectionImpl::scan_tail_rows(
    const TailRows& rows, const MatrixView& queries, const SearchOptions& options,
    SearchStats& stats) const {
  const size_t lanes =
      std::min(lane_count(rows.count(), queries.rows(), options), rows.piece_count());
  base::Stopwatch watch;
  index::ExactScan scan(queries, this->options().metric, options.k, lanes);
  stats.seed_us += watch.lap_us();
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> lanes_ns{0};
  database_->pool().run(lanes, [&](size_t lane) {
    base::Stopwatch lane_watch;
    for (size_t piece = next++; piece < rows.piece_count() && !base::has_passed(options.deadline);
         piece = next++) {
      scan.scan(lane, rows.piece(piece));
    }
    lanes_ns += static_cast<uint64_t>(lane_watch.lap_us() * 1000);
  });
  ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));
  watch.lap_us();
  std::vector<Found> found = scan.finish();
  for (Found& one : found) {
    for (index::ScanNeighbor& neighbor : one) neighbor.id = rows.slot_of(neighbor.id);
    std::sort(one.begin(), one.end(), is_nearer);
  }
  stats.distance_computations += scan.distance_computations();
  stats.walk_us += static_cast<double>(lanes_ns) / 1000 + watch.lap_us();
  return found;
}

Result<std::vector<CollectionImpl::Found>> CollectionImpl::scan_slots(const index::LiveSet& slots,
                                                                      const MatrixView& queries,
                                                                      const SearchOptions& options,
                                                                      SearchStats& stats) const {
  const std::shared_ptr<index::VectorStore> vectors = this->vectors();
  if (vectors == nullptr) {
    ROX_RETURN_IF_ERROR(usable());
    return Status::not_found("collection " + name() + " was dropped");
  }
  const size_t lanes = lane_count(slots.count(), queries.rows(), options);
  base::Stopwatch watch;
  index::ExactScan scan(queries, this->options().metric, options.k, lanes);
  stats.seed_us += watch.lap_us();
  index::ScanCost cost;
  const auto latest = [this]() -> std::shared_ptr<const index::LiveSet> {
    const std::shared_ptr<const Version> newest = this->version();
    if (newest == nullptr) return std::make_shared<index::LiveSet>();
    return {newest, &newest->live};
  };
  ROX_RETURN_IF_ERROR(
      vectors->scan_all(slots, latest, {database_->pool(), lanes, options.deadline}, scan, cost));
  watch.lap_us();
  std::vector<Found> found = scan.finish();
  const double wait_us = static_cast<double>(cost.read_wait_ns) / 1000;
  stats += {.reads = cost.reads,
            .bytes_read = cost.bytes_read,
            .cache_hits = cost.cache_hits,
            .read_rounds = cost.read_rounds,
            .distance_computations = scan.distance_computations(),
            .walk_us = static_cast<double>(cost.lanes_ns) / 1000 - wait_us + watch.lap_us(),
            .read_wait_us = wait_us};
  return found;
}

Result<std::vector<Neighbor>> CollectionImpl::to_neighbors(const Version& version,
                                                           const Found& found,
                                                           const SearchOptions& options) const {
  const auto& store = database_->store();
  const auto look_up = [&](char table) {
    std::vector<std::string> keys;
    for (const auto& neighbor : found) {
      keys.push_back(schema::slot_key(table, id_, static_cast<uint32_t>(neighbor.id)));
    }
    return store->get_many(keys, version.snapshot.get());
  };
  std::vector<Neighbor> neighbors(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    neighbors[i].key = found[i].tag;
    neighbors[i].distance = found[i].distance;
  }
  if (this->options().key_type == KeyType::kString) {
    ROX_ASSIGN_OR_RETURN(auto keys, look_up('s'));
    for (size_t i = 0; i < found.size(); ++i) {
      if (!keys[i].has_value()) {
        return Status::corruption("kv: slot " + std::to_string(found[i].id) + " of collection " +
                                  name() + " has no key");
      }
      neighbors[i].key = Key(std::move(*keys[i]));
    }
  }
  if (options.with_payload) {
    ROX_ASSIGN_OR_RETURN(auto payloads, look_up('p'));
    for (size_t i = 0; i < found.size(); ++i) neighbors[i].payload = std::move(payloads[i]);
  }
  if (options.with_vector) {
    const std::shared_ptr<index::VectorStore> vectors = this->vectors();
    if (vectors == nullptr) return usable();
    for (size_t i = 0; i < found.size(); ++i) {
      ROX_RETURN_IF_ERROR(base::check_deadline(options.deadline));  // each may be a read
      Vector vector{this->options().type, std::vector<std::byte>(row_bytes())};
      ROX_RETURN_IF_ERROR(vectors->read(static_cast<uint32_t>(found[i].id), vector.bytes).status());
      neighbors[i].vector = std::move(vector);
    }
  }
  return neighbors;
}

}  // namespace roxanne::database
