#include "quantize/level_codebook.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"
#include "kernels/distance.h"

namespace roxanne::quantize {
namespace {

constexpr size_t kLevels = kernels::kNibbleLevels;
constexpr auto kLevelMost = static_cast<float>(kernels::kNibbleLevelMost);
constexpr float kQueryMost = 127;
constexpr size_t kIterations = 40;
// Coordinates looked at for the levels: with their sums 24 bytes each.
constexpr size_t kSampleValues = 1u << 16;
// No coordinate's step is smaller than so much of a usual one: vectors outside the sample may
// differ where those of the sample are all alike.
constexpr float kStepShareLeast = 0.01f;

struct Weighted {
  float value;
  float weight;
};

// Sixteen numbers, ascending, that stand for `sorted` ones with the least squared error, or near
// it.
std::array<double, kLevels> lloyd(const std::vector<Weighted>& sorted) {
  std::vector<double> weights(sorted.size() + 1), sums(sorted.size() + 1);
  for (size_t i = 0; i < sorted.size(); ++i) {
    weights[i + 1] = weights[i] + sorted[i].weight;
    sums[i + 1] = sums[i] + double{sorted[i].weight} * sorted[i].value;
  }
  std::array<double, kLevels> levels;
  for (size_t l = 0; l < kLevels; ++l) {
    levels[l] = sorted[(2 * l + 1) * sorted.size() / (2 * kLevels)].value;
  }
  for (size_t iteration = 0; iteration < kIterations; ++iteration) {
    size_t first = 0;
    const auto before = levels;
    for (size_t l = 0; l < kLevels; ++l) {
      const double end = l + 1 < kLevels ? (before[l] + before[l + 1]) / 2 : INFINITY;
      const auto last =
          std::partition_point(sorted.begin() + static_cast<ptrdiff_t>(first), sorted.end(),
                               [end](const Weighted& number) { return number.value <= end; });
      const auto next = static_cast<size_t>(last - sorted.begin());
      const double weight = weights[next] - weights[first];
      if (weight > 0) levels[l] = (sums[next] - sums[first]) / weight;
      first = next;
    }
  }
  std::sort(levels.begin(), levels.end());
  return levels;
}

}  // namespace

LevelCodebook::LevelCodebook(size_t dim) : dim_(dim), values_(value_count(dim)) {
  ROX_CHECK(dim >= 1);
  prepare_naming();
}

void LevelCodebook::train(const float* vectors, size_t count) {
  std::vector<double> squares(dim_);
  for (size_t i = 0; i < count; ++i) {
    for (size_t d = 0; d < dim_; ++d) {
      squares[d] += double{vectors[i * dim_ + d]} * vectors[i * dim_ + d];
    }
  }
  double all = 0;
  for (const double square : squares) all += square;
  const auto values = static_cast<double>(std::max<size_t>(1, count));
  const auto usual = static_cast<float>(std::sqrt(all / (values * static_cast<double>(dim_))));
  std::vector<float> sizes(dim_);
  for (size_t d = 0; d < dim_; ++d) {
    const auto size = static_cast<float>(std::sqrt(squares[d] / values));
    sizes[d] = std::max(size, kStepShareLeast * usual);
  }
  // Every so many-th vector's coordinates by their sizes; an error weighs what it is in the end.
  std::vector<Weighted> sample;
  const size_t stride = std::max<size_t>(1, count * dim_ / kSampleValues);
  for (size_t i = 0; i < count; i += stride) {
    for (size_t d = 0; d < dim_; ++d) {
      if (!(sizes[d] > 0)) continue;
      const float share = sizes[d] / usual;
      sample.push_back({vectors[i * dim_ + d] / sizes[d], share * share});
    }
  }
  std::fill(values_.begin(), values_.end(), 0.0f);
  if (!sample.empty()) {
    std::sort(sample.begin(), sample.end(),
              [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
    const std::array<double, kLevels> levels = lloyd(sample);
    const double unit = (levels.back() - levels.front()) / kLevelMost;
    if (unit > 0) {
      for (size_t d = 0; d < dim_; ++d) values_[d] = sizes[d] * static_cast<float>(unit);
      for (size_t l = 0; l < kLevels; ++l) {
        values_[dim_ + l] = static_cast<float>(std::round((levels[l] - levels.front()) / unit));
      }
      values_.back() = static_cast<float>(-levels.front() / unit);
    }
  }
  prepare_naming();
}

bool LevelCodebook::are_valid(std::span<const float> values) {
  const auto levels = values.last(kLevels + 1).first(kLevels);
  return std::all_of(levels.begin(), levels.end(), [](float level) {
    return level >= 0 && level <= kLevelMost && level == std::floor(level);
  });
}

void LevelCodebook::restore(std::vector<float> values) {
  ROX_CHECK(values.size() == value_count(dim_));
  ROX_CHECK(are_valid(values));
  values_ = std::move(values);
  prepare_naming();
}

void LevelCodebook::prepare_naming() {
  per_step_.resize(dim_);
  for (size_t d = 0; d < dim_; ++d) per_step_[d] = step(d) > 0 ? 1 / step(d) : 0;
  // The nearest level changes halfway between two whole numbers, so at a whole number of halves:
  // from one of these to the next it is the same.
  for (size_t i = 0; i < nearest_.size(); ++i) {
    const float place = (static_cast<float>(i) + 0.5f) / 2;
    size_t best = 0;
    for (size_t l = 1; l < kLevels; ++l) {
      if (std::abs(level(l) - place) < std::abs(level(best) - place)) best = l;
    }
    nearest_[i] = static_cast<uint8_t>(best);
  }
}

void LevelCodebook::name(const float* vector, uint8_t* names) const {
  const auto most = static_cast<float>(nearest_.size() - 1);
  const auto nearest = [&](size_t d) -> uint8_t {
    const float halves = 2 * (vector[d] * per_step_[d] + centre());
    // A NaN becomes the first.
    return nearest_[static_cast<size_t>(halves > 0 ? std::min(halves, most) : 0)];
  };
  const size_t bytes = name_bytes();
  for (size_t b = 0; b < bytes; ++b) {
    const uint8_t high = b + bytes < dim_ ? nearest(b + bytes) : 0;
    names[b] = static_cast<uint8_t>(nearest(b) | high << 4);
  }
}

void LevelCodebook::decode(const uint8_t* names, float* vector) const {
  const size_t bytes = name_bytes();
  for (size_t b = 0; b < bytes; ++b) {
    vector[b] = step(b) * (level(names[b] & 15) - centre());
    if (b + bytes < dim_) vector[b + bytes] = step(b + bytes) * (level(names[b] >> 4) - centre());
  }
}

void LevelCodebook::Query::prepare(const LevelCodebook& codebook, const float* query) {
  name_bytes_ = codebook.name_bytes();
  for (size_t l = 0; l < kLevels; ++l) levels_[l] = static_cast<uint8_t>(codebook.level(l));
  const kernels::NibbleQuery shape{nullptr, nullptr, name_bytes_};
  const size_t padded = shape.padded_bytes();
  values_.assign(2 * padded, 0);
  float most = 0;
  for (size_t d = 0; d < codebook.dim_; ++d) {
    most = std::max(most, std::abs(query[d] * codebook.step(d)));
  }
  const float per_step = kQueryMost / most;
  step_ = offset_ = 0;
  if (!(per_step > 0) || !std::isfinite(per_step)) return;
  int32_t sum = 0;
  for (size_t d = 0; d < codebook.dim_; ++d) {
    const auto value = static_cast<int8_t>(std::lrint(query[d] * codebook.step(d) * per_step));
    values_[d < name_bytes_ ? d : padded + d - name_bytes_] = value;
    sum += value;
  }
  step_ = -2 / per_step;
  offset_ = -step_ * codebook.centre() * static_cast<float>(sum);
}

void LevelCodebook::Query::dots(const uint8_t* names, size_t stride, size_t count,
                                float* out) const {
  constexpr size_t kAtOnce = 64;
  int32_t sums[kAtOnce];
  const kernels::NibbleQuery query{values_.data(), levels_.data(), name_bytes_};
  for (size_t first = 0; first < count; first += kAtOnce) {
    const size_t some = std::min(kAtOnce, count - first);
    kernels::kernels().dot_nibbles(query, names + first * stride, stride, some, sums);
    for (size_t i = 0; i < some; ++i) {
      out[first + i] = step_ * static_cast<float>(sums[i]) + offset_;
    }
  }
}

}  // namespace roxanne::quantize
