#include "index/page_writer.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "base/status_macros.h"
#include "index/exact_distance.h"
#include "index/row_residual.h"

namespace roxanne::index {
namespace {

constexpr uint32_t kPagesAtOnce = 256;

}  // namespace

// One thread's.
class PageWriter::Encoder {
 public:
  explicit Encoder(const DiskGraph& graph)
      : graph_(graph),
        exact_(graph.shape.options.type, graph.shape.options.metric, graph.shape.options.dim),
        residual_(graph) {}

  // A cell's centroid is that of all pages of the cell.
  void begin_page(uint32_t page) {
    const uint32_t cell = graph_.page_cells[page];
    if (cell == cell_) return;
    cell_ = cell;
    residual_.set_cell(cell);
  }

  void encode(const std::byte* row, uint8_t* code) {
    residual_.set_row(row);
    residual_.encode(graph_.code, code);
  }

  float norm(const std::byte* row) const { return exact_.row_norm(row); }

 private:
  const DiskGraph& graph_;
  ExactDistance exact_;
  RowResidual residual_;
  uint32_t cell_ = UINT32_MAX;
};

PageWriter::PageWriter(DiskGraph& graph, const OrderedRows& rows,
                       const std::vector<uint32_t>& row_starts,
                       const std::vector<uint32_t>& row_slots, base::ThreadPool& pool,
                       size_t thread_count)
    : graph_(graph),
      rows_(rows),
      row_starts_(row_starts),
      pool_(pool),
      thread_count_(thread_count),
      row_slots_(row_slots) {}

// The adjacency's nodes are the slots in ascending order.
void PageWriter::take_adjacency(const graph::Adjacency& adjacency) {
  adjacency_ = &adjacency;
  row_of_.resize(rows_.count());
  std::iota(row_of_.begin(), row_of_.end(), 0);
  std::sort(row_of_.begin(), row_of_.end(),
            [&](uint32_t a, uint32_t b) { return row_slots_[a] < row_slots_[b]; });
  source_of_.resize(rows_.count());
  for (uint32_t source = 0; source < row_of_.size(); ++source) source_of_[row_of_[source]] = source;
}

Status PageWriter::read_lists(uint32_t first_row, uint32_t row_count) {
  const size_t degree = graph_.layout.max_degree;
  lists_.assign(row_count * degree, kNoEdge);
  if (edges_ != nullptr) return edges_->read(first_row, lists_);
  for (uint32_t i = 0; i < row_count; ++i) {
    const auto neighbours = adjacency_->neighbours(source_of_[first_row + i]);
    for (size_t n = 0; n < std::min(degree, neighbours.size()); ++n) {
      lists_[i * degree + n] = row_of_[neighbours[n]];
    }
  }
  return Status::ok();
}

Status PageWriter::write(storage::PageStore& pages, DiskCodesWriter& codes,
                         const Progress& progress) {
  const NodePageLayout& layout = graph_.layout;
  const uint32_t page_count = graph_.shape.page_count;
  const size_t code_bytes = graph_.code.code_bytes();
  base::AlignedBuffer buffer(size_t{kPagesAtOnce} * layout.page_bytes);
  OrderedRows::Block block;
  std::vector<storage::PageImage> images;
  std::vector<Encoder> encoders(thread_count_, Encoder(graph_));
  for (uint32_t first = 0; first < page_count; first += kPagesAtOnce) {
    const uint32_t count = std::min(kPagesAtOnce, page_count - first);
    const uint32_t first_row = row_starts_[first];
    const uint32_t row_count = row_starts_[first + count] - first_row;
    ROX_RETURN_IF_ERROR(rows_.read(first_row, row_count, block));
    ROX_RETURN_IF_ERROR(read_lists(first_row, row_count));
    images.assign(count, {});
    std::memset(buffer.data(), 0, buffer.size());
    std::atomic<uint32_t> next{0};
    pool_.run(thread_count_, [&](size_t lane) {
      Encoder& encoder = encoders[lane];
      for (uint32_t p = next++; p < count; p = next++) {
        std::byte* page = buffer.data() + size_t{p} * layout.page_bytes;
        encoder.begin_page(first + p);
        const uint32_t rows = row_starts_[first + p + 1] - row_starts_[first + p];
        for (uint32_t place = 0; place < layout.nodes; ++place) {
          uint8_t* code = reinterpret_cast<uint8_t*>(graph_.codes.data()) +
                          (size_t{first + p} * layout.nodes + place) * code_bytes;
          if (place >= rows) {
            graph_.code.set_vacant(code);
            continue;
          }
          const uint32_t i = row_starts_[first + p] + place - first_row;
          const std::byte* row = block.rows().row(i);
          std::memcpy(page + layout.rows_offset + place * layout.row_bytes, row, layout.row_bytes);
          std::memcpy(page + layout.slots_offset + place * sizeof(uint32_t), &block.slots()[i],
                      sizeof(uint32_t));
          std::memcpy(page + layout.tags_offset + place * sizeof(uint64_t), &block.tags()[i],
                      sizeof(uint64_t));
          if (layout.has_norms) {
            const float norm = encoder.norm(row);
            std::memcpy(page + layout.norms_offset + place * sizeof(float), &norm, sizeof norm);
          }
          auto* neighbours = reinterpret_cast<uint32_t*>(page + layout.neighbours_offset) +
                             size_t{place} * layout.max_degree;
          for (size_t n = 0; n < layout.max_degree; ++n) {
            const uint32_t other = lists_[size_t{i} * layout.max_degree + n];
            neighbours[n] = other == kNoEdge ? kNoNode : row_slots_[other];
          }
          encoder.encode(row, code);
        }
        images[p] = {first + p, 0, rows == 64 ? ~uint64_t{0} : (uint64_t{1} << rows) - 1, page};
      }
    });
    ROX_RETURN_IF_ERROR(pages.write(images));
    ROX_RETURN_IF_ERROR(write_codes(codes, size_t{first + count} * layout.nodes));
    ROX_RETURN_IF_ERROR(
        progress(static_cast<double>(first + count) / static_cast<double>(page_count)));
  }
  return Status::ok();
}

// Whole blocks of the codes of places below `end_place`; all that is left at the end.
Status PageWriter::write_codes(DiskCodesWriter& codes, size_t end_place) {
  const size_t code_bytes = graph_.code.code_bytes();
  const size_t block = codes.block_places();
  while (codes_written_ + block <= end_place ||
         (end_place == graph_.place_count() && codes_written_ < end_place)) {
    const size_t count = std::min(block, end_place - codes_written_);
    ROX_RETURN_IF_ERROR(
        codes.append(graph_.codes.span().subspan(codes_written_ * code_bytes, count * code_bytes)));
    codes_written_ += count;
  }
  return Status::ok();
}

}  // namespace roxanne::index
