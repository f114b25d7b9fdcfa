// What is done to one row or one answer, by one thread, with no other.
#pragma once

#include "accel/batch.h"
#include "accel/execution.h"

namespace roxanne::accel {

// Quad `number` of a batch whose rows are rows `members` of a cell.
ROX_DEVICE void gather_quad(size_t number, const CodeRows& cell, const uint32_t* members,
                            uint8_t* codes, int32_t* norms) {
  const size_t row_quads = cell.stride / sizeof(Quad);
  const size_t row = number / row_quads, quad = number % row_quads;
  const size_t from = static_cast<size_t>(members[row]) * row_quads + quad;
  reinterpret_cast<Quad*>(codes)[number] = reinterpret_cast<const Quad*>(cell.codes)[from];
  if (quad == 0) norms[row] = cell.norms[members[row]];
}

struct LinkRule {
  uint32_t k;
  uint32_t source_count;  // only points below it get edges
};

// Answer `number` of a leaf's all-pairs as two edges, there and back: source << 32 | target.
ROX_DEVICE void link_answer(size_t number, const uint32_t* found, const uint32_t* ids,
                            const LinkRule& rule, uint64_t* edges) {
  const uint32_t row = found[number];
  edges[2 * number] = kNoEdge;
  edges[2 * number + 1] = kNoEdge;
  if (row == kNoRow) return;
  const uint64_t one = ids[number / rule.k], other = ids[row];
  if (one < rule.source_count) edges[2 * number] = one << 32 | other;
  if (other < rule.source_count) edges[2 * number + 1] = other << 32 | one;
}

}  // namespace roxanne::accel
