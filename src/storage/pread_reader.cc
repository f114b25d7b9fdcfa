// Reads one after the other, each when it is submitted.
#include <algorithm>
#include <deque>
#include <utility>

#include "base/status_macros.h"
#include "storage/async_reader.h"

namespace roxanne::storage {
namespace {

class PreadReader final : public AsyncReader {
 public:
  explicit PreadReader(size_t depth) : depth_(depth) {}

  Status submit(const File& file, uint64_t offset, std::span<std::byte> out,
                uint64_t tag) override {
    ROX_CHECK(finished_.size() < depth_);
    const Result<size_t> count = file.read(offset, out);
    finished_.push_back({tag, count.status(), count.is_ok() ? *count : 0});
    return Status::ok();
  }

  Result<size_t> wait_some(std::span<Completion> out) override {
    ROX_CHECK(!finished_.empty() && !out.empty());
    const size_t count = std::min(out.size(), finished_.size());
    for (size_t i = 0; i < count; ++i) {
      out[i] = std::move(finished_.front());
      finished_.pop_front();
    }
    return count;
  }

  size_t in_flight() const override { return finished_.size(); }
  const char* name() const override { return "pread"; }

 private:
  const size_t depth_;
  std::deque<Completion> finished_;
};

}  // namespace

std::unique_ptr<AsyncReader> make_pread_reader(const AsyncReaderOptions& options) {
  return std::make_unique<PreadReader>(std::max<size_t>(options.depth, 1));
}

}  // namespace roxanne::storage
