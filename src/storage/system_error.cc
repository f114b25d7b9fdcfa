#include "storage/system_error.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace roxanne::storage {
namespace {

StatusCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
      return StatusCode::kDiskFull;
    case EROFS:
    case EACCES:
    case EPERM:
      return StatusCode::kReadOnly;
    default:
      return StatusCode::kIoError;
  }
}

}  // namespace

Status system_error(int error_number, std::string_view doing) {
  // The thread-safe kin of strerror; null for a number the C library does not know.
  const char* description = strerrordesc_np(error_number);
  const char* name = strerrorname_np(error_number);
  std::string message(doing);
  message += ": ";
  message += description != nullptr ? description : "unknown error";
  message += " (";
  message += name != nullptr ? std::string(name) : std::to_string(error_number);
  message += ")";
  return {code_of(error_number), std::move(message)};
}

}  // namespace roxanne::storage
