#include "index/disk_codes_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/checksum.h"
#include "base/status_macros.h"
#include "index/section_file.h"

namespace roxanne::index {
namespace {

constexpr uint64_t kMagic = 0x314d454d4b534452;  // "RDSKMEM1"
constexpr uint32_t kVersion = 3;
constexpr uint32_t kVersionOfProductCodes = 2;  // the same, without another kind of codes
constexpr size_t kPageBytes = base::kPageBytes;
constexpr size_t kBlockBytes = 1u << 20;
constexpr uint64_t kCellListBytes = sizeof(std::vector<uint32_t>) + 16;  // a cell's list, empty

enum Section : size_t {
  kOrigin,
  kCodebook,
  kGroupCentroids,
  kCellGroups,
  kCellCentroids,
  kCellOffsets,
  kPageCells,
  kSlots,
  kChecksums,
  kCodes,
  kSectionCount
};
constexpr const char* kSectionNames[] = {
    "origin",       "codebook",   "group centroids", "cell groups", "cell centroids",
    "cell offsets", "page cells", "slots",           "checksums",   "codes"};

// Slots of places are found by looking through all slots: for so many places at once, and so often
// at the most.
constexpr size_t kPlacesTogetherLeast = 1u << 16;
constexpr size_t kSlotPartsMost = 16;

// As it lies in page 0; no padding between the fields.
struct Header {
  uint64_t magic;
  uint32_t version;
  uint32_t dim;
  uint8_t scalar_type;
  uint8_t metric;
  uint8_t code_kind;
  uint8_t reserved;
  uint32_t node_count;
  uint32_t page_count;
  uint32_t max_degree;
  uint32_t name_bytes;
  uint32_t group_count;
  uint32_t cell_count;
  uint32_t list_size_at_10;
  uint32_t list_size_at_100;
  uint32_t slot_end;  // above every slot
  float scale;
  float greatest_norm;
  float add_step;
  float error_bias;
  float error_spread;
  uint32_t generation;
  uint64_t section_checksums[kCodes];  // all but the codes, which have their own
  uint64_t header_checksum;            // of what is before it
};
static_assert(sizeof(Header) == 80 + 8 * kCodes + 8);

using Layout = SectionLayout<kSectionCount>;

size_t block_places_of(size_t code_bytes) { return std::max<size_t>(1, kBlockBytes / code_bytes); }

Layout layout_of(const DiskShape& shape) {
  const uint64_t dim = shape.options.dim;
  const uint64_t places = uint64_t{shape.page_count} * shape.page().nodes;
  const size_t code_bytes = shape.code.code_bytes();
  const size_t block_places = block_places_of(code_bytes);
  Layout layout;
  layout.sizes[kOrigin] = dim * sizeof(float);
  layout.sizes[kCodebook] = shape.code.value_count(dim) * sizeof(float);
  layout.sizes[kGroupCentroids] = shape.group_count * dim * sizeof(uint16_t);
  layout.sizes[kCellGroups] = uint64_t{shape.cell_count} * sizeof(uint32_t);
  layout.sizes[kCellCentroids] = shape.cell_count * dim * sizeof(uint16_t);
  layout.sizes[kCellOffsets] = uint64_t{shape.cell_count} * sizeof(float);
  layout.sizes[kPageCells] = uint64_t{shape.page_count} * sizeof(uint32_t);
  layout.sizes[kSlots] = places * sizeof(uint32_t);
  layout.sizes[kChecksums] = (places + block_places - 1) / block_places * sizeof(uint64_t);
  layout.sizes[kCodes] = places * code_bytes;
  layout.place();
  return layout;
}

// The slots of places from `first` on; kNoNode where one is vacant.
void find_slots(const DiskGraph& graph, size_t first, std::span<uint32_t> slots) {
  std::fill(slots.begin(), slots.end(), kNoNode);
  for (size_t slot = 0; slot < graph.node_of_slot.size(); ++slot) {
    const uint32_t node = graph.node_of_slot[slot];
    if (node == kNoNode || node < first || node - first >= slots.size()) continue;
    slots[node - first] = static_cast<uint32_t>(slot);
  }
}

bool are_finite(std::initializer_list<float> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}
bool are_finite(std::span<const float> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}

quantize::CellCodeShape code_shape_of(const Header& header) {
  return {static_cast<quantize::CellCodeKind>(header.code_kind), header.name_bytes};
}

// Whether the numbers are such as a build makes: every size that follows from them is sane.
Status check_header(const std::string& path, const Header& header,
                    const CollectionOptions& options) {
  const auto damaged = [&](const std::string& what) {
    return Status::corruption(path + ": header: " + what);
  };
  if (header.magic != kMagic) return damaged("not a file of codes");
  if (header.version != kVersion && header.version != kVersionOfProductCodes) {
    return Status::unsupported(
        path + ": version " + std::to_string(header.version) + "; this build reads versions " +
        std::to_string(kVersionOfProductCodes) + " to " + std::to_string(kVersion));
  }
  if (header.header_checksum !=
      base::checksum64(&header, offsetof(Header, header_checksum), header.version)) {
    return damaged("checksum mismatch");
  }
  if (header.dim != options.dim || header.scalar_type != static_cast<uint8_t>(options.type) ||
      header.metric != static_cast<uint8_t>(options.metric)) {
    return damaged("of another collection");
  }
  if (header.max_degree < 1 || header.max_degree > 256) return damaged("max_degree");
  const NodePageLayout layout(options, header.max_degree);
  if (layout.nodes == 0) return damaged("max_degree");
  if (header.page_count < 1 || header.page_count >= kNoNode / layout.nodes) {
    return damaged("page count");
  }
  if (header.node_count > header.page_count * layout.nodes) {
    return damaged("node count");
  }
  if (header.code_kind > static_cast<uint8_t>(quantize::CellCodeKind::kLevels) ||
      header.reserved != 0 || !code_shape_of(header).is_valid(options.dim)) {
    return damaged("kind of codes");
  }
  if (header.cell_count < 1 || header.cell_count > kCellsMax) return damaged("cell count");
  if (header.group_count < 1 || header.group_count > (1u << 24)) return damaged("group count");
  if (header.slot_end < 1 || header.slot_end == kNoNode) return damaged("slots");
  if (!are_finite({header.scale, header.greatest_norm, header.add_step, header.error_bias,
                   header.error_spread})) {
    return damaged("numbers");
  }
  return Status::ok();
}

bool are_below(const std::vector<uint32_t>& numbers, uint32_t end, uint32_t none) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [&](uint32_t number) { return number < end || number == none; });
}

