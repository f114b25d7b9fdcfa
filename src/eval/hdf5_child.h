// What the child process of Hdf5Stream does, and how the two talk.
#pragma once

#include <cstdint>
#include <string>

#include "eval/hdf5_dataset.h"

namespace roxanne::eval {

// The pipe carries frames: a head, then `bytes` bytes. First a shape, then rows until all are sent.
// Instead of either there may be an error, which ends the stream.
struct Hdf5Frame {
  static constexpr uint32_t kShape = 1;            // a Hdf5Shape
  static constexpr uint32_t kRows = 2;             // whole rows
  static constexpr uint32_t kInvalidArgument = 3;  // a message
  static constexpr uint32_t kNotFound = 4;         // a message: there is no such dataset
  uint32_t kind = 0;
  uint32_t bytes = 0;
};
inline constexpr size_t kHdf5BlockBytes = 1u << 20;
inline constexpr size_t kHdf5MessageBytesMax = 16u << 10;

struct Hdf5Request {
  std::string path;
  std::string dataset;
  Hdf5Kind kind = Hdf5Kind::kVectors;
};

// Runs in the child; leaves the process without running its destructors or exit handlers.
[[noreturn]] void serve_hdf5_rows(const Hdf5Request& request, int pipe);

}  // namespace roxanne::eval
