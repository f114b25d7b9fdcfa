#include <cstring>
#include <span>
#include <utility>

#include "base/status_macros.h"
#include "eval/line_splitter.h"
#include "eval/vector_io.h"

namespace roxanne::eval {
namespace {

constexpr size_t kFirstBufferBytes = 64u << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

class PlainLineReader final : public LineReader {
 public:
  PlainLineReader(std::unique_ptr<ByteSource> source, std::string name)
      : splitter_(std::move(source), std::move(name)) {}

  Result<bool> next(std::string& line) override {
    std::string_view found;
    ROX_ASSIGN_OR_RETURN(const bool more, splitter_.next(found));
    line.assign(found);
    return more;
  }

 private:
  LineSplitter splitter_;
};

}  // namespace

LineSplitter::LineSplitter(std::unique_ptr<ByteSource> source, std::string name)
    : source_(std::move(source)), name_(std::move(name)), buffer_(kFirstBufferBytes) {}

Result<bool> LineSplitter::next(std::string_view& line) {
  line = {};
  size_t searched = 0;  // bytes behind begin_ known to hold no line end
  const char* found = nullptr;
  bool at_end = false;
  for (;;) {
    const char* start = buffer_.data() + begin_ + searched;
    searched = end_ - begin_;
    const char* end = buffer_.data() + end_;
    if (start < end) found = static_cast<const char*>(std::memchr(start, '\n', end - start));
    if (found != nullptr || at_end) break;
    ROX_ASSIGN_OR_RETURN(const bool more, refill());
    at_end = !more;
  }
  if (found == nullptr && begin_ == end_) return false;
  const char* start = buffer_.data() + begin_;
  line = std::string_view(start, (found != nullptr ? found : buffer_.data() + end_) - start);
  if (line.size() > LineReader::kLineBytesMax) return too_long();
  begin_ += line.size() + (found != nullptr ? 1 : 0);
  if (line_number_++ == 0 && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

Result<bool> LineSplitter::refill() {
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  if (end_ > LineReader::kLineBytesMax) return too_long();
  if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  const auto free_bytes = std::as_writable_bytes(std::span(buffer_)).subspan(end_);
  ROX_ASSIGN_OR_RETURN(const size_t count, source_->read(free_bytes));
  end_ += count;
  return count > 0;
}

Status LineSplitter::too_long() const {
  return Status::invalid_argument(name_ + ": line " + std::to_string(line_number_ + 1) +
                                  ": expected its end within " +
                                  std::to_string(LineReader::kLineBytesMax) + " bytes");
}

std::unique_ptr<LineReader> make_line_reader(std::unique_ptr<ByteSource> source, std::string name) {
  return std::make_unique<PlainLineReader>(std::move(source), std::move(name));
}

Result<std::unique_ptr<LineReader>> open_line_reader(const std::string& path) {
  ROX_ASSIGN_OR_RETURN(auto source, open_byte_source(path));
  return make_line_reader(std::move(source), path == "-" ? "standard input" : path);
}

}  // namespace roxanne::eval
