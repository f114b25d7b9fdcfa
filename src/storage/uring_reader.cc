#include "storage/uring_reader.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/system_error.h"
#include "storage/uring.h"

namespace roxanne::storage {
namespace {

// What one read() may ask of Linux; a longer one comes back short and is finished by File::read().
constexpr size_t kReadBytesMax = size_t{1} << 30;
// The kernel says EAGAIN while it lacks memory for a request; after so many it is an error.
constexpr int kBusyTriesMax = 1000;

class UringReader final : public AsyncReader {
 public:
  // With a ring of at least `depth` entries.
  UringReader(std::unique_ptr<Uring> uring, size_t depth)
      : uring_(std::move(uring)), ring_(*uring_->get()), reads_(depth) {
    for (size_t slot = depth; slot-- > 0;) free_slots_.push_back(slot);
  }
  UringReader(const UringReader&) = delete;
  UringReader& operator=(const UringReader&) = delete;

  // The kernel may write into a buffer until its completion is here, so this waits for those it was
  // given.
  ~UringReader() override { uring_->wait_for(in_ring_ - io_uring_sq_ready(&ring_)); }

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
    const auto size = static_cast<unsigned>(std::min(out.size(), kReadBytesMax));
    if (is_in_arena(out)) {
      io_uring_prep_read_fixed(entry, file.descriptor(), out.data(), size, offset, 0);
    } else {
      io_uring_prep_read(entry, file.descriptor(), out.data(), size, offset);
    }
    uring_->refuse_to_wait(*entry, file);
    io_uring_sqe_set_data64(entry, slot);
    ++in_ring_;
    return Status::ok();
  }

  Status start() override {
    for (int i = 0; i < kBusyTriesMax; ++i) {
      const int result = io_uring_submit(&ring_);
      if (result >= 0 && io_uring_sq_ready(&ring_) == 0) return Status::ok();
      if (result < 0 && !Uring::may_pass(-result)) return system_error(-result, "submit reads");
    }
    return system_error(EAGAIN, "submit reads");
  }

  Result<size_t> wait_some(std::span<Completion> out) override {
    ROX_CHECK(in_flight() > 0 && !out.empty());
    size_t count = 0;
    for (; count < out.size() && !finished_.empty(); ++count) {
      out[count] = std::move(finished_.front());
      finished_.pop_front();
    }
    if (count == 0) ROX_RETURN_IF_ERROR(block());
    io_uring_cqe* entry = nullptr;
    unsigned head = 0;
    unsigned taken = 0;
    io_uring_for_each_cqe(&ring_, head, entry) {
      if (count == out.size()) break;
      take(*entry, out[count++]);
      ++taken;
    }
    io_uring_cq_advance(&ring_, taken);
    return count;
  }

  bool register_buffers(std::span<std::byte> arena) override {
    ROX_CHECK(in_flight() == 0);
    if (!arena_.empty()) io_uring_unregister_buffers(&ring_);
    arena_ = {};
    if (arena.empty()) return false;
    const iovec all = {arena.data(), arena.size()};
    if (io_uring_register_buffers(&ring_, &all, 1) != 0) return false;
    arena_ = arena;
    return true;
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

  bool is_in_arena(std::span<const std::byte> out) const {
    const std::less_equal<const std::byte*> before;
    return before(arena_.data(), out.data()) &&
           before(out.data() + out.size(), arena_.data() + arena_.size());
  }

  // Returns once a completion lies in the ring, and submits what is queued on the way to sleep.
  Status block() {
    for (int tries = 0; io_uring_cq_ready(&ring_) == 0;) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result >= 0 || result == -EINTR) continue;
      if (!Uring::may_pass(-result) || ++tries == kBusyTriesMax) {
        return system_error(-result, "wait for reads");
      }
    }
    return Status::ok();
  }

  void take(const io_uring_cqe& entry, Completion& out) {
    const auto slot = static_cast<size_t>(io_uring_cqe_get_data64(&entry));
    const Read& read = reads_[slot];
    --in_ring_;
    free_slots_.push_back(slot);
    uring_->note_result(entry.res);
    // Short, refused or failed: rare, so the whole read is done again by File::read(), which tells
    // the file's end from an interruption and whose error names the file.
    if (entry.res < 0 || static_cast<size_t>(entry.res) < read.out.size()) {
      out = read_now(read);
    } else {
      out = {read.tag, Status::ok(), read.out.size()};
    }
  }

  std::unique_ptr<Uring> uring_;
  io_uring& ring_;           // its own
  std::vector<Read> reads_;  // by slot, which is the entry's user data
  std::vector<size_t> free_slots_;
  std::deque<Completion> finished_;  // of files without a descriptor
  size_t in_ring_ = 0;               // queued or with the kernel
  std::span<std::byte> arena_;       // the caller's; the ring's only registered buffer
};

std::unique_ptr<Uring> make_ring(const AsyncReaderOptions& options, unsigned depth) {
  // No kernel polling thread: it would burn a processor in a library that is often idle.
  if (options.stays_on_thread) {
    // Completions wait until the thread enters the kernel anyway, instead of interrupting it.
    constexpr unsigned kFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    int error = 0;
    if (auto uring = Uring::make(depth, kFlags, &error)) return uring;
    if (error != EINVAL) return nullptr;  // EINVAL: before Linux 6.1
  }
  return Uring::make(depth, 0);
}

}  // namespace

std::unique_ptr<AsyncReader> make_uring_reader(const AsyncReaderOptions& options) {
  const size_t depth = std::max<size_t>(options.depth, 1);
  auto uring = make_ring(options, static_cast<unsigned>(depth));
  if (uring == nullptr) return nullptr;
  return std::make_unique<UringReader>(std::move(uring), depth);
}

}  // namespace roxanne::storage
