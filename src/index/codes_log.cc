#include "index/codes_log.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "index/section_file.h"

namespace roxanne::index {
namespace {

constexpr uint32_t kMagic = 0x474f4c43;  // "CLOG"
constexpr uint32_t kVersion = 1;
constexpr size_t kBlockBytesMax = 1u << 20;
// Blocks that are written: smaller, as they are put together in memory.
constexpr size_t kBlockBytesWritten = 256u << 10;

// As it lies in the file; no padding between the fields.
struct BlockHeader {
  uint64_t checksum;  // of all that follows in the block, seeded with that of the block before
  uint32_t magic;
  uint32_t version;
  uint32_t generation;
  uint32_t block_bytes;
  uint64_t sequence;    // from 0
  uint32_t cell_count;  // records that follow
  uint32_t page_count;
  // The graph's, when all that was saved together has been applied.
  uint32_t node_count;
  uint32_t slot_end;
  uint32_t list_size_at_10;
  uint32_t list_size_at_100;
  float error_bias;
  float error_spread;
};
static_assert(sizeof(BlockHeader) == 64);

size_t cell_bytes_of(size_t dim) {
  return 2 * sizeof(uint32_t) + sizeof(float) + dim * sizeof(uint16_t);
}
size_t page_bytes_of(const DiskGraph& graph) {
  return 2 * sizeof(uint32_t) + graph.layout.nodes * (sizeof(uint32_t) + graph.code.code_bytes());
}
size_t padded(size_t bytes) {
  return (bytes + base::kPageBytes - 1) / base::kPageBytes * base::kPageBytes;
}

// Takes a block to pieces.
class BlockReader {
 public:
  explicit BlockReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename T>
  T take() {
    const T value = base::load<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  void take(void* out, size_t size) {
    std::memcpy(out, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }
  std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// Applies blocks to what was read of the file of codes.
class Replay {
 public:
  explicit Replay(DiskCodes& codes) : codes_(codes), graph_(*codes.graph) {}

  // Whether a block that begins so can be one, and the next.
  Status check(const BlockHeader& header, uint64_t bytes_left, uint64_t sequence) const {
    if (header.magic != kMagic) return Status::corruption("not a block of a log");
    if (header.version != kVersion) {
      return Status::unsupported("version " + std::to_string(header.version) +
                                 "; this build reads version " + std::to_string(kVersion));
    }
    if (header.generation != codes_.generation || header.sequence != sequence) {
      return Status::corruption("of another place");
    }
    const uint64_t needed = sizeof header + header.cell_count * uint64_t{cell_bytes_of(dim())} +
                            header.page_count * uint64_t{page_bytes_of(graph_)};
    if (needed > kBlockBytesMax || header.block_bytes != padded(needed) ||
        header.block_bytes > bytes_left) {
      return Status::corruption("counts");
    }
    return Status::ok();
  }

  // `block`: whole, its checksum right.
  Status apply(const BlockHeader& header, std::span<const std::byte> block) {
    if (header.slot_end < codes_.slot_end || header.slot_end == kNoNode) {
      return Status::corruption("slots");
    }
    if (!std::isfinite(header.error_bias) || !std::isfinite(header.error_spread)) {
      return Status::corruption("numbers");
    }
    codes_.slot_end = header.slot_end;
    graph_.shape.node_count = header.node_count;
    graph_.list_sizes = {header.list_size_at_10, header.list_size_at_100};
    graph_.error = {header.error_bias, header.error_spread};
    BlockReader reader(block.subspan(sizeof header));
    for (uint32_t i = 0; i < header.cell_count; ++i) ROX_RETURN_IF_ERROR(apply_cell(reader));
    for (uint32_t i = 0; i < header.page_count; ++i) ROX_RETURN_IF_ERROR(apply_page(reader));
    const auto rest = reader.rest();
    if (std::any_of(rest.begin(), rest.end(),
                    [](std::byte byte) { return byte != std::byte{0}; })) {
      return Status::corruption("bytes after its records");
    }
    return Status::ok();
  }

 private:
  size_t dim() const { return graph_.shape.options.dim; }

  Status apply_cell(BlockReader& reader) {
    const auto cell = reader.take<uint32_t>();
    const auto group = reader.take<uint32_t>();
    const auto offset = reader.take<float>();
    uint32_t& cell_count = graph_.shape.cell_count;
    if (cell > cell_count || cell >= kCellsMax || group >= graph_.shape.group_count ||
        !std::isfinite(offset)) {
      return Status::corruption("cell " + std::to_string(cell));
    }
    Cells::Parts& cells = codes_.cells;
    if (cell == cell_count) {
      ++cell_count;
      cells.cell_groups.push_back(group);
      cells.offsets.push_back(offset);
      cells.centroids.resize(cells.centroids.size() + dim());
    } else if (cells.cell_groups[cell] != group) {
      return Status::corruption("cell " + std::to_string(cell) + ": its group");
    }
    cells.offsets[cell] = offset;
    const std::span centroid(cells.centroids.data() + size_t{cell} * dim(), dim());
    reader.take(centroid.data(), centroid.size_bytes());
    if (are_finite_halves(centroid)) return Status::ok();
    return Status::corruption("cell " + std::to_string(cell) + ": its centroid");
  }

  Status apply_page(BlockReader& reader) {
    const auto page = reader.take<uint32_t>();
    const auto cell = reader.take<uint32_t>();
    const uint32_t nodes = graph_.layout.nodes;
    if (page > graph_.shape.page_count || page + 1 >= kNoNode / nodes ||
        (cell >= graph_.shape.cell_count && cell != kNoCell)) {
      return Status::corruption("page " + std::to_string(page));
    }
    const size_t code_bytes = nodes * graph_.code.code_bytes();
    if (page == graph_.shape.page_count) {
      ++graph_.shape.page_count;
      graph_.page_cells.grow(graph_.shape.page_count);
      codes_.slots.resize(graph_.place_count());
      graph_.codes.grow(graph_.shape.page_count * code_bytes);
    }
    graph_.page_cells[page] = cell;
    const std::span slots(codes_.slots.data() + size_t{page} * nodes, nodes);
    reader.take(slots.data(), slots.size_bytes());
    reader.take(graph_.codes.data() + page * code_bytes, code_bytes);
    const bool are_right = std::all_of(slots.begin(), slots.end(), [&](uint32_t slot) {
      return slot < codes_.slot_end || slot == kNoNode;
    });
    if (are_right) return Status::ok();
    return Status::corruption("page " + std::to_string(page) + ": a slot");
  }

  DiskCodes& codes_;
  DiskGraph& graph_;
};

Status damaged(const Status& status, const std::string& path, uint64_t at) {
  return status.with_context(path + ": block at " + std::to_string(at));
}

}  // namespace

uint64_t codes_log_bytes(const DiskGraph& graph, size_t cell_count, size_t page_count) {
  const uint64_t cell_bytes = cell_bytes_of(graph.shape.options.dim);
  const uint64_t page_bytes = page_bytes_of(graph);
  const uint64_t records = cell_count * cell_bytes + page_count * page_bytes;
  const uint64_t taken_least =
      kBlockBytesWritten - sizeof(BlockHeader) - std::max(cell_bytes, page_bytes);
  return records + (records / taken_least + 1) * (sizeof(BlockHeader) + base::kPageBytes);
}

CodesLogWriter::CodesLogWriter(storage::File& file, const DiskGraph& graph, uint32_t generation,
                               CodesLogEnd end)
    : file_(file), graph_(graph), generation_(generation), end_(end), block_(sizeof(BlockHeader)) {}

void CodesLogWriter::append(const void* bytes, size_t size) {
  const auto* begin = static_cast<const std::byte*>(bytes);
  block_.insert(block_.end(), begin, begin + size);
}

Status CodesLogWriter::make_room(size_t record_bytes) {
  if (block_.size() + record_bytes <= kBlockBytesWritten) return Status::ok();
  return write_block();
}

Status CodesLogWriter::add_cell(uint32_t cell) {
  ROX_ASSERT(page_count_ == 0);
  const Cells& cells = graph_.cells;
  ROX_RETURN_IF_ERROR(make_room(cell_bytes_of(cells.dim())));
  const uint32_t numbers[] = {cell, cells.group_of(cell)};
  const float offset = cells.offset(cell);
  append(numbers, sizeof numbers);
  append(&offset, sizeof offset);
  append(cells.centroid_halves(cell), cells.dim() * sizeof(uint16_t));
  ++cell_count_;
  return Status::ok();
}

Status CodesLogWriter::add_page(uint32_t page, std::span<const uint32_t> slots) {
  const uint32_t nodes = graph_.layout.nodes;
  ROX_ASSERT(slots.size() == nodes);
  ROX_RETURN_IF_ERROR(make_room(page_bytes_of(graph_)));
  const uint32_t numbers[] = {page, graph_.page_cells[page]};
  append(numbers, sizeof numbers);
  append(slots.data(), slots.size_bytes());
  append(graph_.code_of(page * nodes), nodes * graph_.code.code_bytes());
  ++page_count_;
  return Status::ok();
}

Status CodesLogWriter::write_block() {
  block_.resize(padded(block_.size()));
  BlockHeader header = {};
  header.magic = kMagic;
  header.version = kVersion;
  header.generation = generation_;
  header.block_bytes = static_cast<uint32_t>(block_.size());
  header.sequence = end_.sequence;
  header.cell_count = cell_count_;
  header.page_count = page_count_;
  header.node_count = graph_.shape.node_count;
  header.slot_end = static_cast<uint32_t>(graph_.node_of_slot.size());
  header.list_size_at_10 = graph_.list_sizes.at_small_k;
  header.list_size_at_100 = graph_.list_sizes.at_large_k;
  header.error_bias = graph_.error.bias;
  header.error_spread = graph_.error.spread;
  std::memcpy(block_.data(), &header, sizeof header);
  header.checksum = base::checksum64(block_.data() + sizeof header.checksum,
                                     block_.size() - sizeof header.checksum, end_.checksum);
  std::memcpy(block_.data(), &header.checksum, sizeof header.checksum);
  // Asked for first, so that a full disk is met while nothing has been written.
  ROX_RETURN_IF_ERROR(file_.allocate(end_.bytes, block_.size()));
  ROX_RETURN_IF_ERROR(file_.write(end_.bytes, block_));
  end_ = {end_.bytes + block_.size(), end_.sequence + 1, header.checksum};
  block_.resize(sizeof header);
  cell_count_ = 0;
  page_count_ = 0;
  return Status::ok();
}

Status CodesLogWriter::finish() { return write_block(); }

Result<CodesLogEnd> replay_codes_log(const storage::File& file, const std::string& path,
                                     uint64_t bytes, DiskCodes& codes) {
  CodesLogEnd end{0, 0, codes.checksum};
  Replay replay(codes);
  std::vector<std::byte> block;
  while (end.bytes < bytes) {
    block.resize(sizeof(BlockHeader));
    ROX_RETURN_IF_ERROR(read_exactly(file, path, end.bytes, block));
    const auto header = base::load<BlockHeader>(block.data());
    Status status = replay.check(header, bytes - end.bytes, end.sequence);
    if (!status.is_ok()) return damaged(status, path, end.bytes);
    block.resize(header.block_bytes);
    ROX_RETURN_IF_ERROR(read_exactly(file, path, end.bytes, block));
    const uint64_t checksum = base::checksum64(block.data() + sizeof header.checksum,
                                               block.size() - sizeof header.checksum, end.checksum);
    if (checksum != header.checksum) status = Status::corruption("checksum mismatch");
    if (status.is_ok()) status = replay.apply(header, block);
    if (!status.is_ok()) return damaged(status, path, end.bytes);
    end = {end.bytes + block.size(), end.sequence + 1, checksum};
  }
  return end;
}

}  // namespace roxanne::index
