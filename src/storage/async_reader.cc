#include "storage/async_reader.h"

#include <cstdlib>
#include <string_view>

#include "base/status_macros.h"
#include "storage/uring_reader.h"

namespace roxanne::storage {

Result<AsyncReader::Completion> AsyncReader::wait() {
  Completion completion;
  ROX_ASSIGN_OR_RETURN(const size_t count, wait_some({&completion, 1}));
  ROX_CHECK(count == 1);
  return completion;
}

std::unique_ptr<AsyncReader> make_async_reader(const AsyncReaderOptions& options) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the library never changes the environment
  const char* forced = std::getenv("ROX_IO");
  if (forced != nullptr && std::string_view(forced) == "pread") return make_pread_reader(options);
  std::unique_ptr<AsyncReader> reader = make_uring_reader(options);
  return reader != nullptr ? std::move(reader) : make_pread_reader(options);
}

}  // namespace roxanne::storage
