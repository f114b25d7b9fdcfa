#include "bench/update/quality.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bench/update/vectors.h"

namespace roxanne::bench {
namespace {

constexpr double kRecallTarget = 0.95;
constexpr std::array<size_t, 12> kListSizes = {10, 13, 17, 22, 29, 40, 57, 80, 113, 160, 226, 320};

Answers search_or_die(const Collection& collection, const MatrixView& queries,
                      const SearchOptions& options) {
  auto found = collection.search(queries, options);
  if (!found) die("search: " + found.status().to_string());
  return *std::move(found);
}

Quality between(const Quality& low, const Quality& high) {
  const auto missed = [](double recall) { return std::log(std::max(1e-6, 1 - recall)); };
  const double share = (missed(low.recall) - missed(kRecallTarget)) /
                       std::max(1e-9, missed(low.recall) - missed(high.recall));
  const auto mix = [share](double a, double b) { return a + share * (b - a); };
  Quality at;
  at.search_list_size = static_cast<size_t>(std::lround(
      mix(static_cast<double>(low.search_list_size), static_cast<double>(high.search_list_size))));
  at.recall = kRecallTarget;
  at.distances = mix(low.distances, high.distances);
  at.hops = mix(low.hops, high.hops);
  at.reads = mix(low.reads, high.reads);
  at.cache_hits = mix(low.cache_hits, high.cache_hits);
  return at;
}

}  // namespace

Searched search_all(const Collection& collection, const MatrixView& queries, size_t list_size) {
  Searched searched;
  searched.answers =
      search_or_die(collection, queries,
                    {.k = kNeighbours, .search_list_size = list_size, .stats = &searched.stats});
  return searched;
}

Answers exact_answers(const Collection& collection, const MatrixView& queries) {
  return search_or_die(collection, queries, {.k = kNeighbours, .exact = true});
}

Quality judge(const Searched& searched, const Answers& truth) {
  size_t hits = 0;
  size_t wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    if (truth[q].empty()) continue;
    // Equally near points count the same.
    const float bound = truth[q].back().distance;
    const float slack = 1e-5f * std::max(1.0f, std::abs(bound));
    wanted += truth[q].size();
    for (const Neighbor& one : searched.answers[q]) hits += one.distance <= bound + slack ? 1 : 0;
  }
  const double queries = static_cast<double>(std::max<size_t>(1, truth.size()));
  const SearchStats& stats = searched.stats;
  Quality quality;
  quality.search_list_size = stats.search_list_size_used;
  quality.recall = wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
  quality.distances = static_cast<double>(stats.distance_computations) / queries;
  quality.hops = static_cast<double>(stats.hops) / queries;
  quality.reads = static_cast<double>(stats.reads) / queries;
  quality.cache_hits = static_cast<double>(stats.cache_hits) / queries;
  return quality;
}

std::optional<Quality> quality_at_target(const Collection& collection, const MatrixView& queries,
                                         const Answers& truth) {
  std::optional<Quality> low;
  for (const size_t list_size : kListSizes) {
    Quality high = judge(search_all(collection, queries, list_size), truth);
    high.search_list_size = list_size;
    if (high.recall >= kRecallTarget) {
      if (!low) return std::nullopt;
      return between(*low, high);
    }
    low = high;
  }
  return std::nullopt;
}

}  // namespace roxanne::bench
