// Quantizers: vectors become short codes, and the distances of a query to many vectors are
// estimated from their codes.
//
// Codes come in two layouts. A flat code is code_bytes() long and stands alone, in a slot say. A
// block holds kBlockCodes codes in as many bytes as they take flat, in the order in which
// a scan reads them: several times faster a code where all codes of a block are wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/distance.h"
#include "roxanne/types.h"

namespace roxanne::quantize {

inline constexpr size_t kBlockCodes = kernels::kNibbleBlock;

// A query, made ready to be compared with codes of the quantizer it came from, which it must not
// outlive. Estimates are in the collection's metric, smaller is nearer; they are finite, and the
// same for the same code wherever it lies in its layout, so that (estimate, id) is a total order.
// All calls may run at once.
class Estimator {
 public:
  virtual ~Estimator() = default;

  // Of `count` flat codes, one after the other.
  virtual void estimate(const uint8_t* codes, size_t count, float* out) const = 0;
  // Of flat codes codes + slot * code_bytes(); far ones are fetched ahead.
  virtual void estimate_at(const uint8_t* codes, std::span<const uint32_t> slots,
                           float* out) const = 0;
  // Of all the codes of blocks: block_count * kBlockCodes of them. Blocks at 64 bytes are fastest.
  virtual void estimate_blocks(const uint8_t* blocks, size_t block_count, float* out) const = 0;
};

// Trained once, then only read: all const calls may run at once.
class Quantizer {
 public:
  virtual ~Quantizer() = default;

  virtual size_t dim() const = 0;
  virtual size_t code_bytes() const = 0;
  size_t block_bytes() const { return kBlockCodes * code_bytes(); }

  // Learns from rows that are a fair sample of what is to come; at least one row. Deterministic:
  // the same sample and seed give the same codes on the same kind of machine.
  virtual void train(MatrixView sample) = 0;

  // Writes rows.rows() flat codes. Rows are finite; under cosine they are not zero.
  virtual void encode(MatrixView rows, uint8_t* codes) const = 0;

  // Packs 1..kBlockCodes flat codes into a block; missing codes are zeros, their estimates finite
  // and without meaning.
  virtual void pack_block(const uint8_t* codes, size_t count, uint8_t* block) const = 0;

  virtual std::unique_ptr<Estimator> prepare_query(VectorView query) const = 0;
};

}  // namespace roxanne::quantize
