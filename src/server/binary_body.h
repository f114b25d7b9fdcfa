// application/octet-stream: vectors and keys as they lie in memory, little-endian. The bytes are
// in docs/http_api.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "roxanne/status.h"
#include "roxanne/types.h"
#include "server/json_body.h"

namespace roxanne::server {

// Points to upsert: u64 count, the keys, the rows. `rows` views `body`.
struct BinaryPoints {
  Keys keys;
  MatrixView rows;
};
struct RowShape {
  ScalarType type;
  size_t dim;
  KeyType key_type;
};
Result<BinaryPoints> read_binary_points(std::string_view body, const RowShape& shape,
                                        size_t count_max);

// Queries: rows and nothing else. A view of `body`.
Result<MatrixView> read_binary_queries(std::string_view body, const RowShape& shape,
                                       size_t count_max);

// Answers of a search, `k` places a query; unused places are zero.
struct BinaryAnswerShape {
  size_t k;
  KeyType key_type;
};
void append_binary_answer(const std::vector<std::vector<Neighbor>>& answers,
                          const BinaryAnswerShape& shape, std::string& out);

}  // namespace roxanne::server
