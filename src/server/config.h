// How a server is set up.
#pragma once

#include <string>

#include "roxanne/status.h"
#include "server/hosts.h"
#include "server/limits.h"
#include "server/log.h"

namespace roxanne::server {

struct Config {
  std::string listen = "127.0.0.1:8642";  // ADDRESS:PORT, [ADDRESS]:PORT; port 0: any that is free
  std::string tls_cert;                   // PEM files; both or none
  std::string tls_key;
  std::string keys;             // key file; empty: no keys
  std::string allowed_hosts;    // "NAME,NAME": beside the machine's own; see answers_to()
  bool allow_insecure = false;  // an address that others reach, without keys or without TLS
  std::string snapshot_folder;
  uint32_t io_threads = 0;  // these and the next: 0 is one a processor
  uint32_t search_threads = 0;
  uint32_t write_threads = 4;  // writers that come together share a sync
  Limits limits;
  uint32_t shutdown_delay_ms = 0;      // from /readyz' no to the end of accepting
  uint32_t drain_timeout_ms = 30'000;  // for requests under way, then
  LogLevel log_level = LogLevel::kInfo;
};

struct Address {
  std::string host;
  uint16_t port = 0;
};
// "localhost" is 127.0.0.1; other names are not looked up. kInvalidArgument.
Result<Address> parse_address(const std::string& text);
bool is_loopback(const Address& address);

// Any, where only who has a key gets an answer, or where others are to reach it anyway.
// kInvalidArgument.
Result<Hosts> answers_to(const Config& config);

// kInvalidArgument: what does not fit together, and what to do about it.
Status check_config(const Config& config);

}  // namespace roxanne::server
