// roxanne/c.h: searching, and reading points.
#include <limits>

#include "inputs.h"

namespace roxanne::c {
namespace {

constexpr uint32_t kSearchFlags =
    ROX_SEARCH_EXACT | ROX_SEARCH_WITH_PAYLOAD | ROX_SEARCH_WITH_VECTOR;
constexpr size_t kDefaultK = SearchOptions().k;

Result<SearchOptions> search_options(const rox_search_options* given) {
  auto read = read_options(given);
  if (!read) return read.status();
  auto flags = read_flags(read->flags, kSearchFlags);
  if (!flags) return flags.status();
  SearchOptions options;
  options.k = read->k == 0 ? kDefaultK : read->k;
  options.search_list_size = read->search_list_size;
  options.exact = (*flags & ROX_SEARCH_EXACT) != 0;
  options.with_payload = (*flags & ROX_SEARCH_WITH_PAYLOAD) != 0;
  options.with_vector = (*flags & ROX_SEARCH_WITH_VECTOR) != 0;
  options.thread_count = read->thread_count;
  return options;
}

Result<std::vector<std::vector<Neighbor>>> search(const Collection& collection,
                                                  const rox_matrix& queries,
                                                  const SearchOptions& options) {
  auto matrix = read_matrix(queries);
  if (!matrix) return matrix.status();
  return collection.search(*matrix, options);
}

// The lists of a search into the caller's places, k for each.
void copy_lists(const std::vector<std::vector<Neighbor>>& lists, size_t k, uint64_t* keys,
                float* distances, size_t* counts) {
  for (size_t query = 0; query < lists.size(); ++query) {
    const std::vector<Neighbor>& list = lists[query];
    counts[query] = list.size();
    for (size_t i = 0; i < k; ++i) {
      const size_t place = query * k + i;
      keys[place] = i < list.size() ? list[i].key.u64() : UINT64_MAX;
      distances[place] =
          i < list.size() ? list[i].distance : std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace
}  // namespace roxanne::c

using roxanne::KeyType;
using roxanne::Status;
using roxanne::c::give;
using roxanne::c::guarded;
using roxanne::c::require;

extern "C" {

rox_status rox_collection_search(rox_collection* collection, const rox_matrix* queries,
                                 const rox_search_options* options, rox_neighbors** neighbors,
                                 char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status =
            require({{collection, "collection"}, {queries, "queries"}, {neighbors, "neighbors"}});
        !status) {
      return status;
    }
    auto read = roxanne::c::search_options(options);
    if (!read) return read.status();
    auto lists = roxanne::c::search(collection->collection, *queries, *read);
    if (!lists) return lists.status();
    return give(neighbors, std::move(*lists));
  });
}

rox_status rox_collection_search_like(rox_collection* collection, const rox_key* key,
                                      const rox_search_options* options, rox_neighbors** neighbors,
                                      char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status =
            require({{collection, "collection"}, {key, "key"}, {neighbors, "neighbors"}});
        !status) {
      return status;
    }
    auto read = roxanne::c::search_options(options);
    if (!read) return read.status();
    auto name = roxanne::c::read_key(*key);
    if (!name) return name.status();
    auto list = collection->collection.search_like(*name, *read);
    if (!list) return list.status();
    std::vector<std::vector<roxanne::Neighbor>> lists;
    lists.push_back(std::move(*list));
    return give(neighbors, std::move(lists));
  });
}

rox_status rox_collection_search_u64(rox_collection* collection, const rox_matrix* queries,
                                     const rox_search_options* options, uint64_t* keys,
                                     float* distances, size_t* counts, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"},
                                 {queries, "queries"},
                                 {keys, "keys"},
                                 {distances, "distances"},
                                 {counts, "counts"}});
        !status) {
      return status;
    }
    auto read = roxanne::c::search_options(options);
    if (!read) return read.status();
    if (collection->collection.options().key_type != KeyType::kU64) {
      return Status::invalid_argument("keys are strings: call rox_collection_search");
    }
    if (read->with_payload || read->with_vector) {
      return Status::invalid_argument(
          "payloads and vectors have no place here: call rox_collection_search");
    }
    auto lists = roxanne::c::search(collection->collection, *queries, *read);
    if (!lists) return lists.status();
    roxanne::c::copy_lists(*lists, read->k, keys, distances, counts);
    return Status::ok();
  });
}

size_t rox_neighbors_query_count(const rox_neighbors* neighbors) {
  return neighbors == nullptr ? 0 : neighbors->lists.size();
}

size_t rox_neighbors_count(const rox_neighbors* neighbors, size_t query) {
  return query < rox_neighbors_query_count(neighbors) ? neighbors->lists[query].size() : 0;
}

bool rox_neighbors_at(const rox_neighbors* neighbors, size_t query, size_t index,
                      rox_neighbor* neighbor) {
  if (neighbor == nullptr || index >= rox_neighbors_count(neighbors, query)) return false;
  const roxanne::Neighbor& found = neighbors->lists[query][index];
  *neighbor = {roxanne::c::key_view(found.key), found.distance, roxanne::c::view(found.payload),
               found.vector ? found.vector->bytes.data() : nullptr};
  return true;
}

void rox_neighbors_free(rox_neighbors* neighbors) { delete neighbors; }

rox_status rox_collection_get(rox_collection* collection, const rox_key* key, rox_points** points,
                              char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}, {key, "key"}, {points, "points"}});
        !status) {
      return status;
    }
    auto read = roxanne::c::read_key(*key);
    if (!read) return read.status();
    auto point = collection->collection.get(*read);
    if (!point) return point.status();
    std::vector<roxanne::Point> found;
    found.push_back(std::move(*point));
    return give(points, std::move(found));
  });
}

size_t rox_points_count(const rox_points* points) {
  return points == nullptr ? 0 : points->points.size();
}

bool rox_points_at(const rox_points* points, size_t index, rox_point* point) {
  if (point == nullptr || index >= rox_points_count(points)) return false;
  const roxanne::Point& found = points->points[index];
  *point = {roxanne::c::key_view(found.key), found.vector.bytes.data(), found.vector.bytes.size(),
            roxanne::c::view(found.payload)};
  return true;
}

void rox_points_free(rox_points* points) { delete points; }

rox_status rox_scan_open(rox_collection* collection, bool in_key_order, rox_scan** scan,
                         char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}, {scan, "scan"}}); !status)
      return status;
    using roxanne::ScanOrder;
    auto begun = collection->collection.scan(in_key_order ? ScanOrder::kKey : ScanOrder::kAny);
    if (!begun) return begun.status();
    return give(scan, std::move(*begun));
  });
}

rox_status rox_scan_next(rox_scan* scan, size_t max_points, rox_points** points, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{scan, "scan"}, {points, "points"}}); !status) return status;
    if (max_points == 0) return Status::invalid_argument("max_points is 0");
    auto next = scan->scan.next(max_points);
    if (!next) return next.status();
    return give(points, std::move(*next));
  });
}

void rox_scan_free(rox_scan* scan) { delete scan; }

}  // extern "C"
