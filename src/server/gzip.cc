#include "server/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "base/ascii.h"

namespace roxanne::server {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // 16: gzip, and neither zlib's own form nor none
constexpr int kMemoryLevel = 8;
constexpr uint64_t kGrowthBytesMin = 64u << 10;
constexpr uint64_t kPieceBytesMax = 1u << 30;  // zlib counts in unsigned int

Bytef* bytes_of(const char* text) {  // zlib reads what it takes as not const
  return reinterpret_cast<Bytef*>(const_cast<char*>(text));
}

// ";q=0", ";q=0.000": not at all.
bool is_zero(std::string_view weight) {
  weight = base::trim(weight);
  if (weight.size() < 3 || !base::same_word(weight.substr(0, 2), "q=")) return false;
  return std::all_of(weight.begin() + 2, weight.end(), [](char c) { return c == '0' || c == '.'; });
}

class Inflater {
 public:
  Inflater() { is_ready_ = inflateInit2(&stream_, kGzipWindowBits) == Z_OK; }
  ~Inflater() {
    if (is_ready_) (void)inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool is_ready() const { return is_ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool is_ready_ = false;
};

}  // namespace

bool accepts_gzip(std::string_view field) {
  bool any = false;
  while (!field.empty()) {
    std::string_view item = field.substr(0, field.find(','));
    field.remove_prefix(std::min(item.size() + 1, field.size()));
    const std::string_view name = base::trim(item.substr(0, item.find(';')));
    item.remove_prefix(std::min(item.find(';'), item.size()));
    if (!item.empty()) item.remove_prefix(1);
    if (base::same_word(name, "gzip") || base::same_word(name, "x-gzip")) return !is_zero(item);
    if (name == "*") any = !is_zero(item);
  }
  return any;
}

Gunzip gunzip(std::string_view data, const GunzipOptions& options, std::string& out) {
  Inflater inflater;
  if (!inflater.is_ready()) return Gunzip::kRefused;  // no memory
  z_stream& stream = inflater.stream();
  const size_t begin = out.size();
  size_t used = begin;
  int outcome = Z_BUF_ERROR;  // nothing was there
  while (!data.empty() || outcome == Z_OK) {
    if (outcome == Z_STREAM_END && inflateReset(&stream) != Z_OK) return Gunzip::kBroken;
    if (used == out.size()) {
      // Beyond the limit by a byte at most, which shows that there is more.
      const uint64_t most = options.bytes_max + 1 - (used - begin);
      if (most == 0) return Gunzip::kTooLarge;
      const uint64_t more =
          std::min({most, std::max<uint64_t>(kGrowthBytesMin, used - begin), kPieceBytesMax});
      if (!options.may_grow(more)) return Gunzip::kRefused;
      out.resize(used + more);
    }
    const size_t given = std::min<size_t>(data.size(), kPieceBytesMax);
    const size_t room = std::min<size_t>(out.size() - used, kPieceBytesMax);
    stream.next_in = bytes_of(data.data());
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = bytes_of(out.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    outcome = inflate(&stream, Z_NO_FLUSH);
    data.remove_prefix(given - stream.avail_in);
    used += room - stream.avail_out;
    if (used - begin > options.bytes_max) return Gunzip::kTooLarge;
    if (outcome == Z_MEM_ERROR) return Gunzip::kRefused;
    // Z_BUF_ERROR: all was taken, and the end did not come.
    if (outcome != Z_OK && outcome != Z_STREAM_END) return Gunzip::kBroken;
  }
  out.resize(used);
  return outcome == Z_STREAM_END ? Gunzip::kDone : Gunzip::kBroken;
}

bool gzip(std::string_view data, std::string& out) {
  if (data.size() > kPieceBytesMax) return false;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return false;
  }
  out.resize(data.size());
  stream.next_in = bytes_of(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = bytes_of(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool is_smaller = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(out.size() - stream.avail_out);
  (void)deflateEnd(&stream);
  return is_smaller;
}

}  // namespace roxanne::server
