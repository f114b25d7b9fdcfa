// What the tests of kernels share: vectors at the very end of a page, element types, tables.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/f16.h"
#include "kernels/distance.h"

namespace roxanne::kernels {

// What the others are to agree with.
inline const KernelTable& scalar() { return *available_kernels().front(); }

// A copy of bytes that ends where the next page faults, so that a read past the end is a crash.
// Its address is as aligned as its size, and so tests loads at odd addresses too.
class GuardedBytes {
 public:
  GuardedBytes(const void* data, size_t bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (bytes + page - 1) / page * page;
    map_bytes_ = body + page;
    map_ = static_cast<unsigned char*>(
        mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (map_ == MAP_FAILED) std::abort();
    if (mprotect(map_ + body, page, PROT_NONE) != 0) std::abort();
    data_ = map_ + body - bytes;
    if (bytes != 0) std::memcpy(data_, data, bytes);
  }
  ~GuardedBytes() { munmap(map_, map_bytes_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  const void* data() const { return data_; }

 private:
  unsigned char* map_;
  unsigned char* data_;
  size_t map_bytes_;
};

// Memory as callers align it.
template <typename T>
class AlignedArray {
 public:
  explicit AlignedArray(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    data_ = static_cast<T*>(std::aligned_alloc(64, bytes + 64));
    std::memset(static_cast<void*>(data_), 0x5a, bytes);
  }
  ~AlignedArray() { std::free(data_); }
  AlignedArray(const AlignedArray&) = delete;
  AlignedArray& operator=(const AlignedArray&) = delete;

  T* data() { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }

 private:
  T* data_;
  size_t count_;
};

using Random = std::mt19937;

struct F32Type {
  static constexpr const char* kName = "f32";
  using Row = float;
  using Query = float;
  using Out = float;
  static Row random(Random& random) { return std::uniform_real_distribution<float>(-1, 1)(random); }
  static Query query(Random& random) { return F32Type::random(random); }
  static double value(Row row) { return row; }
  static double query_value(Query query) { return query; }
  static constexpr auto kL2 = &KernelTable::l2_f32;
  static constexpr auto kDot = &KernelTable::dot_f32;
  static constexpr auto kNorms = &KernelTable::norms_f32;
  static constexpr auto kPanel = &KernelTable::panel_f32;
};

struct F16Type {
  static constexpr const char* kName = "f16";
  using Row = uint16_t;
  using Query = float;
  using Out = float;
  static Row random(Random& random) { return base::f32_to_f16(F32Type::random(random)); }
  static Query query(Random& random) { return F32Type::random(random); }
  static double value(Row row) { return base::f16_to_f32(row); }
  static double query_value(Query query) { return query; }
  static constexpr auto kL2 = &KernelTable::l2_f16;
  static constexpr auto kDot = &KernelTable::dot_f16;
  static constexpr auto kNorms = &KernelTable::norms_f16;
  static constexpr auto kPanel = &KernelTable::panel_f16;
};

template <typename T>
struct IntType {
  using Row = T;
  using Query = T;
  using Out = int32_t;
  static Row random(Random& random) { return static_cast<T>(random()); }
  static Query query(Random& random) { return IntType::random(random); }
  static double value(Row row) { return row; }
  static double query_value(Query query) { return query; }
};

struct U8Type : IntType<uint8_t> {
  static constexpr const char* kName = "u8";
  static constexpr auto kL2 = &KernelTable::l2_u8;
  static constexpr auto kDot = &KernelTable::dot_u8;
  static constexpr auto kNorms = &KernelTable::norms_u8;
  static constexpr auto kPanel = &KernelTable::panel_u8;
};

struct I8Type : IntType<int8_t> {
  static constexpr const char* kName = "i8";
  static constexpr auto kL2 = &KernelTable::l2_i8;
  static constexpr auto kDot = &KernelTable::dot_i8;
  static constexpr auto kNorms = &KernelTable::norms_i8;
  static constexpr auto kPanel = &KernelTable::panel_i8;
};

template <typename Type>
std::vector<typename Type::Row> random_rows(Random& random, size_t count) {
  std::vector<typename Type::Row> rows(count);
  for (auto& value : rows) value = Type::random(random);
  return rows;
}

template <typename Type>
std::vector<typename Type::Query> random_queries(Random& random, size_t count) {
  std::vector<typename Type::Query> queries(count);
  for (auto& value : queries) value = Type::query(random);
  return queries;
}

// Sums in double, and how far a float sum may be from them.
struct Expected {
  double dot = 0, l2 = 0, norm = 0;
  double dot_error = 0, l2_error = 0, norm_error = 0;
};

template <typename Type>
Expected expect(const typename Type::Query* query, const typename Type::Row* row, size_t dim) {
  Expected sums;
  double magnitude = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double q = Type::query_value(query[i]);
    const double r = Type::value(row[i]);
    sums.dot += q * r;
    sums.l2 += (q - r) * (q - r);
    sums.norm += r * r;
    magnitude += std::abs(q * r);
  }
  if constexpr (std::is_same_v<typename Type::Out, float>) {
    // Rounding errors of a sum grow like its root where they are independent.
    const double relative = 0x1p-24 * (4 + 2 * std::sqrt(static_cast<double>(dim)));
    sums.dot_error = relative * magnitude;
    sums.l2_error = relative * sums.l2;
    sums.norm_error = relative * sums.norm;
  }
  return sums;
}

// One test for each instruction set known to this build; the ones the machine lacks are skipped.
class Kernels : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (const KernelTable* table : available_kernels()) {
      if (table->isa == GetParam()) table_ = table;
    }
    if (table_ != nullptr) return;
    std::printf("SKIPPED ISA %s: this machine lacks it\n", GetParam().c_str());
    GTEST_SKIP() << "this machine lacks " << GetParam();
  }
  const KernelTable& table() const { return *table_; }

 private:
  const KernelTable* table_ = nullptr;
};

inline std::vector<std::string> known_isas() {
  std::vector<std::string> isas;
  for (const KernelTable* table : available_kernels()) isas.emplace_back(table->isa);
  for (const char* isa : unavailable_isas()) isas.emplace_back(isa);
  return isas;
}

inline std::string isa_name(const testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace roxanne::kernels
