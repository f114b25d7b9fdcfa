// What searches cost, as JSON: the same words at every door.
#pragma once

#include <string>

#include "roxanne/options.h"

namespace roxanne::json {

// Of one search, or of a batch summed up, that went the way `regime` says. Times are in
// microseconds, to the nanosecond.
std::string explanation_json(const SearchStats& cost, const std::string& regime);

// Microseconds, rounded to whole nanoseconds: what clocks tell.
double whole_nanoseconds(double us);

}  // namespace roxanne::json
