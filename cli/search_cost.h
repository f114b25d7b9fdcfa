// What searches cost, as "search --explain" and eval tell it.
#pragma once

#include <string>
#include <vector>

#include "roxanne/collection.h"
#include "roxanne/options.h"

namespace roxanne::cli {

// How the searches that `cost` sums up went: "exact" where they walked no graph, else the
// collection's regime. After them: the first one loads the graph.
std::string searched_regime(const Collection& collection, const SearchStats& cost);

// One search's, as lines for people.
std::vector<std::string> explanation_lines(const SearchStats& cost, const std::string& regime);

}  // namespace roxanne::cli
