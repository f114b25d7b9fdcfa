// What a server bounds, and by how much unless told otherwise. Each is an option of "roxanne
// serve".
#pragma once

#include <cstddef>
#include <cstdint>

#include "roxanne/types.h"

namespace roxanne::server {

struct Limits {
  // Of one request.
  uint32_t header_bytes_max = 16u << 10;  // request line included
  uint64_t body_bytes_max = 64u << 20;
  size_t points_per_batch_max = 100'000;  // of an upsert; keys of a delete or a get too
  size_t queries_per_search_max = 1024;
  size_t search_k_max = kSearchKMax;
  size_t search_list_size_max = kSearchListSizeMax;
  size_t answers_per_search_max = 262'144;            // queries times k
  size_t answers_with_fields_per_search_max = 1'000;  // the same, with payloads or vectors
  size_t scroll_points_max = 1'000;
  size_t gzip_answer_bytes_min = 16u << 10;  // shorter answers are not compressed
  // Of all.
  uint64_t body_bytes_in_flight_max = 256u << 20;
  uint64_t answer_bytes_in_flight_max = 256u << 20;  // from when they are made until they are sent
  size_t connections_max = 1024;
  size_t connections_per_address_max = 1024;
  size_t search_queue_max = 1024;
  size_t write_queue_max = 256;
  // Of time.
  uint32_t read_timeout_ms = 30'000;    // from a request's first byte to its last
  uint32_t idle_timeout_ms = 75'000;    // between requests
  uint32_t write_timeout_ms = 30'000;   // for a client to take its answer
  uint32_t queue_timeout_ms = 10'000;   // a request that waited longer is not begun
  uint32_t search_timeout_ms = 60'000;  // for a read that has begun: it is stopped then
};

}  // namespace roxanne::server
