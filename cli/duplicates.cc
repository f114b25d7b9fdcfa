#include "cli/duplicates.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

namespace roxanne::cli {
namespace {

// The rows to keep, ascending; or kAlreadyExists. `key_of(row)` is hashable.
template <typename K, typename KeyOf>
Result<std::vector<size_t>> rows_to_keep(const KeyedRows& rows, KeyOf key_of,
                                         OnDuplicate on_duplicate) {
  std::unordered_map<K, size_t> kept;  // key -> row
  kept.reserve(rows.batch.rows);
  for (size_t row = 0; row < rows.batch.rows; ++row) {
    const auto [at, is_new] = kept.try_emplace(key_of(row), row);
    if (is_new) continue;
    if (on_duplicate == OnDuplicate::kError) {
      return Status::already_exists("key " + rows.keys().key(row).to_string() +
                                    " comes twice: in row " +
                                    std::to_string(rows.source_row(at->second)) + " and row " +
                                    std::to_string(rows.source_row(row)));
    }
    if (on_duplicate == OnDuplicate::kReplace) at->second = row;
  }
  std::vector<size_t> keep;
  keep.reserve(kept.size());
  for (const auto& [key, row] : kept) keep.push_back(row);
  std::sort(keep.begin(), keep.end());
  return keep;
}

template <typename T>
void keep_only(std::vector<T>& list, const std::vector<size_t>& keep) {
  if (list.empty()) return;
  // keep[i] >= i, so nothing is overwritten before it was moved; a move to itself must not be made.
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i] != i) list[i] = std::move(list[keep[i]]);
  }
  list.resize(keep.size());
}

void keep_only(KeyedRows& rows, const std::vector<size_t>& keep) {
  std::vector<uint64_t> source_rows;
  for (const size_t row : keep) source_rows.push_back(rows.source_row(row));
  const size_t row_bytes = rows.batch.view().row_bytes();
  for (size_t i = 0; i < keep.size(); ++i) {
    std::memmove(rows.batch.data.data() + i * row_bytes,
                 rows.batch.data.data() + keep[i] * row_bytes, row_bytes);
  }
  rows.batch.data.resize(keep.size() * row_bytes);
  keep_only(rows.batch.number_keys, keep);
  keep_only(rows.batch.string_keys, keep);
  keep_only(rows.batch.payloads, keep);
  rows.batch.rows = keep.size();
  rows.source_rows = std::move(source_rows);
}

bool strictly_ascending(const std::vector<uint64_t>& keys) {
  return std::adjacent_find(keys.begin(), keys.end(), std::greater_equal<>()) == keys.end();
}

}  // namespace

Result<uint64_t> drop_duplicates(KeyedRows& rows, OnDuplicate on_duplicate) {
  const eval::VectorBatch& batch = rows.batch;
  const bool numbers = rows.key_type() == KeyType::kU64;
  if (numbers && strictly_ascending(batch.number_keys)) return uint64_t{0};
  auto keep = numbers
                  ? rows_to_keep<uint64_t>(
                        rows, [&](size_t row) { return batch.number_keys[row]; }, on_duplicate)
                  : rows_to_keep<std::string_view>(
                        rows, [&](size_t row) { return std::string_view(batch.string_keys[row]); },
                        on_duplicate);
  if (!keep.is_ok()) return keep.status();
  const uint64_t dropped = batch.rows - keep->size();
  if (dropped > 0) keep_only(rows, *keep);
  return dropped;
}

}  // namespace roxanne::cli
