// The files of one disk graph.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace roxanne::index {

struct DiskPaths {
  std::string pages;
  std::string codes;  // as a build writes it; others are named after it

  // The file of codes that was written anew for the n-th time, and the log beside it.
  std::string codes_of(uint32_t generation) const;
  std::string log_of(uint32_t generation) const;
  // The generation that a file of codes, or a log, is of; none where it is neither of this graph.
  std::optional<uint32_t> generation_of(const std::string& path) const;
  // Whether such a file is one of this graph's.
  bool include(const std::string& path) const {
    return path == pages || generation_of(path).has_value();
  }
};

}  // namespace roxanne::index
