#include "kernels/test_data.h"

namespace roxanne::kernels {
namespace {

class Panels : public Kernels {
 protected:
  struct Shape {
    size_t row_count, query_count, dim;
  };

  // Rows and queries lie at the end of a page, panel and prepared block have exact sizes, and what
  // dot() must leave alone is checked.
  template <typename Type>
  void check(const std::vector<typename Type::Query>& queries,
             const std::vector<typename Type::Row>& rows, const Shape& shape) {
    using Out = typename Type::Out;
    const PanelKernels<Out>& kernels = table().*Type::kPanel;
    const size_t dim = shape.dim;
    const GuardedBytes rows_at(rows.data(), rows.size() * sizeof(rows[0]));
    const GuardedBytes queries_at(queries.data(), queries.size() * sizeof(queries[0]));
    AlignedArray<unsigned char> panel(kernels.panel_bytes(dim));
    AlignedArray<unsigned char> prepared(kernels.prepared_bytes(shape.query_count, dim));
    kernels.pack(rows_at.data(), shape.row_count, dim, panel.data());
    kernels.prepare(queries_at.data(), shape.query_count, dim, prepared.data());
    for (size_t first = 0; first < shape.query_count; first += kQueryGroup) {
      const size_t count = shape.query_count - first;
      // A stride larger than a panel, and one more row of results that must stay as it is.
      const size_t stride = kernels.panel_rows + 16;
      AlignedArray<Out> out((count + 1) * stride);
      std::vector<Out> untouched(out.data(), out.data() + out.size());
      kernels.dot(panel.data(), prepared.data(), first, count, dim, out.data(), stride);
      for (size_t q = 0; q <= count; ++q) {
        const bool is_there = q < count;
        const size_t from = q * stride + (is_there ? kernels.panel_rows : 0);
        ASSERT_EQ(
            std::memcmp(&out[from], &untouched[from], ((q + 1) * stride - from) * sizeof(Out)), 0)
            << "query " << q << " of " << count;
        if (!is_there) continue;
        check_query<Type>(&queries[(first + q) * dim], rows, shape, &out[q * stride]);
        if (HasFatalFailure()) return;
      }
    }
  }

  template <typename Type>
  void check_query(const typename Type::Query* query, const std::vector<typename Type::Row>& rows,
                   const Shape& shape, const typename Type::Out* out) {
    const size_t panel_rows = (table().*Type::kPanel).panel_rows;
    for (size_t r = 0; r < panel_rows; ++r) {
      Expected sums;
      if (r < shape.row_count) sums = expect<Type>(query, &rows[r * shape.dim], shape.dim);
      ASSERT_NEAR(out[r], sums.dot, sums.dot_error)
          << Type::kName << " dim " << shape.dim << " row " << r << " of " << shape.row_count;
    }
  }

  template <typename Type>
  void check_random(const Shape& shape) {
    Random random(static_cast<uint32_t>(shape.dim * 1000 + shape.query_count));
    check<Type>(random_queries<Type>(random, shape.query_count * shape.dim),
                random_rows<Type>(random, shape.row_count * shape.dim), shape);
  }

  template <typename Type>
  void check_types_of(size_t dim, size_t query_count, size_t row_count) {
    const size_t panel_rows = (table().*Type::kPanel).panel_rows;
    check_random<Type>({row_count < panel_rows ? row_count : panel_rows, query_count, dim});
  }

  void check_all(size_t dim, size_t query_count, size_t row_count) {
    check_types_of<F32Type>(dim, query_count, row_count);
    check_types_of<F16Type>(dim, query_count, row_count);
    check_types_of<U8Type>(dim, query_count, row_count);
    check_types_of<I8Type>(dim, query_count, row_count);
  }

  template <typename Type>
  void check_extremes(std::initializer_list<int> values) {
    using Row = typename Type::Row;
    const size_t panel_rows = (table().*Type::kPanel).panel_rows;
    for (const size_t dim : {1, 63, 16383, 16384}) {
      for (const int q : values) {
        for (const int r : values) {
          const std::vector<Row> queries(7 * dim, static_cast<Row>(q));
          const std::vector<Row> rows((panel_rows - 1) * dim, static_cast<Row>(r));
          check_same<Type>(queries, rows, {panel_rows - 1, 7, dim}, q * r);
          if (HasFatalFailure()) return;
        }
      }
    }
  }

