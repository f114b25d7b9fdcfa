#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class Rows : public Kernels {
 protected:
  // All kernels of a type on the same rows, each row against sums in double.
  template <typename Type>
  void check(const void* query_at, const void* rows_at, const typename Type::Query* query,
             const typename Type::Row* rows, size_t row_count, size_t dim) {
    using Out = typename Type::Out;
    std::vector<Out> dot(row_count), l2(row_count), norms(row_count);
    (table().*Type::kDot)(query_at, rows_at, row_count, dim, dot.data());
    (table().*Type::kL2)(query_at, rows_at, row_count, dim, l2.data());
    (table().*Type::kNorms)(rows_at, row_count, dim, norms.data());
    for (size_t r = 0; r < row_count; ++r) {
      const Expected sums = expect<Type>(query, rows + r * dim, dim);
      ASSERT_NEAR(dot[r], sums.dot, sums.dot_error)
          << Type::kName << " dim " << dim << " row " << r;
      ASSERT_NEAR(l2[r], sums.l2, sums.l2_error) << Type::kName << " dim " << dim << " row " << r;
      ASSERT_NEAR(norms[r], sums.norm, sums.norm_error)
          << Type::kName << " dim " << dim << " row " << r;
    }
  }

  template <typename Type>
  void check_dim(size_t dim) {
    SCOPED_TRACE(Type::kName);
    Random random(static_cast<uint32_t>(dim));
    for (const size_t row_count : {0, 1, 2, 3, 5, 7, 8, 16, 17, 33}) {
      const auto query = random_queries<Type>(random, dim);
      const auto rows = random_rows<Type>(random, row_count * dim);
      const GuardedBytes query_at(query.data(), query.size() * sizeof(query[0]));
      const GuardedBytes rows_at(rows.data(), rows.size() * sizeof(rows[0]));
      check<Type>(query_at.data(), rows_at.data(), query.data(), rows.data(), row_count, dim);
      if (HasFatalFailure()) return;
    }
  }

  template <typename Type>
  void check_odd_addresses() {
    constexpr size_t kRows = 9;
    Random random(7);
    for (const size_t dim : {1, 7, 16, 33, 100, 128, 600}) {
      const auto query = random_queries<Type>(random, dim);
      const auto rows = random_rows<Type>(random, kRows * dim);
      for (size_t offset = 1; offset <= 3; ++offset) {
        std::vector<unsigned char> query_bytes(query.size() * sizeof(query[0]) + offset);
        std::vector<unsigned char> row_bytes(rows.size() * sizeof(rows[0]) + offset);
        std::memcpy(query_bytes.data() + offset, query.data(), query_bytes.size() - offset);
        std::memcpy(row_bytes.data() + offset, rows.data(), row_bytes.size() - offset);
        check<Type>(query_bytes.data() + offset, row_bytes.data() + offset, query.data(),
                    rows.data(), kRows, dim);
        if (HasFatalFailure()) return;
      }
    }
  }

  template <typename Type>
  void check_batches() {
    using Out = typename Type::Out;
    constexpr size_t kRows = 37;
    Random random(11);
    for (const size_t dim : {1, 15, 100, 128, 129, 768, 2049}) {
      const auto query = random_queries<Type>(random, dim);
      const auto rows = random_rows<Type>(random, kRows * dim);
      for (const auto kernel : {table().*Type::kDot, table().*Type::kL2}) {
        std::vector<Out> together(kRows), alone(kRows);
        kernel(query.data(), rows.data(), kRows, dim, together.data());
        for (size_t r = 0; r < kRows; ++r) {
          kernel(query.data(), rows.data() + r * dim, 1, dim, &alone[r]);
        }
        ASSERT_EQ(together, alone) << Type::kName << " dim " << dim;
      }
      if constexpr (std::is_same_v<typename Type::Query, typename Type::Row>) {
        Out dot, norm;
        (table().*Type::kDot)(rows.data(), rows.data(), 1, dim, &dot);
        (table().*Type::kNorms)(rows.data(), 1, dim, &norm);
        ASSERT_EQ(dot, norm) << Type::kName << " dim " << dim;
      }
    }
  }

  template <typename Type>
  void check_extremes(std::initializer_list<int> values) {
    using Row = typename Type::Row;
    for (const size_t dim : {1, 31, 64, 127, 128, 1000, 16383, 16384}) {
      for (const int q : values) {
        for (const int r : values) {
          const std::vector<Row> query(dim, static_cast<Row>(q));
          const std::vector<Row> rows(5 * dim, static_cast<Row>(r));
          check<Type>(query.data(), rows.data(), query.data(), rows.data(), 5, dim);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
};

TEST_P(Rows, AgreesWithDoubleSumsForEachSmallDim) {
  for (size_t dim = 1; dim <= 129; ++dim) {
    check_dim<F32Type>(dim);
    check_dim<F16Type>(dim);
    check_dim<U8Type>(dim);
    check_dim<I8Type>(dim);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Rows, AgreesWithDoubleSumsForLargeDims) {
  for (const size_t dim : {768, 960, 1536, 4099}) {
    check_dim<F32Type>(dim);
    check_dim<F16Type>(dim);
    check_dim<U8Type>(dim);
    check_dim<I8Type>(dim);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Rows, TakesOddAddresses) {
  check_odd_addresses<F32Type>();
  check_odd_addresses<F16Type>();
  check_odd_addresses<U8Type>();
  check_odd_addresses<I8Type>();
}

// Long runs of rows take the path that fetches ahead; its last rows must not differ either.
TEST_P(Rows, ResultDoesNotDependOnTheBatch) {
  check_batches<F32Type>();
  check_batches<F16Type>();
  check_batches<U8Type>();
  check_batches<I8Type>();
}

TEST_P(Rows, ManyRowsAreReadToTheEndAndNoFurther) {
  constexpr size_t kDim = 128;
  constexpr size_t kRows = 1003;
  Random random(5);
  const auto query = random_queries<U8Type>(random, kDim);
  const auto rows = random_rows<U8Type>(random, kRows * kDim);
  const GuardedBytes rows_at(rows.data(), rows.size());
  check<U8Type>(query.data(), rows_at.data(), query.data(), rows.data(), kRows, kDim);
  const auto query_f32 = random_queries<F32Type>(random, kDim);
  const auto rows_f32 = random_rows<F32Type>(random, kRows * kDim);
  const GuardedBytes rows_f32_at(rows_f32.data(), rows_f32.size() * sizeof(float));
  check<F32Type>(query_f32.data(), rows_f32_at.data(), query_f32.data(), rows_f32.data(), kRows,
                 kDim);
}

TEST_P(Rows, IntegersAreExactAtTheirExtremes) {
  check_extremes<U8Type>({0, 1, 127, 128, 255});
  check_extremes<I8Type>({-128, -127, -1, 0, 127});
}

TEST_P(Rows, InfinityAndNanComeThrough) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t dim = 1; dim <= 40; ++dim) {
    for (size_t place = 0; place < dim; ++place) {
      std::vector<float> query(dim, 1.0f), row(dim, 1.0f);
      float out = 0;
      row[place] = infinity;
      table().l2_f32(query.data(), row.data(), 1, dim, &out);
      ASSERT_EQ(out, infinity);
      row[place] = nan;
      table().dot_f32(query.data(), row.data(), 1, dim, &out);
      ASSERT_TRUE(std::isnan(out));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Rows, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
