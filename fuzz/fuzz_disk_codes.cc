// Files of codes: right checksums, and any numbers behind them. An input is a header and what fills
// the sections, without what lies between them.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "fuzz/disk_graph_fuzzing.h"
#include "index/disk_codes_file.h"
#include "storage/simulated_file_system.h"

namespace {

using namespace roxanne;

constexpr const char* kPath = "/graph-000001.codes";
using fuzz::kOptions;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kFileBytesMax = 4u << 20;
constexpr size_t kSectionCount = 10;  // the last are the codes
constexpr size_t kVersionAt = 8;
constexpr size_t kKindAt = 18;        // of codes
constexpr size_t kHeaderBytes = 152;  // without its checksum
constexpr size_t kChecksumsAt = 80;
constexpr size_t kSlotEndAt = 52;
constexpr uint32_t kSlotEndMax = 1u << 20;  // nothing else bounds what a table of slots takes
constexpr uint64_t kBlockBytes = 1u << 20;

// What a header says, by docs/file_format.md.
struct Shape {
  std::array<uint64_t, kSectionCount> sizes{};
  uint64_t code_bytes = 0;
};

Shape shape_of(const std::byte* header) {
  const auto number = [&](size_t offset) -> uint64_t {
    uint32_t value;
    std::memcpy(&value, header + offset, sizeof value);
    return value;
  };
  const uint64_t dim = kOptions.dim;
  const uint64_t codebook = header[kKindAt] == std::byte{1} ? dim + 17 : 256 * dim;
  const uint64_t groups = number(36), cells = number(40);
  const uint32_t degree = static_cast<uint32_t>(std::clamp<uint64_t>(number(28), 1, 256));
  const uint64_t places = number(24) * index::NodePageLayout(kOptions, degree).nodes;
  Shape shape;
  shape.code_bytes = number(32) + 2;
  const uint64_t block_places = std::max<uint64_t>(1, kBlockBytes / shape.code_bytes);
  shape.sizes = {dim * 4,
                 codebook * 4,
                 groups * dim * 2,
                 cells * 4,
                 cells * dim * 2,
                 cells * 4,
                 number(24) * 4,
                 places * 4,
                 (places + block_places - 1) / block_places * 8,
                 places * shape.code_bytes};
  return shape;
}

// The file that an input stands for; empty where it would be too large.
std::vector<std::byte> expand(std::span<const std::byte> input) {
  std::vector<std::byte> header(kPageBytes);
  const size_t taken = std::min(input.size(), kHeaderBytes);
  std::copy_n(input.begin(), taken, header.begin());
  input = input.subspan(taken);
  const uint32_t slot_end = std::min(base::load<uint32_t>(&header[kSlotEndAt]), kSlotEndMax);
  std::memcpy(&header[kSlotEndAt], &slot_end, sizeof slot_end);
  const Shape shape = shape_of(header.data());
  std::vector<std::byte> file = header;
  std::array<uint64_t, kSectionCount> offsets{};
  for (size_t s = 0; s < kSectionCount; ++s) {
    offsets[s] = file.size();
    if (shape.sizes[s] > kFileBytesMax - file.size()) return {};
    const size_t given = std::min<size_t>(input.size(), shape.sizes[s]);
    const uint64_t end = offsets[s] + shape.sizes[s];
    const bool is_last = s + 1 == kSectionCount;
    const uint64_t padded = is_last ? end : (end + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (padded > kFileBytesMax) return {};
    file.resize(padded);
    std::copy_n(input.begin(), given, file.begin() + static_cast<ptrdiff_t>(offsets[s]));
    input = input.subspan(given);
  }
  const uint64_t block = std::max<uint64_t>(1, kBlockBytes / shape.code_bytes) * shape.code_bytes;
  for (uint64_t b = 0; b * block < shape.sizes[9]; ++b) {
    const uint64_t size = std::min(block, shape.sizes[9] - b * block);
    const uint64_t checksum = base::checksum64(file.data() + offsets[9] + b * block, size, b);
    std::memcpy(file.data() + offsets[8] + 8 * b, &checksum, sizeof checksum);
  }
  for (size_t s = 0; s + 1 < kSectionCount; ++s) {
    const uint64_t checksum = base::checksum64(file.data() + offsets[s], shape.sizes[s], s);
    std::memcpy(file.data() + kChecksumsAt + 8 * s, &checksum, sizeof checksum);
  }
  const uint64_t checksum =
      base::checksum64(file.data(), kHeaderBytes, base::load<uint32_t>(&file[kVersionAt]));
  std::memcpy(file.data() + kHeaderBytes, &checksum, sizeof checksum);
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<std::byte> file = expand(std::as_bytes(std::span(data, size)));
  if (file.empty()) return 0;
  storage::SimulatedFileSystem files;
  ROX_CHECK((*files.open(kPath, storage::OpenMode::kCreate))->write(0, file).is_ok());
  const auto graph = index::read_disk_codes(files, kPath, kOptions);
  ROX_CHECK(graph.is_ok() || graph.status().message().find(kPath) != std::string::npos);
  if (graph.is_ok()) fuzz::look_up(**graph);
  return 0;
}
