// What the laboratories of the disk regime share.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "eval/vector_io.h"
#include "roxanne/options.h"
#include "roxanne/types.h"

namespace roxanne::bench {

using eval::VectorBatch;

inline Result<VectorBatch> read_rows(const std::string& path, size_t row_count) {
  ROX_ASSIGN_OR_RETURN(const auto reader, eval::open_vector_reader(path));
  VectorBatch all;
  all.type = reader->info().type;
  all.dim = reader->info().dim;
  VectorBatch batch;
  while (all.rows < row_count) {
    ROX_RETURN_IF_ERROR(reader->read(std::min<size_t>(row_count - all.rows, 65536), batch));
    if (batch.rows == 0) break;
    all.data.insert(all.data.end(), batch.data.begin(), batch.data.end());
    all.rows += batch.rows;
  }
  return all;
}

inline CollectionOptions collection_of(const VectorBatch& rows, Metric metric) {
  CollectionOptions options;
  options.dim = rows.dim;
  options.type = rows.type;
  options.metric = metric;
  return options;
}

// Means a query.
struct Point {
  double recall = 0;
  double reads = 0, rounds = 0, comparisons = 0;
};

// A point at a recall between two measured ones, by rising recall.
inline std::optional<Point> point_at(const std::vector<Point>& points, double recall,
                                     bool& is_bound) {
  is_bound = !points.empty() && points.front().recall >= recall;
  if (is_bound) return points.front();
  for (size_t i = 1; i < points.size(); ++i) {
    const Point& low = points[i - 1];
    const Point& high = points[i];
    if (high.recall < recall || low.recall >= recall) continue;
    const auto missed = [](double r) { return std::log(std::max(1e-6, 1 - r)); };
    const double share =
        (missed(recall) - missed(low.recall)) / (missed(high.recall) - missed(low.recall));
    const auto between = [share](double a, double b) { return a + share * (b - a); };
    return Point{recall, between(low.reads, high.reads), between(low.rounds, high.rounds),
                 between(low.comparisons, high.comparisons)};
  }
  return std::nullopt;
}

}  // namespace roxanne::bench
