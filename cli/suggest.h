// "did you mean": the nearest of some names to a mistyped one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace roxanne::cli {

// Insertions, deletions, substitutions and swaps of neighbouring letters that make `a` into `b`
// (optimal string alignment: no part is edited twice).
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`; empty where none is near enough to be what was meant.
std::string suggest(std::string_view word, std::span<const std::string> candidates);

}  // namespace roxanne::cli
