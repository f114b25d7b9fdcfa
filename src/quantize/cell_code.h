// Codes of what is left of a vector when its cell's centroid is taken away, so that a short code
// says much, and what is prepared once for a query serves the codes of all cells.
//
//   code   what names the residual, by one of two kinds of codebook; then `add` as int16 in steps
//          of add_step
//
// With c the centroid and r what the names stand for, a squared distance is estimated as
//   |q - (c + r)|^2 = |q - c|^2 + (|r|^2 + 2 <c, r>) - 2 <q, r>
// whose first term is had once a cell, the second lies in the code as `add`, and the third does not
// depend on the cell. (IVFADC of Jegou, Douze, Schmid, PAMI 2011; the split of terms: Babenko and
// Lempitsky, CVPR 2012.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "quantize/level_codebook.h"
#include "quantize/product_codebook.h"

namespace roxanne::quantize {

// Numbers that files keep.
enum class CellCodeKind : uint8_t {
  kProduct = 0,  // as short as one likes
  kLevels = 1,   // half a byte a coordinate, compared without tables
};

// What fixes the sizes of a code.
struct CellCodeShape {
  CellCodeKind kind = CellCodeKind::kProduct;
  uint32_t name_bytes = 0;  // of product codes as many as parts, 1..dim

  static CellCodeShape product(size_t parts) {
    return {CellCodeKind::kProduct, static_cast<uint32_t>(parts)};
  }
  static CellCodeShape levels(size_t dim) {
    return {CellCodeKind::kLevels, static_cast<uint32_t>(LevelCodebook::name_bytes(dim))};
  }
  bool operator==(const CellCodeShape&) const = default;

  bool is_valid(size_t dim) const {
    return kind == CellCodeKind::kLevels ? *this == levels(dim)
                                         : name_bytes >= 1 && name_bytes <= dim;
  }
  size_t code_bytes() const { return name_bytes + sizeof(int16_t); }
  // Floats of a codebook.
  size_t value_count(size_t dim) const {
    return kind == CellCodeKind::kLevels ? LevelCodebook::value_count(dim)
                                         : ProductCodebook::value_count(dim);
  }
  // Of a query that is made ready.
  size_t query_bytes() const {
    return kind == CellCodeKind::kLevels ? LevelCodebook::Query::bytes(2 * name_bytes)
                                         : ProductCodebook::Query::bytes(name_bytes);
  }
};

// Trained once, then only read: all const calls may run at once.
class CellCode {
 public:
  CellCode() = default;
  // `shape` is a valid one.
  CellCode(size_t dim, const CellCodeShape& shape);

  // An `add` that no vector's code has: it marks places without one.
  static constexpr int16_t kVacant = INT16_MAX;
  void set_vacant(uint8_t* code) const {
    std::memcpy(code + shape_.name_bytes, &kVacant, sizeof kVacant);
  }
  bool is_vacant(const uint8_t* code) const { return add_of(code) == kVacant; }

  size_t dim() const { return dim_; }
  const CellCodeShape& shape() const { return shape_; }
  size_t code_bytes() const { return shape_.code_bytes(); }

  // `count` residuals, the centroids they are left of (both count x dim), and what is to be added
  // to each estimate beside. Deterministic for a seed.
  struct Sample {
    const float* residuals = nullptr;
    const float* centroids = nullptr;
    const float* extras = nullptr;
    size_t count = 0;
  };
  void train(const Sample& sample, uint64_t seed, base::ThreadPool& pool, size_t thread_count);
  // What a file keeps: see the kinds of codebook.
  std::span<const float> codebook() const {
    return is_of_levels() ? levels_.values() : product_.values();
  }
  float add_step() const { return add_step_; }
  // Whether a codebook of such values can be restored.
  static bool is_valid_codebook(const CellCodeShape& shape, std::span<const float> values) {
    return shape.kind != CellCodeKind::kLevels || LevelCodebook::are_valid(values);
  }
  void restore(std::vector<float> codebook, float add_step);

  // Writes code_bytes(), and to `decoded` what decode() would.
  void encode(const float* residual, const float* centroid, float extra, uint8_t* code,
              float* decoded) const;

  // What a code's names stand for: about the residual. Writes dim() floats.
  void decode(const uint8_t* code, float* residual) const {
    is_of_levels() ? levels_.decode(code, residual) : product_.decode(code, residual);
  }
  int16_t add_of(const uint8_t* code) const {
    int16_t add;
    std::memcpy(&add, code + shape_.name_bytes, sizeof add);
    return add;
  }

  // A query in the space of the centroids, made ready; reused.
  class Query {
   public:
    void prepare(const CellCode& code, const float* query);

    // `base` is the query's squared distance from the cell's centroid.
    float estimate(const uint8_t* code, float base) const {
      const float dot = code_->is_of_levels() ? levels_.dot(code) : product_.dot(code);
      return base + code_->add_step_ * static_cast<float>(code_->add_of(code)) + dot;
    }
    // Of `count` codes of one cell, one after the other; without meaning where one is vacant.
    void estimate_row(const uint8_t* codes, size_t count, float base, float* out) const {
      const size_t stride = code_->code_bytes();
      if (code_->is_of_levels()) {
        levels_.dots(codes, stride, count, out);
      } else {
        product_.dots(codes, stride, count, out);
      }
      for (size_t i = 0; i < count; ++i, codes += stride) {
        out[i] = base + code_->add_step_ * static_cast<float>(code_->add_of(codes)) + out[i];
      }
    }

   private:
    const CellCode* code_ = nullptr;
    ProductCodebook::Query product_;
    LevelCodebook::Query levels_;
  };

 private:
  bool is_of_levels() const { return shape_.kind == CellCodeKind::kLevels; }
  float name(const float* residual, const float* centroid, float* decoded, uint8_t* code) const;

  size_t dim_ = 0;
  CellCodeShape shape_;
  ProductCodebook product_;  // one of the two
  LevelCodebook levels_;
  float add_step_ = 1;
};

}  // namespace roxanne::quantize
