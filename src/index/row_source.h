// Rows that are read from front to back, again and again: what an index too large for memory is
// built of.
#pragma once

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

}  // namespace roxanne::index
