#include "bench/update/options.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>

#include "bench/update/scenario.h"

namespace roxanne::bench {
namespace {

constexpr uint64_t kQuickRows = 30000;

void print_help() {
  std::printf(
      "update_rounds BASE QUERIES DATABASE [options]: measures updates, round by round.\n"
      "DATABASE is made and must not be there.\n"
      "  --scenario NAME        %s (replace)\n"
      "  --limit N              rows of the base that are used (all)\n"
      "  --rounds N             (the scenario's own: 10, 5, or 20 for grow)\n"
      "  --share X              of the live points that a round replaces (0.1)\n"
      "  --threads N            clients that write (8)\n"
      "  --batch-rows N         rows a call (1)\n"
      "  --rate N               rows a second of all clients; 0: as fast as they can (0)\n"
      "  --search-rate N        searches a second beside them; 0: none (50)\n"
      "  --idle-seconds X       of searches alone before each round (4)\n"
      "  --settle-seconds X     the longest wait for the background (900)\n"
      "  --queries N            for recall and counts (500)\n"
      "  --search-list-size N   the fixed one (40)\n"
      "  --memory-limit BYTES   or 64MiB, 4GiB; 0: the engine's (0)\n"
      "  --durability LEVEL     full, grouped, none (full)\n"
      "  --metric NAME          l2, ip, cosine (l2)\n"
      "  --no-page-cache        each search pays its reads\n"
      "  --rebuild-last         ends with a graph built anew, for comparison\n"
      "  --verify               checks every byte at the end\n"
      "  --json FILE            one object a round is appended\n"
      "  --quick                30,000 rows, short: about a minute\n",
      scenario_names().c_str());
}

[[noreturn]] void refuse(const std::string& what) {
  std::fprintf(stderr, "update_rounds: %s; see --help\n", what.c_str());
  std::exit(2);
}

double parse_number(const std::string& name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0)) refuse(name + ": no number: " + text);
  return value;
}

uint64_t parse_bytes(const std::string& name, std::string text) {
  uint64_t unit = 1;
  for (const auto& [suffix, bytes] :
       {std::pair{"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}}) {
    if (!text.ends_with(suffix)) continue;
    unit = bytes;
    text.resize(text.size() - 3);
  }
  return static_cast<uint64_t>(parse_number(name, text) * static_cast<double>(unit));
}

Durability parse_durability(const std::string& text) {
  if (text == "full") return Durability::kFull;
  if (text == "grouped") return Durability::kGrouped;
  if (text == "none") return Durability::kNone;
  refuse("--durability: full, grouped or none");
}

Metric parse_metric_or_refuse(const std::string& text) {
  const std::optional<Metric> metric = parse_metric(text);
  if (!metric) refuse("--metric: l2, ip or cosine");
  return *metric;
}

using Setter = std::function<void(const std::string& name, const std::string& value)>;

template <typename T>
Setter number(T& target) {
  return [&target](const std::string& name, const std::string& value) {
    target = static_cast<T>(parse_number(name, value));
  };
}

std::map<std::string, Setter> setters(Options& options) {
  std::map<std::string, Setter> map;
  map["--scenario"] = [&](auto&, auto& value) { options.scenario = value; };
  map["--json"] = [&](auto&, auto& value) { options.json_path = value; };
  map["--limit"] = number(options.limit);
  map["--rounds"] = number(options.rounds);
  map["--share"] = number(options.share);
  map["--threads"] = number(options.clients.threads);
  map["--batch-rows"] = number(options.clients.batch_rows);
  map["--rate"] = number(options.clients.rate);
  map["--search-rate"] = number(options.search_rate);
  map["--idle-seconds"] = number(options.idle_s);
  map["--settle-seconds"] = number(options.settle_s_max);
  map["--queries"] = number(options.query_count);
  map["--search-list-size"] = number(options.search_list_size);
  map["--memory-limit"] = [&](auto& name, auto& value) {
    options.memory_limit_bytes = parse_bytes(name, value);
  };
  map["--durability"] = [&](auto&, auto& value) { options.durability = parse_durability(value); };
  map["--metric"] = [&](auto&, auto& value) { options.metric = parse_metric_or_refuse(value); };
  return map;
}

std::map<std::string, std::function<void()>> switches(Options& options) {
  return {
      {"--no-page-cache", [&] { options.page_cache = false; }},
      {"--rebuild-last", [&] { options.rebuilds_last = true; }},
      {"--verify", [&] { options.verifies = true; }},
      {"--quick",
       [&] {
         options.limit = kQuickRows;
         options.rounds = 3;
         options.idle_s = 2;
         options.query_count = 300;
       }},
  };
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  const auto values = setters(options);
  const auto flags = switches(options);
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      print_help();
      std::exit(0);
    }
    if (const auto flag = flags.find(word); flag != flags.end()) {
      flag->second();
    } else if (const auto value = values.find(word); value != values.end()) {
      if (++i == argc) refuse(word + ": a value is missing");
      value->second(word, argv[i]);
    } else if (word.starts_with("--")) {
      refuse("unknown option " + word);
    } else {
      paths.push_back(word);
    }
  }
  if (paths.size() != 3) refuse("expected BASE QUERIES DATABASE");
  options.base_path = paths[0];
  options.query_path = paths[1];
  options.database_path = paths[2];
  if (options.rounds == 0) options.rounds = default_rounds(options.scenario);
  if (options.rounds == 0) refuse("--scenario: " + scenario_names());
  if (options.clients.threads == 0 || options.clients.batch_rows == 0) {
    refuse("--threads and --batch-rows are at least 1");
  }
  return options;
}

}  // namespace roxanne::bench
