#include "cli/suggest.h"

#include <algorithm>
#include <vector>

namespace roxanne::cli {

size_t edit_distance(std::string_view a, std::string_view b) {
  // Row i holds the distances of a's first i letters to every prefix of b.
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) rows[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

std::string suggest(std::string_view word, std::span<const std::string> candidates) {
  constexpr size_t kWordBytesMax = 64;  // nothing that long is a typing mistake
  if (word.size() > kWordBytesMax) return {};
  std::string best;
  size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  const size_t allowed = std::max<size_t>(1, std::min<size_t>(3, word.size() / 3));
  return best_distance <= allowed ? best : std::string();
}

}  // namespace roxanne::cli
