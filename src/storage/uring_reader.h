// Reads through an io_uring.
#pragma once

#include <cstddef>
#include <memory>

#include "storage/async_reader.h"

namespace roxanne::storage {

// Null where the system refuses a ring: an old kernel, a container's seccomp filter, a sysctl.
std::unique_ptr<AsyncReader> make_uring_reader(const AsyncReaderOptions& options);

}  // namespace roxanne::storage
