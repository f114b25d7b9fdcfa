// gzip (RFC 1952), as bodies come and answers go.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace roxanne::server {

// Whether an Accept-Encoding field allows for it.
bool accepts_gzip(std::string_view field);

enum class Gunzip : uint8_t {
  kDone,
  kBroken,    // not gzip, damaged, or cut short
  kTooLarge,  // more than bytes_max
  kRefused,   // by `may_grow`
};
struct GunzipOptions {
  uint64_t bytes_max;
  // Asked before memory is taken, with how much more.
  std::function<bool(uint64_t bytes)> may_grow;
};
// Appends what `data` holds, members one after the other, to `out`. Takes no more memory than it
// was allowed, however small `data` is.
Gunzip gunzip(std::string_view data, const GunzipOptions& options, std::string& out);

// Fast rather than small. False where it would not get smaller.
bool gzip(std::string_view data, std::string& out);

}  // namespace roxanne::server
