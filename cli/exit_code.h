// Exit codes: what scripts branch on.
#pragma once

#include <string_view>

#include "roxanne/status.h"

namespace roxanne::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitLocked = 4,
  kExitCorrupt = 5,
  kExitDiskFull = 6,
};

ExitCode exit_code_of(StatusCode code);

// What a person can do about a failure of this kind; empty where there is no general advice.
std::string_view advice_of(StatusCode code);

}  // namespace roxanne::cli
