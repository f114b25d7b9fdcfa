// Queries: from a file of any format, or as JSON lines on standard input.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "eval/vector_io.h"
#include "roxanne/types.h"

namespace roxanne::cli {

struct QueryOptions {
  std::string path;  // "-" is standard input
  std::optional<eval::FileFormat> format;
  std::string dataset = "test";  // hdf5
  uint64_t skip_rows = 0;
  uint64_t row_limit = std::numeric_limits<uint64_t>::max();  // after the skipped ones
};

// What queries must become: a collection's or a base file's.
struct QueryShape {
  ScalarType type = ScalarType::kF32;
  size_t dim = 0;
};

// Every call throws Failure. JSON lines are {"vector": [..]} or [..]; numbers of another type must
// fit the wanted one: whole and in range for integers.
class QuerySource {
 public:
  virtual ~QuerySource() = default;
  // At most `max_rows` queries; 0 rows at the end.
  virtual void next(size_t max_rows, eval::VectorBatch& batch) = 0;
};

std::unique_ptr<QuerySource> open_queries(const QueryOptions& options, const QueryShape& shape);

// All of them. More than 2 GiB are refused.
eval::VectorBatch read_all_queries(const QueryOptions& options, const QueryShape& shape);

}  // namespace roxanne::cli
