// Long calls that Ctrl-C stops.
#pragma once

#include <functional>
#include <string_view>

#include "errors.h"

namespace roxanne::python {

// What a long call tells now and then; false stops it.
using Goes = std::function<bool(std::string_view phase, double fraction)>;

// Runs `work` on a thread of its own, without the GIL, while the calling thread looks for signals
// and calls `progress(phase, fraction)`, which may be None, a few times a second. A signal whose
// handler raises, a `progress` that raises or returns False: `work` is told to stop, and what was
// raised comes out of here once it has. Called with the GIL held.
Status run_interruptible(const nb::object& progress,
                         const std::function<Status(const Goes&)>& work);

// Throws what a signal's handler raised. Called without the GIL.
void check_signals();

}  // namespace roxanne::python
