// What a server has done, as Prometheus reads it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "roxanne/options.h"
#include "server/routes.h"

namespace roxanne::server {

// Counts may be added from any thread.
class Metrics {
 public:
  Metrics();

  // `route` may be null. Time: from the last byte of the request to the answer's being ready, of
  // requests that came whole.
  void add_response(const Route* route, int status);
  void add_time(const Route* route, double seconds);
  void add_search(const SearchStats& cost);

  // Of now; whoever has them keeps them up.
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> connections_total{0};
  std::atomic<uint64_t> connections_refused_total{0};
  std::atomic<uint64_t> timeouts_total{0};
  std::atomic<uint64_t> search_queue{0};
  std::atomic<uint64_t> write_queue{0};
  std::atomic<uint64_t> queue_refused_total{0};
  std::atomic<uint64_t> body_bytes_in_flight{0};
  std::atomic<uint64_t> answer_bytes_in_flight{0};
  std::atomic<bool> is_ready{false};

  // All of it, and what the database says of itself.
  std::string text(const DatabaseInfo& info) const;

 private:
  static constexpr std::array<double, 14> kBucketSeconds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30};
  static constexpr size_t kStatusClasses = 6;
  struct OfRoute {
    std::array<std::atomic<uint64_t>, kStatusClasses> responses{};  // by the status' first digit
    std::array<std::atomic<uint64_t>, kBucketSeconds.size() + 1> buckets{};
    std::atomic<uint64_t> nanoseconds{0};
  };
  OfRoute& of(const Route* route);
  struct Search {
    std::atomic<uint64_t> queries{0}, reads{0}, bytes_read{0}, cache_hits{0}, read_rounds{0},
        distance_computations{0}, hops{0};
  };
  void append_routes(std::string& out) const;
  void append_server(std::string& out) const;
  void append_search(std::string& out) const;

  std::unique_ptr<OfRoute[]> routes_;  // in the order of routes(); last: none
  Search search_;
};

}  // namespace roxanne::server
