// Whether it is time to give up. Asked between pieces of work, never within one.
#pragma once

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::base {

// Looks at the clock only where there is a deadline.
inline bool has_passed(Deadline deadline) {
  return deadline != kNoDeadline && std::chrono::steady_clock::now() >= deadline;
}

// kCancelled once it has passed.
inline Status check_deadline(Deadline deadline) {
  if (!has_passed(deadline)) return Status::ok();
  return Status::cancelled("its deadline passed before it was done");
}

}  // namespace roxanne::base