  // All products are equal, so that the largest dims need no second computation.
  template <typename Type>
  void check_same(const std::vector<typename Type::Query>& queries,
                  const std::vector<typename Type::Row>& rows, const Shape& shape, int product) {
    const PanelKernels<int32_t>& kernels = table().*Type::kPanel;
    AlignedArray<unsigned char> panel(kernels.panel_bytes(shape.dim));
    AlignedArray<unsigned char> prepared(kernels.prepared_bytes(shape.query_count, shape.dim));
    AlignedArray<int32_t> out(shape.query_count * kernels.panel_rows);
    kernels.pack(rows.data(), shape.row_count, shape.dim, panel.data());
    kernels.prepare(queries.data(), shape.query_count, shape.dim, prepared.data());
    kernels.dot(panel.data(), prepared.data(), 0, shape.query_count, shape.dim, out.data(),
                kernels.panel_rows);
    for (size_t i = 0; i < out.size(); ++i) {
      const bool is_there = i % kernels.panel_rows < shape.row_count;
      ASSERT_EQ(out[i], is_there ? product * static_cast<int>(shape.dim) : 0)
          << Type::kName << " dim " << shape.dim << " at " << i;
    }
  }
};

TEST_P(Panels, AgreesWithDoubleSumsForEachSmallDim) {
  for (size_t dim = 1; dim <= 129; ++dim) {
    check_all(dim, 7, 64);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Panels, AgreesWithDoubleSumsForLargeDims) {
  for (const size_t dim : {768, 960, 1025, 1536, 2049}) {
    check_all(dim, 8, 64);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Panels, TakesAnyNumberOfQueries) {
  for (size_t query_count = 1; query_count <= 25; ++query_count) {
    check_all(37, query_count, 64);
    if (HasFatalFailure()) return;
  }
  check_all(16, 48, 64);
  check_all(20, 100, 64);
}

TEST_P(Panels, TakesAnyNumberOfRows) {
  for (size_t row_count = 1; row_count <= 64; ++row_count) {
    check_all(35, 7, row_count);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Panels, IntegersAreExactAtTheirExtremes) {
  check_extremes<U8Type>({0, 127, 128, 255});
  check_extremes<I8Type>({-128, -1, 0, 127});
}

TEST_P(Panels, NoQueriesWriteNothing) {
  const PanelKernels<int32_t>& kernels = table().panel_u8;
  const uint8_t row[4] = {1, 2, 3, 4};
  AlignedArray<unsigned char> panel(kernels.panel_bytes(4));
  AlignedArray<unsigned char> prepared(64);
  kernels.pack(row, 1, 4, panel.data());
  kernels.prepare(nullptr, 0, 4, prepared.data());
  kernels.dot(panel.data(), prepared.data(), 0, 0, 4, nullptr, kernels.panel_rows);
  EXPECT_EQ(kernels.prepared_bytes(0, 4), 0u);
}

TEST_P(Panels, SizesAreMultiplesOfALine) {
  for (size_t dim = 1; dim <= 129; ++dim) {
    EXPECT_EQ(table().panel_f32.panel_bytes(dim) % 64, 0u);
    EXPECT_EQ(table().panel_f16.panel_bytes(dim) % 64, 0u);
    EXPECT_EQ(table().panel_u8.panel_bytes(dim) % 64, 0u);
    EXPECT_EQ(table().panel_i8.prepared_bytes(7, dim) % 64, 0u);
  }
  EXPECT_EQ(table().panel_f32.panel_rows % 16, 0u);
  EXPECT_EQ(table().panel_u8.panel_rows % 16, 0u);
}

INSTANTIATE_TEST_SUITE_P(Isa, Panels, testing::ValuesIn(known_isas()), isa_name);

}  // namespace
}  // namespace roxanne::kernels
