#include "server/config.h"

#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "base/status_macros.h"

namespace roxanne::server {
namespace {

Status check_limits(const Limits& limits) {
  struct Bound {
    const char* name;
    uint64_t value, min, max;
  };
  const Bound bounds[] = {
      {"header-bytes-max", limits.header_bytes_max, 1024, 1u << 20},
      {"body-bytes-max", limits.body_bytes_max, 1024, uint64_t{4} << 30},
      {"body-bytes-in-flight-max", limits.body_bytes_in_flight_max, limits.body_bytes_max,
       UINT64_MAX},
      {"answer-bytes-in-flight-max", limits.answer_bytes_in_flight_max, 64u << 10, UINT64_MAX},
      {"points-per-batch-max", limits.points_per_batch_max, 1, kBatchRowsMax},
      {"queries-per-search-max", limits.queries_per_search_max, 1, kBatchRowsMax},
      {"search-k-max", limits.search_k_max, 1, kSearchKMax},
      {"search-list-size-max", limits.search_list_size_max, 1, kSearchListSizeMax},
      {"answers-per-search-max", limits.answers_per_search_max, 1, UINT64_MAX},
      {"answers-with-fields-per-search-max", limits.answers_with_fields_per_search_max, 1,
       UINT64_MAX},
      {"scroll-points-max", limits.scroll_points_max, 1, 100'000},
      {"gzip-answer-bytes-min", limits.gzip_answer_bytes_min, 1, UINT64_MAX},
      {"connections-max", limits.connections_max, 1, 1'000'000},
      {"connections-per-address-max", limits.connections_per_address_max, 1, 1'000'000},
      {"search-queue-max", limits.search_queue_max, 1, 1'000'000},
      {"write-queue-max", limits.write_queue_max, 1, 1'000'000},
      {"read-timeout-ms", limits.read_timeout_ms, 10, 86'400'000},
      {"idle-timeout-ms", limits.idle_timeout_ms, 10, 86'400'000},
      {"write-timeout-ms", limits.write_timeout_ms, 10, 86'400'000},
      {"queue-timeout-ms", limits.queue_timeout_ms, 10, 86'400'000},
      {"search-timeout-ms", limits.search_timeout_ms, 1, 86'400'000},
  };
  for (const Bound& bound : bounds) {
    if (bound.value >= bound.min && bound.value <= bound.max) continue;
    return Status::invalid_argument(std::string(bound.name) + ": " + std::to_string(bound.value) +
                                    " is not in " + std::to_string(bound.min) + ".." +
                                    std::to_string(bound.max));
  }
  return Status::ok();
}

}  // namespace

Result<Address> parse_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  Address address;
  address.host = text.substr(0, colon);
  if (address.host.size() >= 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (address.host == "localhost") address.host = "127.0.0.1";
  boost::system::error_code error;
  boost::asio::ip::make_address(address.host, error);
  const char* end = text.data() + text.size();
  const char* begin = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto [stop, problem] = std::from_chars(begin, end, address.port);
  if (error || begin == end || problem != std::errc() || stop != end) {
    return Status::invalid_argument("listen: \"" + text +
                                    "\" is no ADDRESS:PORT; write 127.0.0.1:8642, 0.0.0.0:8642 or "
                                    "[::1]:8642");
  }
  return address;
}

bool is_loopback(const Address& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address.host, error);
  return !error && parsed.is_loopback();
}

Result<Hosts> answers_to(const Config& config) {
  ROX_ASSIGN_OR_RETURN(const Address address, parse_address(config.listen));
  const bool is_open = is_loopback(address) && config.keys.empty();
  if (!is_open && config.allowed_hosts.empty()) return Hosts();
  return Hosts::parse(config.allowed_hosts);
}

Status check_config(const Config& config) {
  ROX_ASSIGN_OR_RETURN(const Address address, parse_address(config.listen));
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return Status::invalid_argument("tls-cert and tls-key go together: give both or none");
  }
  ROX_RETURN_IF_ERROR(answers_to(config).status());
  ROX_RETURN_IF_ERROR(check_limits(config.limits));
  if (is_loopback(address) || config.allow_insecure) return Status::ok();
  const bool has_tls = !config.tls_cert.empty();
  const bool has_keys = !config.keys.empty();
  if (has_tls && has_keys) return Status::ok();
  std::string missing = has_tls ? "" : "without TLS (--tls-cert, --tls-key)";
  if (!has_keys) missing += std::string(missing.empty() ? "" : " and ") + "without keys (--keys)";
  return Status::invalid_argument("others can reach " + config.listen + ", and it would be " +
                                  missing + "; give them, or say --allow-insecure");
}

}  // namespace roxanne::server
