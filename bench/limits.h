// What a machine can do at most on one thread: what the kernels' speed is compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roxanne::bench {

// Reads all bytes with the widest loads the machine has; returns a sum that nobody needs. `data` is
// aligned to 64 bytes and `bytes` a multiple of 4096.
uint64_t read_all(const uint8_t* data, size_t bytes);

// G multiply-adds a second of the instruction the panels of that set live on, with all operands in
// registers; 0 where unknown.
struct Peaks {
  double f32_gmac_s = 0;
  double int_gmac_s = 0;
};
Peaks measure_peaks(std::string_view isa);

}  // namespace roxanne::bench
