#include "index/disk_paths.h"

#include <charconv>
#include <string_view>

namespace roxanne::index {
namespace {

constexpr std::string_view kLogSuffix = ".log";

std::string with_generation(std::string path, uint32_t generation) {
  return generation == 0 ? path : path + "." + std::to_string(generation);
}

}  // namespace

std::string DiskPaths::codes_of(uint32_t generation) const {
  return with_generation(codes, generation);
}

std::string DiskPaths::log_of(uint32_t generation) const {
  return with_generation(codes + std::string(kLogSuffix), generation);
}

std::optional<uint32_t> DiskPaths::generation_of(const std::string& path) const {
  if (!path.starts_with(codes)) return std::nullopt;
  std::string_view rest = std::string_view(path).substr(codes.size());
  if (rest.starts_with(kLogSuffix)) rest.remove_prefix(kLogSuffix.size());
  if (rest.empty()) return 0;
  uint32_t generation = 0;
  rest.remove_prefix(1);
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), generation);
  // One spelling only, the dot included: names that are nobody's are left alone.
  if (parsed.ec != std::errc() || generation == 0) return std::nullopt;
  if (path != codes_of(generation) && path != log_of(generation)) return std::nullopt;
  return generation;
}

}  // namespace roxanne::index
