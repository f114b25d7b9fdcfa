#include "database/live_rows.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"

namespace roxanne::database {

// Live rows of a block move together at its front: the file's blocks hold dead slots too.
Status LiveRows::scan(const Visit& visit) const {
  const storage::RowLayout& layout = vectors_.file().layout();
  base::AlignedBuffer block(layout.block_bytes);
  const storage::BlockView view(layout, block.data());
  std::vector<std::byte> rows;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> tags;
  for (uint64_t first = 0; first < live_.slot_end(); first += layout.rows_per_block) {
    slots.clear();
    for (size_t i = 0; i < layout.rows_per_block; ++i) {
      const auto slot = static_cast<uint32_t>(first + i);
      if (live_.contains(slot)) slots.push_back(slot);
    }
    if (slots.empty()) continue;
    ROX_RETURN_IF_ERROR(vectors_.read_block(first / layout.rows_per_block, live_, block.span()));
    rows.resize(slots.size() * layout.row_bytes);
    tags.resize(slots.size());
    for (size_t i = 0; i < slots.size(); ++i) {
      const size_t at = layout.index_in_block(slots[i]);
      std::memcpy(rows.data() + i * layout.row_bytes, view.row(at), layout.row_bytes);
      tags[i] = view.tags()[at];
    }
    ROX_RETURN_IF_ERROR(
        visit(MatrixView(options_.type, rows.data(), slots.size(), options_.dim), slots, tags));
  }
  return Status::ok();
}

}  // namespace roxanne::database
