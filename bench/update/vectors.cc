#include "bench/update/vectors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "quantize/kmeans.h"

namespace roxanne::bench {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr uint64_t kBlockRows = 4096;
constexpr uint64_t kSampleRows = 20000;

ScalarType type_of_path(const std::string& path) {
  constexpr std::array<std::pair<const char*, ScalarType>, 4> kSuffixes = {{
      {".u8bin", ScalarType::kU8},
      {".i8bin", ScalarType::kI8},
      {".fbin", ScalarType::kF32},
      {".f16bin", ScalarType::kF16},
  }};
  for (const auto& [suffix, type] : kSuffixes) {
    if (path.ends_with(suffix)) return type;
  }
  die(path + ": expected .u8bin, .i8bin, .fbin or .f16bin");
}

// `rows` from `first` on, as floats.
std::vector<float> read_floats(const VectorFile& file, uint64_t first, size_t rows) {
  Vector block{file.type(), std::vector<std::byte>(rows * file.row_bytes())};
  file.read(first, rows, block.bytes.data());
  std::vector<float> floats(rows * file.dim());
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = block.at(i);
  return floats;
}

// The number that each centroid gets: by distance from the first.
std::vector<uint8_t> rank_centroids(const std::vector<float>& centroids, size_t dim) {
  std::vector<float> distances(kClusterCount);
  for (size_t c = 0; c < kClusterCount; ++c) {
    for (size_t i = 0; i < dim; ++i) {
      const float difference = centroids[c * dim + i] - centroids[i];
      distances[c] += difference * difference;
    }
  }
  std::vector<size_t> order(kClusterCount);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return distances[a] < distances[b]; });
  std::vector<uint8_t> ranks(kClusterCount);
  for (size_t i = 0; i < kClusterCount; ++i) ranks[order[i]] = static_cast<uint8_t>(i);
  return ranks;
}

}  // namespace

void die(const std::string& message) {
  std::fprintf(stderr, "update_rounds: %s\n", message.c_str());
  std::exit(1);
}

VectorFile::VectorFile(const std::string& path, uint64_t limit)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), type_(type_of_path(path)) {
  std::array<int32_t, 2> header{};
  if (file_ < 0 || ::pread(file_, header.data(), kHeaderBytes, 0) != ssize_t{kHeaderBytes}) {
    die("cannot read " + path);
  }
  if (header[0] <= 0 || header[1] <= 0) die(path + ": no rows");
  rows_ = static_cast<uint64_t>(header[0]);
  dim_ = static_cast<size_t>(header[1]);
  if (limit > 0) rows_ = std::min(rows_, limit);
}

VectorFile::~VectorFile() { ::close(file_); }

void VectorFile::read(uint64_t first, size_t count, std::byte* out) const {
  const size_t bytes = count * row_bytes();
  const auto offset = static_cast<off_t>(kHeaderBytes + first * row_bytes());
  if (first + count > rows_ || ::pread(file_, out, bytes, offset) != static_cast<ssize_t>(bytes)) {
    die(path_ + ": cannot read row " + std::to_string(first));
  }
}

std::vector<uint8_t> cluster_rows(const VectorFile& file) {
  // Rows are shuffled: the first are a fair sample.
  const size_t sample_rows = std::min(file.rows(), kSampleRows);
  const std::vector<float> centroids =
      quantize::kmeans(read_floats(file, 0, sample_rows).data(), sample_rows, file.dim(),
                       {.cluster_count = kClusterCount});
  const std::vector<uint8_t> ranks = rank_centroids(centroids, file.dim());
  const quantize::NearestCentroid nearest(centroids.data(), kClusterCount, file.dim());
  std::vector<uint8_t> clusters;
  clusters.reserve(file.rows());
  std::vector<uint32_t> numbers;
  for (uint64_t first = 0; first < file.rows(); first += kBlockRows) {
    const size_t count = std::min(kBlockRows, file.rows() - first);
    numbers.resize(count);
    nearest.assign(read_floats(file, first, count).data(), count, numbers.data());
    for (const uint32_t number : numbers) clusters.push_back(ranks[number]);
  }
  return clusters;
}

}  // namespace roxanne::bench
