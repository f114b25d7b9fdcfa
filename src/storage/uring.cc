#include "storage/uring.h"

#include <sys/uio.h>

#include <atomic>
#include <cerrno>

#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

// A ring's memory is mapped by system calls that liburing makes itself. A thread checker does not
// see them, and takes the next ring at the same address, another thread's, for the same memory:
// this tells it that one came after the other.
std::atomic<size_t> ring_count{0};

}  // namespace

std::unique_ptr<Uring> Uring::make(unsigned depth, unsigned flags, int* error) {
  auto uring = std::unique_ptr<Uring>(new Uring);
  const int result = io_uring_queue_init(depth, &uring->ring_, flags);
  ring_count.fetch_add(1, std::memory_order_acq_rel);
  if (result == 0) return uring;
  if (error != nullptr) *error = -result;
  uring->ring_.ring_fd = -1;
  return nullptr;
}

Uring::~Uring() {
  ring_count.fetch_sub(1, std::memory_order_acq_rel);
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

void Uring::refuse_to_wait(io_uring_sqe& entry, const File& file) const {
  if (may_refuse_ && file.is_direct()) entry.rw_flags = RWF_NOWAIT;
}

void Uring::note_result(int result) {
  if (result == -EOPNOTSUPP) may_refuse_ = false;
}

void Uring::wait_for(size_t count) {
  while (count > 0) {
    io_uring_cqe* entry = nullptr;
    const int result = io_uring_wait_cqe(&ring_, &entry);
    // Anything else can never pass: -EEXIST says that the ring belongs to another thread
    // (IORING_SETUP_SINGLE_ISSUER). Going on would leave the kernel a buffer that is freed.
    ROX_CHECK(result == 0 || may_pass(-result));
    if (result != 0) continue;
    io_uring_cqe_seen(&ring_, entry);
    --count;
  }
}

bool Uring::may_pass(int error_number) {
  return error_number == EINTR || error_number == EAGAIN || error_number == EBUSY;
}

}  // namespace roxanne::storage
