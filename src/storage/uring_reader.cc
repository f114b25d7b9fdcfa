#include "storage/uring_reader.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/system_error.h"

namespace roxanne::storage {
namespace {

// What one read() may ask of Linux; a longer one comes back short and is finished by File::read().
constexpr size_t kReadBytesMax = size_t{1} << 30;
// The kernel says EAGAIN while it lacks memory for a request; after so many it is an error.
constexpr int kBusyTriesMax = 1000;

class UringReader final : public AsyncReader {
 public:
  // Takes over an initialised ring of at least `depth` entries.
  UringReader(const io_uring& ring, size_t depth) : ring_(ring), reads_(depth) {
    for (size_t slot = depth; slot-- > 0;) free_slots_.push_back(slot);
  }
  UringReader(const UringReader&) = delete;
  UringReader& operator=(const UringReader&) = delete;

  // The kernel may write into a buffer until its completion is here, so this waits for those it was
  // given; reads that are still queued are dropped with the ring.
  ~UringReader() override {
    while (in_ring_ > io_uring_sq_ready(&ring_)) {
      io_uring_cqe* entry = nullptr;
      if (io_uring_wait_cqe(&ring_, &entry) != 0) continue;
      io_uring_cqe_seen(&ring_, entry);
      --in_ring_;
    }
    io_uring_queue_exit(&ring_);
  }

  Status submit(const File& file, uint64_t offset, std::span<std::byte> out,
                uint64_t tag) override {
    ROX_CHECK(in_flight() < reads_.size());
    if (file.descriptor() < 0) {
      finished_.push_back(read_now({&file, offset, out, tag}));
      return Status::ok();
    }
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    ROX_CHECK(entry != nullptr);  // the ring has an entry for every slot
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    reads_[slot] = {&file, offset, out, tag};
    const size_t size = std::min(out.size(), kReadBytesMax);
    io_uring_prep_read(entry, file.descriptor(), out.data(), static_cast<unsigned>(size), offset);
    io_uring_sqe_set_data64(entry, slot);
    ++in_ring_;
    return Status::ok();
  }

  Status start() override {
    for (int i = 0; i < kBusyTriesMax; ++i) {
      const int result = io_uring_submit(&ring_);
      if (result >= 0 && io_uring_sq_ready(&ring_) == 0) return Status::ok();
      if (result < 0 && !may_pass(-result)) return system_error(-result, "submit reads");
    }
    return system_error(EAGAIN, "submit reads");
  }

  Result<Completion> wait() override {
    ROX_CHECK(in_flight() > 0);
    if (!finished_.empty()) {
      Completion completion = std::move(finished_.front());
      finished_.pop_front();
      return completion;
    }
    io_uring_cqe* entry = nullptr;
    ROX_RETURN_IF_ERROR(wait_for_entry(&entry));
    const size_t slot = static_cast<size_t>(io_uring_cqe_get_data64(entry));
    const int result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    --in_ring_;
    free_slots_.push_back(slot);
    const Read& read = reads_[slot];
    // Short or failed: rare, so the whole read is done again by File::read(), which tells the
    // file's end from an interruption and whose error names the file.
    if (result < 0 || static_cast<size_t>(result) < read.out.size()) return read_now(read);
    return Completion{read.tag, Status::ok(), read.out.size()};
  }

  size_t in_flight() const override { return in_ring_ + finished_.size(); }
  const char* name() const override { return "io_uring"; }

 private:
  struct Read {
    const File* file = nullptr;
    uint64_t offset = 0;
    std::span<std::byte> out;
    uint64_t tag = 0;
  };

  static Completion read_now(const Read& read) {
    const Result<size_t> count = read.file->read(read.offset, read.out);
    return {read.tag, count.status(), count.is_ok() ? *count : 0};
  }

  static bool may_pass(int error_number) {
    return error_number == EINTR || error_number == EAGAIN || error_number == EBUSY;
  }

  Status wait_for_entry(io_uring_cqe** entry) {
    if (io_uring_sq_ready(&ring_) > 0) ROX_RETURN_IF_ERROR(start());
    int result = io_uring_wait_cqe(&ring_, entry);
    while (result == -EINTR) result = io_uring_wait_cqe(&ring_, entry);
    return result == 0 ? Status::ok() : system_error(-result, "wait for a read");
  }

  io_uring ring_;
  std::vector<Read> reads_;  // by slot, which is the entry's user data
  std::vector<size_t> free_slots_;
  std::deque<Completion> finished_;  // of files without a descriptor
  size_t in_ring_ = 0;               // queued or with the kernel
};

}  // namespace

std::unique_ptr<AsyncReader> make_uring_reader(size_t depth) {
  io_uring ring{};
  // No kernel polling thread: it would burn a processor in a library that is often idle. The ring
  // may be used from another thread than the one that makes it, so no single-issuer flag.
  if (io_uring_queue_init(static_cast<unsigned>(depth), &ring, 0) != 0) return nullptr;
  return std::make_unique<UringReader>(ring, depth);
}

}  // namespace roxanne::storage
