// The operating system's error numbers as a Status.
#pragma once

#include <string_view>

#include "roxanne/status.h"

namespace roxanne::storage {

// `doing` says what was tried and on which path: "write /data/graph at 4096". The message adds the
// system's word for it: "write /data/graph at 4096: No space left on device (ENOSPC)".
Status system_error(int error_number, std::string_view doing);

}  // namespace roxanne::storage
