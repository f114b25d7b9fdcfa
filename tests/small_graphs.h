// Small clustered collections, and whether what is found in them is true and what is kept is sound.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "roxanne/roxanne.h"

namespace roxanne::testing_support {

inline uint16_t half_of(float value) {  // of 0 and normal halves only
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value == 0) return 0;
  const uint32_t exponent = ((bits >> 23) & 0xff) - 127 + 15;
  return static_cast<uint16_t>(((bits >> 16) & 0x8000) | (exponent << 10) | ((bits >> 13) & 0x3ff));
}

// Vectors in clusters, all different, none zero.
class RowMaker {
 public:
  RowMaker(ScalarType type, size_t dim, uint32_t seed)
      : type_(type), dim_(dim), random_(seed), centers_(kClusters * dim) {
    for (float& value : centers_) value = static_cast<float>(10 + random_() % 80);
  }
  // Of the same clusters.
  RowMaker with_other_rows(uint32_t seed) const {
    RowMaker other = *this;
    other.random_.seed(seed);
    return other;
  }
  void append(std::vector<std::byte>& out) {
    const size_t cluster = random_() % kClusters;
    for (size_t i = 0; i < dim_; ++i) {
      append_scalar(out, centers_[cluster * dim_ + i] + static_cast<float>(random_() % 21) - 10);
    }
  }
  std::vector<std::byte> rows(size_t count) {
    std::vector<std::byte> out;
    for (size_t i = 0; i < count; ++i) append(out);
    return out;
  }

 private:
  void append_scalar(std::vector<std::byte>& out, float value) const {
    const auto half = half_of(value);
    const auto narrow = static_cast<uint8_t>(value);
    const void* from = type_ == ScalarType::kF32   ? static_cast<const void*>(&value)
                       : type_ == ScalarType::kF16 ? static_cast<const void*>(&half)
                                                   : &narrow;
    const size_t at = out.size();
    out.resize(at + scalar_bytes(type_));
    std::memcpy(out.data() + at, from, scalar_bytes(type_));
  }

  static constexpr size_t kClusters = 12;

  ScalarType type_;
  size_t dim_;
  std::mt19937 random_;
  std::vector<float> centers_;
};

inline std::vector<uint64_t> numbers(size_t count, uint64_t first = 0) {
  std::vector<uint64_t> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = first + i;
  return keys;
}

// What a search says must be true: each answer is a live point at its true distance, in order, and
// nothing is left out that the count asks for. Returns the recall@k of the queries.
inline double checked_recall(const Collection& collection, const MatrixView& queries,
                             SearchOptions options = {}) {
  SearchOptions exact = options;
  exact.exact = true;
  exact.k = std::min<size_t>(kSearchKMax, std::max<uint64_t>(1, collection.size()));
  const auto truth = collection.search(queries, exact);
  const auto found = collection.search(queries, options);
  if (!truth.is_ok() || !found.is_ok()) {
    ADD_FAILURE() << truth.status().to_string() << " " << found.status().to_string();
    return 0;
  }
  size_t hits = 0, wanted = 0;
  for (size_t q = 0; q < queries.rows(); ++q) {
    const auto& answers = (*found)[q];
    std::map<Key, float> distances;
    for (const Neighbor& neighbor : (*truth)[q]) distances[neighbor.key] = neighbor.distance;
    const size_t expected = std::min<size_t>(options.k, distances.size());
    EXPECT_EQ(answers.size(), expected);
    if (answers.empty()) continue;
    const float bound = (*truth)[q][expected - 1].distance;
    std::set<Key> seen;
    for (size_t i = 0; i < answers.size(); ++i) {
      EXPECT_TRUE(seen.insert(answers[i].key).second) << "twice: " << answers[i].key.to_string();
      const auto true_one = distances.find(answers[i].key);
      EXPECT_NE(true_one, distances.end()) << answers[i].key.to_string() << " is not there";
      if (true_one == distances.end()) continue;
      EXPECT_NEAR(answers[i].distance, true_one->second,
                  1e-4f * std::max(1.0f, std::abs(true_one->second)));
      if (i > 0) {
        EXPECT_LE(answers[i - 1].distance, answers[i].distance);
      }
      hits += answers[i].distance <= bound + 1e-4f * std::max(1.0f, std::abs(bound)) ? 1 : 0;
    }
    wanted += expected;
  }
  return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
}

inline void expect_sound(Database& database) {
  const auto report = database.verify();
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
}

}  // namespace roxanne::testing_support
