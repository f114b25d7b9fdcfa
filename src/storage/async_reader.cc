#include "storage/async_reader.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "storage/uring_reader.h"

namespace roxanne::storage {

std::unique_ptr<AsyncReader> make_async_reader(size_t depth) {
  depth = std::max<size_t>(depth, 1);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the library never changes the environment
  const char* forced = std::getenv("ROX_IO");
  if (forced != nullptr && std::string_view(forced) == "pread") return make_pread_reader(depth);
  std::unique_ptr<AsyncReader> reader = make_uring_reader(depth);
  return reader != nullptr ? std::move(reader) : make_pread_reader(depth);
}

}  // namespace roxanne::storage
