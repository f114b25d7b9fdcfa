#include "storage/scattered_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "storage/system_error.h"
#include "storage/uring.h"

namespace roxanne::storage {
namespace {

// With more, reads of searches wait behind them: 32 cost searches beside 500 inserts a second half
// a millisecond one time in seven, 8 one time in thirty.
constexpr unsigned kDepth = 8;
// The kernel says EAGAIN while it lacks memory for a request; after so many it is an error.
constexpr int kBusyTriesMax = 1000;

}  // namespace

class ScatteredWriter::Ring {
 public:
  // Null where the system refuses one.
  static std::unique_ptr<Ring> make() {
    auto uring = Uring::make(kDepth, 0);
    if (uring == nullptr) return nullptr;
    return std::unique_ptr<Ring>(new Ring(std::move(uring)));
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Returns when none is under way any more, after an error too. Where `is_broken()`, the ring is
  // of no use any more.
  Status write(File& file, std::span<const Piece> pieces) {
    Status status;
    size_t next = 0;
    for (size_t in_flight = 0; in_flight > 0 || (status.is_ok() && next < pieces.size());) {
      while (status.is_ok() && next < pieces.size() && in_flight < kDepth) {
        io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
        ROX_CHECK(entry != nullptr);  // the ring has an entry for each
        const Piece& piece = pieces[next];
        io_uring_prep_write(entry, file.descriptor(), piece.bytes.data(),
                            static_cast<unsigned>(piece.bytes.size()), piece.offset);
        uring_->refuse_to_wait(*entry, file);
        io_uring_sqe_set_data64(entry, next++);
        ++in_flight;
      }
      const Status waited = wait();
      if (!waited.is_ok()) {
        is_broken_ = true;
        uring_->wait_for(in_flight - io_uring_sq_ready(&ring_));
        return waited;
      }
      io_uring_cqe* entry = nullptr;
      unsigned head = 0;
      unsigned taken = 0;
      io_uring_for_each_cqe(&ring_, head, entry) {
        const Piece& piece = pieces[io_uring_cqe_get_data64(entry)];
        uring_->note_result(entry->res);
        // Short, refused or failed: rare, and File::write() goes on or says why not.
        if (entry->res < 0 || static_cast<size_t>(entry->res) < piece.bytes.size()) {
          const Status again = file.write(piece.offset, piece.bytes);
          if (status.is_ok()) status = again;
        }
        ++taken;
      }
      io_uring_cq_advance(&ring_, taken);
      in_flight -= taken;
    }
    return status;
  }

  bool is_broken() const { return is_broken_; }

 private:
  explicit Ring(std::unique_ptr<Uring> uring) : uring_(std::move(uring)), ring_(*uring_->get()) {}

  // Until half of what is in flight is done, so that the next call hands over many again.
  Status wait() {
    const unsigned queued = io_uring_sq_ready(&ring_);
    const unsigned wanted = queued > 0 ? std::max(1u, queued / 2) : 1;
    for (int tries = 0; io_uring_cq_ready(&ring_) == 0 || io_uring_sq_ready(&ring_) > 0;) {
      const int result = io_uring_submit_and_wait(&ring_, wanted);
      if (result >= 0 || result == -EINTR) continue;
      if (!Uring::may_pass(-result) || ++tries == kBusyTriesMax) {
        return system_error(-result, "wait for writes");
      }
    }
    return Status::ok();
  }

  std::unique_ptr<Uring> uring_;
  io_uring& ring_;  // its own
  bool is_broken_ = false;
};

ScatteredWriter::ScatteredWriter() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the library never changes the environment
  const char* forced = std::getenv("ROX_IO");
  may_have_ring_ = forced == nullptr || std::string_view(forced) != "pread";
}

ScatteredWriter::~ScatteredWriter() = default;

Status ScatteredWriter::write(File& file, std::span<const Piece> pieces) {
  if (ring_ != nullptr && ring_->is_broken()) ring_.reset();
  if (file.descriptor() >= 0 && may_have_ring_ && ring_ == nullptr) {
    ring_ = Ring::make();
    may_have_ring_ = ring_ != nullptr;
  }
  if (file.descriptor() >= 0 && ring_ != nullptr) return ring_->write(file, pieces);
  for (const Piece& piece : pieces) ROX_RETURN_IF_ERROR(file.write(piece.offset, piece.bytes));
  return Status::ok();
}

}  // namespace roxanne::storage
