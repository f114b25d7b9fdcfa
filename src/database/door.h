// The checks that everything from outside passes, once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

Status check_collection_name(std::string_view name);
Status check_collection_options(const CollectionOptions& options);
Status check_search_options(const SearchOptions& options);
Status check_key(KeyType type, const Key& key);

// Of the key type, in bounds, and (unless `repeats_allowed`) each once.
struct KeyRules {
  KeyType type;
  bool repeats_allowed = false;
};
Status check_keys(const KeysView& keys, const KeyRules& rules);

// Empty, or one JSON object (or "") a row.
Status check_payloads(std::span<const std::string> payloads, size_t rows);

// Dimension and type fit, every number is finite, no squared norm overflows, and under cosine none
// is zero. Returns the bits of each row's squared norm: int32 for integers, float for floats.
Result<std::vector<uint32_t>> check_vectors(const MatrixView& vectors,
                                            const CollectionOptions& options);

// The same of queries, whose norms nobody needs: cheap.
Status check_queries(const MatrixView& queries, const CollectionOptions& options);

}  // namespace roxanne::database
