// Rows that are read from front to back, again and again: what an index too large for memory is
// built of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::index {

class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual uint64_t row_count() const = 0;
  // Calls `visit` with all rows, some at a time, by ascending slot, the same each time; with each
  // row's slot and tag (its key, say). Passes on the first failure. Rows are finite; none is zero
  // under cosine.
  using Visit = std::function<Status(MatrixView rows, std::span<const uint32_t> slots,
                                     std::span<const uint64_t> tags)>;
  virtual Status scan(const Visit& visit) const = 0;
};

// Rows that are in memory; all views outlive this.
class RowsInMemory final : public RowSource {
 public:
  RowsInMemory(MatrixView rows, std::span<const uint32_t> slots, std::span<const uint64_t> tags)
      : rows_(rows), slots_(slots), tags_(tags) {}

  uint64_t row_count() const override { return rows_.rows(); }
  Status scan(const Visit& visit) const override {
    for (size_t first = 0; first < rows_.rows(); first += kRowsAtOnce) {
      const size_t count = std::min(kRowsAtOnce, rows_.rows() - first);
      const Status status = visit(rows_.slice(first, count), slots_.subspan(first, count),
                                  tags_.subspan(first, count));
      if (!status.is_ok()) return status;
    }
    return Status::ok();
  }

 private:
  static constexpr size_t kRowsAtOnce = 4096;
  MatrixView rows_;
  std::span<const uint32_t> slots_;
  std::span<const uint64_t> tags_;
};

}  // namespace roxanne::index