Status read_codes(const storage::File& file, const std::string& path, const Layout& layout,
                  const std::vector<uint64_t>& checksums, DiskGraph& graph) {
  const size_t block_bytes = block_places_of(graph.code.code_bytes()) * graph.code.code_bytes();
  graph.codes = base::AlignedBuffer(layout.sizes[kCodes]);
  for (size_t block = 0; block < checksums.size(); ++block) {
    const size_t first = block * block_bytes;
    const size_t size = std::min(block_bytes, graph.codes.size() - first);
    const auto bytes = graph.codes.span().subspan(first, size);
    ROX_RETURN_IF_ERROR(read_exactly(file, path, layout.offsets[kCodes] + first, bytes));
    if (piece_checksum(bytes, block) != checksums[block]) {
      return Status::corruption(path + ": codes, block " + std::to_string(block) +
                                ": checksum mismatch");
    }
  }
  return Status::ok();
}

DiskShape shape_of(const Header& header, const CollectionOptions& options) {
  return {options,           header.node_count,     header.page_count,
          header.max_degree, code_shape_of(header), header.group_count,
          header.cell_count};
}

// Sections but the codes, as they are read.
struct Parts {
  std::vector<float> origin, codebook;
  Cells::Parts cells;
  std::vector<uint32_t> page_cells;
  std::vector<uint32_t> slots;
  std::vector<uint64_t> checksums;

  explicit Parts(const Layout& layout)
      : origin(layout.sizes[kOrigin] / sizeof(float)),
        codebook(layout.sizes[kCodebook] / sizeof(float)),
        page_cells(layout.sizes[kPageCells] / sizeof(uint32_t)),
        slots(layout.sizes[kSlots] / sizeof(uint32_t)),
        checksums(layout.sizes[kChecksums] / sizeof(uint64_t)) {
    cells.group_centroids.resize(layout.sizes[kGroupCentroids] / sizeof(uint16_t));
    cells.cell_groups.resize(layout.sizes[kCellGroups] / sizeof(uint32_t));
    cells.centroids.resize(layout.sizes[kCellCentroids] / sizeof(uint16_t));
    cells.offsets.resize(layout.sizes[kCellOffsets] / sizeof(float));
  }
  std::array<std::span<std::byte>, kCodes> sections() {
    const auto of = [](auto& values) { return std::as_writable_bytes(std::span(values)); };
    return {of(origin),
            of(codebook),
            of(cells.group_centroids),
            of(cells.cell_groups),
            of(cells.centroids),
            of(cells.offsets),
            of(page_cells),
            of(slots),
            of(checksums)};
  }
};

