// An io_uring as reads and writes share it.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <memory>

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

  // Waits for `count` requests that the kernel has, whose outcomes nobody wants any more: it may
  // use their buffers until then.
  void wait_for(size_t count);

  // Whether a call that failed with this number may succeed when it is made again.
  static bool may_pass(int error_number);

 private:
  Uring() = default;

  io_uring ring_{};
};

}  // namespace roxanne::storage
