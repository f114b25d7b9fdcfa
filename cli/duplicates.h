// Keys that come twice in one batch of an import; the engine wants each once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "eval/vector_io.h"
#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::cli {

// Rows with their keys: exactly one of the batch's two key lists is as long as its rows.
struct KeyedRows {
  eval::VectorBatch batch;
  uint64_t first_row = 0;  // of the source, before any row was dropped
  // Which source row each row was; empty where none was dropped: then first_row + i.
  std::vector<uint64_t> source_rows;

  KeyType key_type() const { return batch.string_keys.empty() ? KeyType::kU64 : KeyType::kString; }
  KeysView keys() const {
    return batch.string_keys.empty() ? KeysView(batch.number_keys) : KeysView(batch.string_keys);
  }
  uint64_t source_row(size_t row) const {
    return source_rows.empty() ? first_row + row : source_rows[row];
  }
};

// Leaves each key once: the last row of a key under kReplace, the first under kSkip; kAlreadyExists
// names the key under kError. Returns how many rows were dropped. Order is kept.
Result<uint64_t> drop_duplicates(KeyedRows& rows, OnDuplicate on_duplicate);

}  // namespace roxanne::cli
