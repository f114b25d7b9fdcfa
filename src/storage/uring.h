// An io_uring as reads and writes share it.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <memory>

#include "storage/file_system.h"

namespace roxanne::storage {

class Uring {
 public:
  // With place for `depth` requests; flags: IORING_SETUP_*. Null where the system refuses it, and
  // then `error`, where given, is the system's number.
  static std::unique_ptr<Uring> make(unsigned depth, unsigned flags, int* error = nullptr);
  // What the kernel was given must be complete; what is still queued is dropped.
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  io_uring* get() { return &ring_; }
  const io_uring* get() const { return &ring_; }

  // Has a read or write of a file past the page cache refused (EAGAIN) where it would have to wait
  // for a lock, or for a place in the device's queue; the caller then does it by itself. Left alone
  // Linux hands such requests (of searches beside writers one in 400) to a worker thread that it
  // makes for them: slower, and Linux 6.18 was seen to let four reads wait there for ever, and
  // whatever came after them. Tell each outcome to note_result(): where the file system cannot
  // refuse, requests go as they would.
  void refuse_to_wait(io_uring_sqe& entry, const File& file) const;
  void note_result(int result);

  // Waits for `count` requests that the kernel has, whose outcomes nobody wants any more: it may
  // use their buffers until then.
  void wait_for(size_t count);

  // Whether a call that failed with this number may succeed when it is made again.
  static bool may_pass(int error_number);

 private:
  Uring() = default;

  io_uring ring_{};
  bool may_refuse_ = true;
};

}  // namespace roxanne::storage