Status check_parts(const std::string& path, const Header& header, const Parts& parts) {
  const auto damaged = [&](Section section) {
    return Status::corruption(path + ": section " + kSectionNames[section] + ": out of order");
  };
  if (!are_below(parts.cells.cell_groups, header.group_count, header.group_count)) {
    return damaged(kCellGroups);
  }
  if (!are_below(parts.page_cells, header.cell_count, kNoCell)) return damaged(kPageCells);
  if (!are_below(parts.slots, header.slot_end, kNoNode)) return damaged(kSlots);
  if (!quantize::CellCode::is_valid_codebook(code_shape_of(header), parts.codebook)) {
    return damaged(kCodebook);
  }
  if (!are_finite(parts.origin) || !are_finite(parts.codebook) ||
      !are_finite(parts.cells.offsets) || !are_finite_halves(parts.cells.centroids) ||
      !are_finite_halves(parts.cells.group_centroids)) {
    return Status::corruption(path + ": a number is not finite");
  }
  return Status::ok();
}

// Each slot once, as many as there are nodes, and none in a page that is free.
Status place_slots(const std::string& path, const DiskCodes& codes, DiskGraph& graph) {
  graph.node_of_slot.grow(codes.slot_end, kNoNode);
  uint32_t count = 0;
  for (uint32_t node = 0; node < codes.slots.size(); ++node) {
    const uint32_t slot = codes.slots[node];
    if (slot == kNoNode) continue;
    const auto damaged = [&](const char* what) {
      return Status::corruption(path + ": slots: slot " + std::to_string(slot) + what);
    };
    if (graph.page_cells[graph.page_of(node)] == kNoCell) {
      return damaged(" lies in a free page");
    }
    uint32_t& node_of_slot = graph.node_of_slot[slot];
    if (node_of_slot != kNoNode) return damaged(" is there twice");
    node_of_slot = node;
    ++count;
  }
  if (count == graph.shape.node_count) return Status::ok();
  return Status::corruption(path + ": slots: " + std::to_string(count) + " of " +
                            std::to_string(graph.shape.node_count) + " nodes");
}

}  // namespace

// Halves whose exponent is all ones are infinite, or no numbers.
bool are_finite_halves(std::span<const uint16_t> halves) {
  return std::all_of(halves.begin(), halves.end(),
                     [](uint16_t half) { return (half & 0x7c00) != 0x7c00; });
}

DiskGraphBytes bytes_of(const DiskGraph& graph) {
  return {uint64_t{graph.place_count()} * graph.code.code_bytes(),
          graph.cells.bytes() + graph.cell_pages.size() * kCellListBytes +
              2 * graph.page_cells.size() * sizeof(uint32_t) +
              graph.code.codebook().size() * sizeof(float),
          graph.node_of_slot.size() * sizeof(uint32_t)};
}

bool has_finite_numbers(const DiskGraph& graph) {
  if (!are_finite({graph.space.scale(), graph.space.greatest_norm(), graph.code.add_step(),
                   graph.error.bias, graph.error.spread})) {
    return false;
  }
  for (uint32_t cell = 0; cell < graph.cells.cell_count(); ++cell) {
    if (!std::isfinite(graph.cells.offset(cell))) return false;
  }
  return are_finite(graph.space.origin()) && are_finite(graph.code.codebook());
}

void list_cell_pages(DiskGraph& graph) {
  graph.cell_pages.assign(graph.cells.cell_count(), {});
  graph.used_pages = 0;
  for (uint32_t page = 0; page < graph.page_cells.size(); ++page) {
    const uint32_t cell = graph.page_cells[page];
    if (cell == kNoCell) continue;
    graph.cell_pages[cell].push_back(page);
    ++graph.used_pages;
  }
  for (auto& pages : graph.cell_pages) pages.shrink_to_fit();
}

