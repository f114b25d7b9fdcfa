// Points for the tests of this layer.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::graph {

// Rows of u8 around random centres: clustered, as real vectors are.
struct TestRows {
  std::vector<uint8_t> bytes;
  size_t rows;
  size_t dim;

  MatrixView view() const { return MatrixView::u8(bytes.data(), rows, dim); }
};

inline TestRows clustered_rows(size_t rows, size_t dim, uint32_t seed, size_t centre_count = 50) {
  std::mt19937 random(seed);
  std::vector<int> centres(centre_count * dim);
  for (int& value : centres) value = static_cast<int>(random() % 200) + 28;
  TestRows result{std::vector<uint8_t>(rows * dim), rows, dim};
  for (size_t i = 0; i < rows; ++i) {
    const size_t centre = random() % centre_count;
    for (size_t d = 0; d < dim; ++d) {
      const int noise = static_cast<int>(random() % 41) - 20;
      result.bytes[i * dim + d] = static_cast<uint8_t>(centres[centre * dim + d] + noise);
    }
  }
  return result;
}

inline int64_t squared_distance(const TestRows& rows, size_t a, size_t b) {
  int64_t sum = 0;
  for (size_t d = 0; d < rows.dim; ++d) {
    const int64_t difference =
        static_cast<int64_t>(rows.bytes[a * rows.dim + d]) - rows.bytes[b * rows.dim + d];
    sum += difference * difference;
  }
  return sum;
}

}  // namespace roxanne::graph
