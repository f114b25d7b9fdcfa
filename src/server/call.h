// What a handler is given.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roxanne/roxanne.h"
#include "server/limits.h"
#include "server/request.h"

namespace roxanne::server {

class Metrics;
class QuickSearches;

// What long operations of a server have in common.
struct Operations {
  std::atomic<bool> give_up{false};   // the time for what is under way is over
  std::atomic<bool> snapshot{false};  // one is being made
};

// What lasts as long as the server. All of it may be used by many threads at once.
struct Context {
  Database& database;
  const Limits& limits;
  Metrics& metrics;
  QuickSearches& quick_searches;
  std::string snapshot_folder;  // where snapshots are made; empty: none are
  Operations& operations;
};

// One request, understood so far.
struct Call {
  const Request& request;
  const std::string& collection;  // of the path, where it has one
  const std::string& key;         // the same
  const std::vector<std::pair<std::string, std::string>>& parameters;
  bool has_binary_body = false;
  bool wants_binary = false;  // by its Accept
  bool is_here = false;       // on a thread that serves sockets: nothing that takes long
};

}  // namespace roxanne::server
