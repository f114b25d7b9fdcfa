// Logs of codes: right checksums, and any numbers behind them. An input is blocks without what is
// certain: counts and numbers of a header (32 bytes), then the records that these promise.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "fuzz/disk_graph_fuzzing.h"
#include "index/codes_log.h"
#include "storage/simulated_file_system.h"

namespace {

using namespace roxanne;

constexpr const char* kCodesPath = "/graph-000001.codes";
constexpr const char* kLogPath = "/graph-000001.codes.log";
constexpr uint32_t kMagic = 0x474f4c43;
constexpr uint32_t kVersion = 1;
constexpr size_t kCertainBytes = 32;  // of a block's header; its numbers come next
constexpr size_t kNumbersBytes = 32;
constexpr size_t kSlotEndAt = 12;           // among the numbers
constexpr uint32_t kSlotEndMax = 1u << 20;  // nothing else bounds what a table of slots takes
constexpr size_t kBlockBytesMax = 1u << 20;
constexpr size_t kPageBytes = 4096;

// Three pages in two cells of one group, some nodes in them.
index::DiskGraph make_graph() {
  index::DiskGraph graph;
  graph.shape = {fuzz::kOptions, 4, 3, 32, quantize::CellCodeShape::product(4), 1, 2};
  graph.layout = graph.shape.page();
  graph.list_sizes = {20, 130};
  const std::vector<float> origin(4, 100);
  graph.space = index::SearchSpace(fuzz::kOptions.metric, origin, 0.01f, 0);
  graph.code = quantize::CellCode(fuzz::kOptions.dim, graph.shape.code);
  graph.code.restore(std::vector<float>(4 * kernels::kCodebookEntries, 0.25f), 0.001f);
  graph.cells = index::Cells(4);
  graph.cells.add_group(origin.data());
  graph.cells.add_cell(0, origin.data(), 0);
  graph.cells.add_cell(0, origin.data(), 1);
  graph.page_cells.grow(3);
  graph.page_cells[1] = 1;
  graph.codes = base::AlignedBuffer(graph.place_count() * graph.code.code_bytes());
  graph.node_of_slot.grow(10, index::kNoNode);
  for (uint32_t i = 0; i < 4; ++i) graph.node_of_slot[2 * i] = i * graph.layout.nodes / 2;
  return graph;
}

// The file of codes that all logs are for, made once.
class Codes {
 public:
  Codes() {
    graph_ = make_graph();
    const auto written = index::write_disk_codes(files_, kCodesPath, graph_, 0);
    ROX_CHECK(written.is_ok());
    checksum_ = written->checksum;
  }
  const index::DiskGraph& graph() const { return graph_; }
  uint64_t checksum() const { return checksum_; }
  storage::FileSystem& files() { return files_; }

 private:
  storage::SimulatedFileSystem files_;
  index::DiskGraph graph_;
  uint64_t checksum_ = 0;
};

// The log that an input stands for.
std::vector<std::byte> expand(std::span<const std::byte> input, const Codes& codes) {
  const uint64_t cell_bytes = 12 + 2 * fuzz::kOptions.dim;
  const uint64_t page_bytes =
      8 + codes.graph().layout.nodes * (4 + codes.graph().code.code_bytes());
  std::vector<std::byte> log;
  uint64_t checksum = codes.checksum();
  for (uint64_t sequence = 0; input.size() >= kNumbersBytes; ++sequence) {
    std::vector<std::byte> numbers(input.begin(), input.begin() + kNumbersBytes);
    const uint32_t slot_end = std::min(base::load<uint32_t>(&numbers[kSlotEndAt]), kSlotEndMax);
    std::memcpy(&numbers[kSlotEndAt], &slot_end, sizeof slot_end);
    input = input.subspan(kNumbersBytes);
    const uint64_t records = base::load<uint32_t>(&numbers[0]) * cell_bytes +
                             base::load<uint32_t>(&numbers[4]) * page_bytes;
    const uint64_t used = kCertainBytes + kNumbersBytes + records;
    if (used > kBlockBytesMax) break;
    std::vector<std::byte> block((used + kPageBytes - 1) / kPageBytes * kPageBytes);
    const uint32_t words[] = {kMagic, kVersion, 0, static_cast<uint32_t>(block.size())};
    std::memcpy(&block[8], words, sizeof words);
    std::memcpy(&block[24], &sequence, sizeof sequence);
    std::copy(numbers.begin(), numbers.end(), block.begin() + kCertainBytes);
    const size_t given = std::min<size_t>(input.size(), records);
    std::copy_n(input.begin(), given, block.begin() + kCertainBytes + kNumbersBytes);
    input = input.subspan(given);
    checksum = base::checksum64(&block[8], block.size() - 8, checksum);
    std::memcpy(&block[0], &checksum, sizeof checksum);
    log.insert(log.end(), block.begin(), block.end());
  }
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Codes codes;
  const std::vector<std::byte> log = expand(std::as_bytes(std::span(data, size)), codes);
  storage::SimulatedFileSystem files;
  const auto file = *files.open(kLogPath, storage::OpenMode::kCreate);
  ROX_CHECK(file->write(0, log).is_ok());
  auto loaded = index::load_disk_codes(codes.files(), kCodesPath, fuzz::kOptions);
  ROX_CHECK(loaded.is_ok());
  const auto end = index::replay_codes_log(*file, kLogPath, log.size(), *loaded);
  ROX_CHECK(end.is_ok() || end.status().message().find(kLogPath) != std::string::npos);
  if (!end.is_ok()) return 0;
  const auto graph = index::make_disk_graph(std::move(loaded).value(), kLogPath);
  ROX_CHECK(graph.is_ok() || graph.status().message().find(kLogPath) != std::string::npos);
  if (graph.is_ok()) fuzz::look_up(**graph);
  return 0;
}
