#include "kernels/widen.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/distance.h"

namespace roxanne::kernels {
namespace {

template <typename T>
void widen_integers(const std::byte* from, size_t count, float* out) {
  const auto* values = reinterpret_cast<const T*>(from);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[i]);
}

// Halves may lie at odd addresses, where the kernel's parameter type may not: copied in pieces.
void widen_halves(const std::byte* from, size_t count, float* out) {
  constexpr size_t kPiece = 1024;
  uint16_t halves[kPiece];
  for (size_t i = 0; i < count; i += kPiece) {
    const size_t piece = count - i < kPiece ? count - i : kPiece;
    std::memcpy(halves, from + i * sizeof(uint16_t), piece * sizeof(uint16_t));
    kernels().f16_to_f32(halves, piece, out + i);
  }
}

}  // namespace

void widen_rows(MatrixView rows, float* out) {
  const size_t count = rows.rows() * rows.dim();
  if (count == 0) return;
  switch (rows.type()) {
    case ScalarType::kF32:
      std::memcpy(out, rows.data(), count * sizeof(float));
      break;
    case ScalarType::kF16:
      widen_halves(rows.data(), count, out);
      break;
    case ScalarType::kU8:
      widen_integers<uint8_t>(rows.data(), count, out);
      break;
    case ScalarType::kI8:
      widen_integers<int8_t>(rows.data(), count, out);
      break;
  }
}

}  // namespace roxanne::kernels
