// What every fuzzer of a vector format does with a reader: read to the end and check the promises.
#pragma once

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "eval/file_formats.h"
#include "fuzz/memory_file.h"

namespace roxanne::fuzz {

inline eval::InputFile input_of(std::span<const uint8_t> bytes) {
  return {std::make_unique<MemoryFile>(bytes), "input", bytes.size()};
}

// An error is one of the kinds that a bad file may give.
inline void check_error(const Status& status) {
  ROX_CHECK(status.code() == StatusCode::kInvalidArgument);
  ROX_CHECK(!status.message().empty());
}

inline void check_batch(const eval::VectorBatch& batch, const eval::VectorFileInfo& info) {
  ROX_CHECK(batch.type == info.type);
  ROX_CHECK(batch.dim == info.dim);
  ROX_CHECK(batch.data.size() == batch.rows * batch.dim * scalar_bytes(batch.type));
  const bool has_numbers = info.key_type == KeyType::kU64;
  const bool has_strings = info.key_type == KeyType::kString;
  ROX_CHECK(batch.number_keys.size() == (has_numbers ? batch.rows : 0));
  ROX_CHECK(batch.string_keys.size() == (has_strings ? batch.rows : 0));
  ROX_CHECK(batch.payloads.empty() || batch.payloads.size() == batch.rows);
}

// Calls `look(batch)` for each batch.
template <typename Look>
void read_all(eval::ReaderResult reader, Look look) {
  constexpr size_t kBatchRows = 5;
  if (!reader.is_ok()) return check_error(reader.status());
  const eval::VectorFileInfo& info = (*reader)->info();
  ROX_CHECK(info.dim >= 1);
  ROX_CHECK(info.dim <= kDimMax);
  eval::VectorBatch batch;
  uint64_t rows = 0;
  for (;;) {
    const Status status = (*reader)->read(kBatchRows, batch);
    if (!status.is_ok()) return check_error(status);
    if (batch.rows == 0) break;
    rows += batch.rows;
    ROX_CHECK(batch.rows <= kBatchRows);
    check_batch(batch, info);
    look(batch);
  }
  ROX_CHECK(rows == info.rows.value_or(rows));
}

inline void read_all(eval::ReaderResult reader) {
  read_all(std::move(reader), [](const eval::VectorBatch&) {});
}

}  // namespace roxanne::fuzz
