#include "index/graph_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checksum.h"
#include "base/status_macros.h"
#include "index/section_file.h"
#include "kernels/distance.h"

namespace roxanne::index {
namespace {

constexpr uint64_t kMagic = 0x3148505247584f52;  // "ROXGRPH1"
constexpr uint32_t kVersion = 1;
constexpr size_t kPageBytes = base::kPageBytes;
constexpr size_t kBlockBytes = 1u << 20;
constexpr size_t kBlockNodesMax = 4096;

enum Section : size_t {
  kOrigin,
  kBasis,
  kRoot,
  kSlots,
  kTags,
  kChecksums,
  kRecords,
  kSectionCount
};
constexpr const char* kSectionNames[] = {"origin", "basis",     "root",   "slots",
                                         "tags",   "checksums", "records"};

// As it lies in page 0; no padding between the fields.
struct Header {
  uint64_t magic;
  uint32_t version;
  uint32_t dim;
  uint8_t scalar_type;
  uint8_t metric;
  uint8_t uses_codes;
  uint8_t reserved;
  uint32_t node_count;
  uint32_t max_degree;
  uint32_t entry_count;
  uint32_t code_dim;
  uint32_t code_bits;
  uint32_t list_size_at_10;
  uint32_t list_size_at_100;
  uint64_t section_checksums[kRecords];  // all but the records, which have their own
  uint64_t header_checksum;              // of what is before it
};
static_assert(sizeof(Header) == 48 + 8 * kRecords + 8);

using Layout = SectionLayout<kSectionCount>;

Layout layout_of(const GraphShape& shape) {
  Layout layout;
  layout.sizes[kOrigin] = shape.options.dim * sizeof(float);
  layout.sizes[kBasis] = uint64_t{shape.code_dim} * shape.options.dim * sizeof(float);
  layout.sizes[kRoot] = shape.root().bytes;
  layout.sizes[kSlots] = uint64_t{shape.node_count} * sizeof(uint32_t);
  layout.sizes[kTags] = uint64_t{shape.node_count} * sizeof(uint64_t);
  layout.sizes[kChecksums] = blocks_of(shape) * sizeof(uint64_t);
  layout.sizes[kRecords] = uint64_t{shape.node_count} * shape.record().bytes;
  layout.place();
  return layout;
}

// Whether the numbers are such as a build makes: every size that follows from them is sane.
Status check_header(const std::string& path, const Header& header) {
  const auto damaged = [&](const std::string& what) {
    return Status::corruption(path + ": graph header: " + what);
  };
  if (header.magic != kMagic) return damaged("not a graph file");
  if (header.version != kVersion) {
    return Status::unsupported(path + ": graph version " + std::to_string(header.version) +
                               "; this build reads version " + std::to_string(kVersion));
  }
  if (header.header_checksum !=
      base::checksum64(&header, offsetof(Header, header_checksum), kVersion)) {
    return damaged("checksum mismatch");
  }
  constexpr size_t kBlock = kernels::kNeighbourBlock;
  if (header.dim < 1 || header.dim > kDimMax) return damaged("dimension");
  if (header.node_count < 1 || header.node_count >= (1u << 31)) return damaged("node count");
  if (header.max_degree < kBlock || header.max_degree > 256 || header.max_degree % kBlock != 0) {
    return damaged("max_degree");
  }
  if (header.entry_count < kBlock || header.entry_count > (1u << 20) ||
      header.entry_count % kBlock != 0) {
    return damaged("entry count");
  }
  if (header.code_dim < kernels::kResidualStep || header.code_dim > 4 * kernels::kNibbleTablesMax ||
      header.code_dim % kernels::kResidualStep != 0) {
    return damaged("code dimension");
  }
  if (header.code_bits < 1 || header.code_bits > kernels::kResidualBitsMax) {
    return damaged("code bits");
  }
  if (header.uses_codes > 1 || header.reserved != 0) return damaged("flags");
  return Status::ok();
}

Status check_links(const LinksView<std::byte>& links, size_t degree, uint32_t node_count) {
  for (size_t i = 0; i < degree; ++i) {
    if (links.ids()[i] < node_count) continue;
    if (links.ids()[i] == kNoNode && std::isinf(links.adds()[i])) continue;
    return Status::corruption("an edge leads to node " + std::to_string(links.ids()[i]));
  }
  return Status::ok();
}

Status read_records(const storage::File& file, const std::string& path, const Layout& layout,
                    const std::vector<uint64_t>& checksums, ResidentGraph& graph) {
  const size_t record_bytes = graph.record_layout.bytes;
  const size_t block_nodes = nodes_of_block(graph.shape);
  graph.records = base::AlignedBuffer(layout.sizes[kRecords]);
  for (size_t block = 0; block < checksums.size(); ++block) {
    const size_t first = block * block_nodes;
    const size_t count = std::min<size_t>(block_nodes, graph.shape.node_count - first);
    const auto bytes = graph.records.span().subspan(first * record_bytes, count * record_bytes);
    ROX_RETURN_IF_ERROR(
        read_exactly(file, path, layout.offsets[kRecords] + first * record_bytes, bytes));
    if (piece_checksum(bytes, block) != checksums[block]) {
      return Status::corruption(path + ": records of nodes " + std::to_string(first) + " to " +
                                std::to_string(first + count - 1) + ": checksum mismatch");
    }
    for (size_t i = 0; i < count; ++i) {
      const LinksView<std::byte> links(
          graph.record_layout.links,
          bytes.data() + i * record_bytes + graph.record_layout.links_offset);
      const Status checked = check_links(links, graph.shape.max_degree, graph.shape.node_count);
      if (!checked.is_ok()) {
        return checked.with_context(path + ": node " + std::to_string(first + i));
      }
    }
  }
  return Status::ok();
}

}  // namespace

size_t nodes_of_block(const GraphShape& shape) {
  return std::clamp<size_t>(kBlockBytes / shape.record().bytes, 1, kBlockNodesMax);
}

size_t blocks_of(const GraphShape& shape) {
  const size_t nodes = nodes_of_block(shape);
  return (shape.node_count + nodes - 1) / nodes;
}

GraphFileWriter::GraphFileWriter(std::unique_ptr<storage::File> file, const GraphShape& shape)
    : file_(std::move(file)), shape_(shape), checksums_(blocks_of(shape)) {}

Result<std::unique_ptr<GraphFileWriter>> GraphFileWriter::create(storage::FileSystem& file_system,
                                                                 const std::string& path,
                                                                 const GraphShape& shape) {
  ROX_ASSIGN_OR_RETURN(auto file, file_system.open(path, storage::OpenMode::kCreate));
  // Says at once where there is no room for it.
  ROX_RETURN_IF_ERROR(file->allocate(0, layout_of(shape).file_bytes));
  return std::unique_ptr<GraphFileWriter>(new GraphFileWriter(std::move(file), shape));
}

uint64_t GraphFileWriter::bytes() const { return layout_of(shape_).file_bytes; }

Status GraphFileWriter::write_block(size_t block, std::span<const std::byte> records) {
  const uint64_t checksum = piece_checksum(records, block);
  const uint64_t offset = layout_of(shape_).offsets[kRecords] +
                          uint64_t{block} * nodes_of_block(shape_) * shape_.record().bytes;
  std::lock_guard lock(mutex_);
  checksums_[block] = checksum;
  return file_->write(offset, records);
}

Status GraphFileWriter::finish(const ResidentGraph& graph) {
  std::lock_guard lock(mutex_);
  const Layout layout = layout_of(shape_);
  const std::span<const std::byte> sections[kRecords] = {bytes_of_vector(graph.origin),
                                                         std::as_bytes(graph.subspace.basis()),
                                                         graph.root.span(),
                                                         bytes_of_vector(graph.slots),
                                                         bytes_of_vector(graph.tags),
                                                         bytes_of_vector(checksums_)};
  Header header = {};
  header.magic = kMagic;
  header.version = kVersion;
  header.dim = static_cast<uint32_t>(shape_.options.dim);
  header.scalar_type = static_cast<uint8_t>(shape_.options.type);
  header.metric = static_cast<uint8_t>(shape_.options.metric);
  header.node_count = shape_.node_count;
  header.max_degree = shape_.max_degree;
  header.entry_count = shape_.entry_count;
  header.code_dim = shape_.code_dim;
  header.code_bits = shape_.code_bits;
  header.uses_codes = graph.uses_codes ? 1 : 0;
  header.list_size_at_10 = graph.list_sizes.at_small_k;
  header.list_size_at_100 = graph.list_sizes.at_large_k;
  for (size_t s = 0; s < kRecords; ++s) {
    ROX_CHECK(sections[s].size() == layout.sizes[s]);
    header.section_checksums[s] = piece_checksum(sections[s], s);
    ROX_RETURN_IF_ERROR(file_->write(layout.offsets[s], sections[s]));
  }
  header.header_checksum = base::checksum64(&header, offsetof(Header, header_checksum), kVersion);
  std::vector<std::byte> page(kPageBytes);
  std::memcpy(page.data(), &header, sizeof header);
  ROX_RETURN_IF_ERROR(file_->write(0, page));
  return file_->sync();
}

Result<std::unique_ptr<ResidentGraph>> read_graph_file(storage::FileSystem& file_system,
                                                       const std::string& path,
                                                       const CollectionOptions& options) {
  ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path, storage::OpenMode::kRead));
  return read_graph(*file, path, options);
}

