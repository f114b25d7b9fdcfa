// Several reads in flight on one thread: io_uring where the system allows it, pread elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// Used by one thread. Every file and buffer handed to submit() must live until its completion was
// returned or the reader is destroyed (which waits for what is in flight).
class AsyncReader {
 public:
  struct Completion {
    uint64_t tag = 0;       // the caller's, from submit()
    Status status;          // why the read failed
    size_t bytes_read = 0;  // fewer than asked for only at the file's end
  };

  virtual ~AsyncReader() = default;

  // Queues a read of `out.size()` bytes. At most `depth` may be in flight: in_flight() < depth.
  virtual Status submit(const File& file, uint64_t offset, std::span<std::byte> out,
                        uint64_t tag) = 0;
  // Hands every queued read to the system now, in one call. wait() does so too: only a caller that
  // computes between submit() and wait() needs this.
  virtual Status start() { return Status::ok(); }
  // Waits for one read. in_flight() must not be 0.
  virtual Result<Completion> wait() = 0;
  virtual size_t in_flight() const = 0;
  virtual const char* name() const = 0;  // "io_uring", "pread"
};

// A ring of `depth`. Falls back to pread where rings are refused, where ROX_IO=pread is set, and
// for files without a descriptor.
std::unique_ptr<AsyncReader> make_async_reader(size_t depth);
std::unique_ptr<AsyncReader> make_pread_reader(size_t depth);

}  // namespace roxanne::storage
