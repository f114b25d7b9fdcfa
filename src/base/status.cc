#include "roxanne/status.h"

#include "base/status_macros.h"

namespace roxanne {

std::string_view status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kInvalidArgument:
      return "invalid_argument";
    case StatusCode::kNotFound:
      return "not_found";
    case StatusCode::kAlreadyExists:
      return "already_exists";
    case StatusCode::kLocked:
      return "locked";
    case StatusCode::kCorruption:
      return "corruption";
    case StatusCode::kDiskFull:
      return "disk_full";
    case StatusCode::kReadOnly:
      return "read_only";
    case StatusCode::kIoError:
      return "io_error";
    case StatusCode::kCancelled:
      return "cancelled";
    case StatusCode::kUnsupported:
      return "unsupported";
  }
  return "unknown";
}

Status Status::with_context(std::string_view context) const {
  if (is_ok()) return *this;
  return {code_, std::string(context) + ": " + message_};
}

std::string Status::to_string() const {
  std::string text(status_code_name(code_));
  if (!is_ok()) text += ": " + message_;
  return text;
}

namespace internal {
void die_on_bad_result_access(const Status& status) {
  std::fprintf(stderr, "roxanne: value of a failed result used: %s\n", status.to_string().c_str());
  std::abort();
}
}  // namespace internal

namespace base {
void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "roxanne: %s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}
}  // namespace base

}  // namespace roxanne