Result<std::unique_ptr<DiskCodesWriter>> DiskCodesWriter::create(storage::FileSystem& file_system,
                                                                 const std::string& path,
                                                                 const DiskGraph& graph,
                                                                 uint32_t generation) {
  ROX_ASSIGN_OR_RETURN(auto file, file_system.open(path, storage::OpenMode::kCreate));
  const Layout layout = layout_of(graph.shape);
  // Says at once where there is no room for it.
  ROX_RETURN_IF_ERROR(file->allocate(0, layout.file_bytes));
  std::unique_ptr<DiskCodesWriter> writer(
      new DiskCodesWriter(std::move(file), block_places_of(graph.code.code_bytes()), generation));
  writer->file_bytes_ = layout.file_bytes;
  writer->write_offset_ = layout.offsets[kCodes];
  return writer;
}

Status DiskCodesWriter::append(std::span<const std::byte> codes) {
  checksums_.push_back(piece_checksum(codes, checksums_.size()));
  ROX_RETURN_IF_ERROR(file_->write(write_offset_, codes));
  write_offset_ += codes.size();
  return Status::ok();
}

Status DiskCodesWriter::finish(const DiskGraph& graph) {
  if (!has_finite_numbers(graph)) {
    return Status::unsupported("vectors are too large for a graph on disk");
  }
  const DiskShape& shape = graph.shape;
  const Layout layout = layout_of(shape);
  const Cells::Parts cells = graph.cells.parts();
  const std::span<const std::byte> sections[kCodes] = {
      bytes_of_vector(graph.space.origin()),
      std::as_bytes(graph.code.codebook()),
      bytes_of_vector(cells.group_centroids),
      bytes_of_vector(cells.cell_groups),
      bytes_of_vector(cells.centroids),
      bytes_of_vector(cells.offsets),
      std::as_bytes(std::span(graph.page_cells.data(), shape.page_count)),
      {},  // kSlots: below
      bytes_of_vector(checksums_)};
  Header header = {};
  header.magic = kMagic;
  header.version = kVersion;
  header.dim = static_cast<uint32_t>(shape.options.dim);
  header.scalar_type = static_cast<uint8_t>(shape.options.type);
  header.metric = static_cast<uint8_t>(shape.options.metric);
  header.node_count = shape.node_count;
  header.page_count = shape.page_count;
  header.max_degree = shape.max_degree;
  header.code_kind = static_cast<uint8_t>(shape.code.kind);
  header.name_bytes = shape.code.name_bytes;
  header.group_count = shape.group_count;
  header.cell_count = shape.cell_count;
  header.list_size_at_10 = graph.list_sizes.at_small_k;
  header.list_size_at_100 = graph.list_sizes.at_large_k;
  header.slot_end = static_cast<uint32_t>(graph.node_of_slot.size());
  header.scale = graph.space.scale();
  header.greatest_norm = graph.space.greatest_norm();
  header.add_step = graph.code.add_step();
  header.error_bias = graph.error.bias;
  header.error_spread = graph.error.spread;
  header.generation = generation_;
  for (size_t s = 0; s < kCodes; ++s) {
    if (s == kSlots) {
      ROX_ASSIGN_OR_RETURN(header.section_checksums[s], write_slots(graph, layout.offsets[s]));
      continue;
    }
    ROX_CHECK(sections[s].size() == layout.sizes[s]);
    header.section_checksums[s] = piece_checksum(sections[s], s);
    ROX_RETURN_IF_ERROR(file_->write(layout.offsets[s], sections[s]));
  }
  header.header_checksum = base::checksum64(&header, offsetof(Header, header_checksum), kVersion);
  header_checksum_ = header.header_checksum;
  std::vector<std::byte> page(kPageBytes);
  std::memcpy(page.data(), &header, sizeof header);
  ROX_RETURN_IF_ERROR(file_->write(0, page));
  return file_->sync();
}

// A part at a time: all slots at once would be 4 bytes a point, when there may be no memory left.
Result<uint64_t> DiskCodesWriter::write_slots(const DiskGraph& graph, uint64_t offset) {
  const size_t all = graph.place_count();
  const size_t together = std::max(kPlacesTogetherLeast, all / kSlotPartsMost + 1);
  std::vector<uint32_t> slots;
  base::Checksum64 sum(kSlots);
  for (size_t first = 0; first < all; first += together) {
    slots.resize(std::min(together, all - first));
    find_slots(graph, first, slots);
    const std::span<const std::byte> bytes = bytes_of_vector(slots);
    sum.add(bytes.data(), bytes.size());
    ROX_RETURN_IF_ERROR(file_->write(offset, bytes));
    offset += bytes.size();
  }
  return sum.value();
}

