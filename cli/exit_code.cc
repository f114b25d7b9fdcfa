#include "cli/exit_code.h"

namespace roxanne::cli {

ExitCode exit_code_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kLocked:
      return kExitLocked;
    case StatusCode::kCorruption:
      return kExitCorrupt;
    case StatusCode::kDiskFull:
      return kExitDiskFull;
    case StatusCode::kInvalidArgument:
    case StatusCode::kAlreadyExists:
    case StatusCode::kReadOnly:
    case StatusCode::kIoError:
    case StatusCode::kCancelled:
    case StatusCode::kUnsupported:
      return kExitFailure;
  }
  return kExitFailure;
}

std::string_view advice_of(StatusCode code) {
  switch (code) {
    case StatusCode::kLocked:
      return "one process writes at a time; wait for it to end (search, get, eval, info, export "
             "and snapshot run meanwhile)";
    case StatusCode::kCorruption:
      return "\"roxanne verify DB\" lists everything that is wrong";
    case StatusCode::kDiskFull:
      return "free some space and run the command again; what was acknowledged is safe";
    default:
      return {};
  }
}

}  // namespace roxanne::cli
