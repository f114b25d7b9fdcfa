// Sizes, counts and times as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roxanne::cli {

// "64MiB", "4 GiB", "2GB", "1.5GiB", "1073741824"; KiB..TiB are powers of 1024, KB..TB (and K, M,
// G, T) of 1000, in any case. Absent where it is no size, or one that does not fit.
std::optional<uint64_t> parse_bytes(std::string_view text);

std::string format_bytes(uint64_t bytes);     // "15.2 MiB"
std::string format_count(uint64_t count);     // "1,000,000"
std::string format_rate(double per_second);   // "41.2k"
std::string format_duration(double seconds);  // "0.8 s", "1:05", "2:03:07"
std::string format_fixed(double value, int decimals);

}  // namespace roxanne::cli