Result<WrittenCodes> write_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                      const DiskGraph& graph, uint32_t generation) {
  ROX_ASSIGN_OR_RETURN(const auto writer,
                       DiskCodesWriter::create(file_system, path, graph, generation));
  const size_t code_bytes = graph.code.code_bytes();
  for (size_t place = 0; place < graph.place_count(); place += writer->block_places()) {
    const size_t count = std::min(writer->block_places(), graph.place_count() - place);
    ROX_RETURN_IF_ERROR(
        writer->append(graph.codes.span().subspan(place * code_bytes, count * code_bytes)));
  }
  ROX_RETURN_IF_ERROR(writer->finish(graph));
  return WrittenCodes{writer->bytes(), writer->checksum()};
}

Result<DiskCodes> load_disk_codes(storage::FileSystem& file_system, const std::string& path,
                                  const CollectionOptions& options) {
  ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path, storage::OpenMode::kRead));
  std::vector<std::byte> page(kPageBytes);
  ROX_RETURN_IF_ERROR(read_exactly(*file, path, 0, page));
  Header header;
  std::memcpy(&header, page.data(), sizeof header);
  ROX_RETURN_IF_ERROR(check_header(path, header, options));
  if (std::any_of(page.begin() + sizeof header, page.end(),
                  [](std::byte byte) { return byte != std::byte{0}; })) {
    return Status::corruption(path + ": header: bytes after its end");
  }
  const DiskShape shape = shape_of(header, options);
  const Layout layout = layout_of(shape);
  ROX_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  if (size != layout.file_bytes) {
    return Status::corruption(path + ": " + std::to_string(size) + " bytes long, expected " +
                              std::to_string(layout.file_bytes));
  }
  Parts parts(layout);
  const auto sections = parts.sections();
  for (size_t s = 0; s < kCodes; ++s) {
    ROX_RETURN_IF_ERROR(read_exactly(*file, path, layout.offsets[s], sections[s]));
    if (piece_checksum(sections[s], s) != header.section_checksums[s]) {
      return Status::corruption(path + ": section " + kSectionNames[s] + ": checksum mismatch");
    }
  }
  ROX_RETURN_IF_ERROR(check_parts(path, header, parts));
  DiskCodes codes;
  codes.graph = std::make_unique<DiskGraph>();
  DiskGraph& graph = *codes.graph;
  graph.shape = shape;
  graph.layout = shape.page();
  graph.list_sizes = {header.list_size_at_10, header.list_size_at_100};
  graph.error = {header.error_bias, header.error_spread};
  graph.space =
      SearchSpace(options.metric, std::move(parts.origin), header.scale, header.greatest_norm);
  graph.code = quantize::CellCode(options.dim, shape.code);
  graph.code.restore(std::move(parts.codebook), header.add_step);
  graph.page_cells.grow(header.page_count);
  std::copy(parts.page_cells.begin(), parts.page_cells.end(), graph.page_cells.begin());
  ROX_RETURN_IF_ERROR(read_codes(*file, path, layout, parts.checksums, graph));
  codes.cells = std::move(parts.cells);
  codes.slots = std::move(parts.slots);
  codes.slot_end = header.slot_end;
  codes.generation = header.generation;
  codes.file_bytes = size;
  codes.checksum = header.header_checksum;
  return codes;
}

Result<std::unique_ptr<DiskGraph>> make_disk_graph(DiskCodes codes, const std::string& path) {
  DiskGraph& graph = *codes.graph;
  ROX_RETURN_IF_ERROR(place_slots(path, codes, graph));
  graph.cells = Cells(graph.shape.options.dim, codes.cells);
  list_cell_pages(graph);
  return std::move(codes.graph);
}

Result<std::unique_ptr<DiskGraph>> read_disk_codes(storage::FileSystem& file_system,
                                                   const std::string& path,
                                                   const CollectionOptions& options) {
  ROX_ASSIGN_OR_RETURN(DiskCodes codes, load_disk_codes(file_system, path, options));
  return make_disk_graph(std::move(codes), path);
}

}  // namespace roxanne::index