Result<std::unique_ptr<ResidentGraph>> read_graph(const storage::File& file,
                                                  const std::string& path,
                                                  const CollectionOptions& options) {
  std::vector<std::byte> page(kPageBytes);
  ROX_RETURN_IF_ERROR(read_exactly(file, path, 0, page));
  Header header;
  std::memcpy(&header, page.data(), sizeof header);
  ROX_RETURN_IF_ERROR(check_header(path, header));
  if (std::any_of(page.begin() + sizeof header, page.end(),
                  [](std::byte byte) { return byte != std::byte{0}; })) {
    return Status::corruption(path + ": graph header: bytes after its end");
  }
  if (header.dim != options.dim || header.scalar_type != static_cast<uint8_t>(options.type) ||
      header.metric != static_cast<uint8_t>(options.metric)) {
    return Status::corruption(path + ": a graph of another collection");
  }
  auto graph = std::make_unique<ResidentGraph>();
  graph->shape = {options,         header.node_count, header.max_degree, header.entry_count,
                  header.code_dim, header.code_bits};
  graph->list_sizes = {header.list_size_at_10, header.list_size_at_100};
  graph->uses_codes = header.uses_codes != 0;
  graph->record_layout = graph->shape.record();
  graph->root_layout = graph->shape.root();
  const Layout layout = layout_of(graph->shape);
  ROX_ASSIGN_OR_RETURN(const uint64_t size, file.size());
  if (size != layout.file_bytes) {
    return Status::corruption(path + ": " + std::to_string(size) + " bytes long, expected " +
                              std::to_string(layout.file_bytes));
  }
  graph->origin.resize(options.dim);
  std::vector<float> basis(layout.sizes[kBasis] / sizeof(float));
  graph->root = base::AlignedBuffer(layout.sizes[kRoot]);
  graph->slots.resize(header.node_count);
  graph->tags.resize(header.node_count);
  std::vector<uint64_t> checksums(blocks_of(graph->shape));
  const std::span<std::byte> sections[kRecords] = {std::as_writable_bytes(std::span(graph->origin)),
                                                   std::as_writable_bytes(std::span(basis)),
                                                   graph->root.span(),
                                                   std::as_writable_bytes(std::span(graph->slots)),
                                                   std::as_writable_bytes(std::span(graph->tags)),
                                                   std::as_writable_bytes(std::span(checksums))};
  for (size_t s = 0; s < kRecords; ++s) {
    ROX_RETURN_IF_ERROR(read_exactly(file, path, layout.offsets[s], sections[s]));
    if (piece_checksum(sections[s], s) != header.section_checksums[s]) {
      return Status::corruption(path + ": section " + kSectionNames[s] + ": checksum mismatch");
    }
  }
  graph->subspace = quantize::Subspace(std::move(basis), options.dim);
  if (std::adjacent_find(graph->slots.begin(), graph->slots.end(), std::greater_equal<>()) !=
      graph->slots.end()) {
    return Status::corruption(path + ": slots are not ascending");
  }
  ROX_RETURN_IF_ERROR(
      check_links({graph->root_layout, graph->root.data()}, header.entry_count, header.node_count)
          .with_context(path + ": root"));
  ROX_RETURN_IF_ERROR(read_records(file, path, layout, checksums, *graph));
  return graph;
}

}  // namespace roxanne::index
