// Several reads in flight on one thread: io_uring where the system allows it, pread elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// Used by one thread at a time. Every file and buffer handed to submit() must live until its
// completion was returned or the reader is destroyed (which waits for what is in flight).
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
  // Hands every queued read to the system now, in one call. A wait that has to block does so too,
  // in the call that blocks: this is for callers that compute between submit() and their wait, or
  // that would rather keep the disk busy than save calls.
  virtual Status start() { return Status::ok(); }
  // Fills `out` from its beginning with reads that are done and returns how many there were. Blocks
  // only while there is none, and makes no system call where there is one. in_flight() and
  // out.size() must not be 0. What one read meets is in its completion; an error returned here is
  // the ring's.
  virtual Result<size_t> wait_some(std::span<Completion> out) = 0;
  // wait_some() of one.
  Result<Completion> wait();
  // Reads into `arena` no longer make the system look its pages up each time. It replaces the one
  // before; in_flight() must be 0, and it must live as long as the reader. Returns whether the
  // system agreed (RLIMIT_MEMLOCK bounds it); where not, reads work as without.
  virtual bool register_buffers(std::span<std::byte> /*arena*/) { return false; }
  virtual size_t in_flight() const = 0;
  virtual const char* name() const = 0;  // "io_uring", "pread"
};

struct AsyncReaderOptions {
  size_t depth = 1;
  // Every call comes from the thread that makes the reader, which then is not interrupted for
  // completions; with reads in flight it is destroyed there too.
  bool stays_on_thread = false;
};

// Falls back to pread where rings are refused, where ROX_IO=pread is set, and for files without a
// descriptor.
std::unique_ptr<AsyncReader> make_async_reader(const AsyncReaderOptions& options);
std::unique_ptr<AsyncReader> make_pread_reader(const AsyncReaderOptions& options);

}  // namespace roxanne::storage
