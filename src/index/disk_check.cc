#include "index/disk_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {

// Codes are made by kernels that may add up in another order on another machine: an entry that is
// as near but for so much will do, and an `add` that is off by so many steps.
constexpr float kNearShare = 1e-3f;
constexpr float kAddSteps = 2;
constexpr float kNormShare = 1e-5f;

}  // namespace

DiskCheck::DiskCheck(const DiskIndex& index, const DiskIndex::RowOf& row_of,
                     const DiskIndex::TagOf& tag_of, const DiskIndex::Damaged& damaged)
    : index_(index),
      graph_(index.graph()),
      row_of_(row_of),
      tag_of_(tag_of),
      damaged_(damaged),
      exact_(graph_.shape.options.type, graph_.shape.options.metric, graph_.shape.options.dim),
      row_residual_(graph_),
      centroid_(graph_.shape.options.dim),
      decoded_(graph_.shape.options.dim),
      code_(graph_.code.code_bytes()) {}

bool DiskCheck::report(const Status& status) { return goes_on_ = goes_on_ && damaged_(status); }

bool DiskCheck::report(const std::string& what) {
  return report(Status::corruption(index_.pages().path() + ": " + what));
}

void DiskCheck::run() {
  index_.pages().check([this](const Status& status) { report(status); });
  if (!has_finite_numbers(graph_)) report("the codes' numbers are not finite");
  check_cells();
  bool is_whole = true;  // what is not was told above
  if (goes_on_) {
    index_.visit_pages([this](uint32_t page, const std::byte* bytes) { check_page(page, bytes); },
                       [&](const Status&) { return !(is_whole = false); });
  }
  if (goes_on_ && is_whole) check_counts();
}

void DiskCheck::check_cells() {
  const storage::PageSnapshot snapshot = index_.pages().snapshot();
  const uint32_t page_count = graph_.shape.page_count;
  std::vector<uint8_t> listed(page_count);
  if (graph_.cell_pages.size() != graph_.cells.cell_count()) report("cells without lists of pages");
  for (uint32_t cell = 0; cell < graph_.cell_pages.size() && goes_on_; ++cell) {
    for (const uint32_t page : graph_.cell_pages[cell]) {
      if (page < page_count && listed[page] == 0 && graph_.page_cells[page] == cell) {
        listed[page] = 1;
      } else {
        report("cell " + std::to_string(cell) + " lists page " + std::to_string(page) +
               ", which is not in it, or is there twice");
      }
    }
    centroid_.resize(graph_.cells.dim());
    graph_.cells.centroid(cell, centroid_.data());
    if (!std::all_of(centroid_.begin(), centroid_.end(),
                     [](float x) { return std::isfinite(x); })) {
      report("cell " + std::to_string(cell) + ": its centroid is not finite");
    }
  }
  uint32_t used_pages = 0;
  for (uint32_t page = 0; page < page_count && goes_on_; ++page) {
    used_pages += graph_.page_cells[page] != kNoCell ? 1 : 0;
    const bool is_there = snapshot->physical_page(page) != storage::kNoPage;
    const bool is_in_cell = graph_.page_cells[page] != kNoCell;
    if (is_in_cell && listed[page] == 0) report("no cell lists page " + std::to_string(page));
    if (is_there != is_in_cell) {
      report("page " + std::to_string(page) + (is_there ? " is in no cell" : " is not there"));
    }
  }
  if (goes_on_ && used_pages != graph_.used_pages) {
    report(std::to_string(used_pages) + " pages are in cells, counted were " +
           std::to_string(graph_.used_pages));
  }
}

void DiskCheck::check_page(uint32_t page, const std::byte* bytes) {
  if (page >= graph_.shape.page_count || graph_.page_cells[page] >= graph_.cells.cell_count()) {
    report("page " + std::to_string(page) + " is in no cell");
    return;
  }
  const uint64_t taken = storage::load_page_header(bytes).record_bitmap;
  for (uint32_t place = 0; place < graph_.layout.nodes && goes_on_; ++place) {
    const uint32_t node = page * graph_.layout.nodes + place;
    const bool is_taken = ((taken >> place) & 1) != 0;
    if (is_taken == graph_.is_vacant(node)) {
      report("node " + std::to_string(node) + (is_taken ? " has no code" : " has a code only"));
      continue;
    }
    if (!is_taken) continue;
    ++nodes_;
    const Status status = check_node(page, place, bytes);
    if (!status.is_ok()) {
      report(status.with_context(index_.pages().path() + ": node " + std::to_string(node) +
                                 " (slot " + std::to_string(graph_.layout.slot(bytes, place)) +
                                 ")"));
    }
  }
}

Status DiskCheck::check_node(uint32_t page, uint32_t place, const std::byte* bytes) {
  const NodePageLayout& layout = graph_.layout;
  const uint32_t node = page * layout.nodes + place;
  const uint32_t slot = layout.slot(bytes, place);
  if (graph_.node_of(slot) != node) return Status::corruption("the codes do not name its slot");
  ROX_RETURN_IF_ERROR(check_edges(layout.neighbours(bytes, place), slot));
  ROX_RETURN_IF_ERROR(check_against_row(slot, place, bytes));
  const std::byte* row = layout.row(bytes, place);
  if (layout.has_norms) {
    const float norm = exact_.row_norm(row);
    if (!(std::abs(layout.norms(bytes)[place] - norm) <= kNormShare * norm)) {
      return Status::corruption("its norm is not its vector's");
    }
  }
  return check_code(node, graph_.page_cells[page], row);
}

// A slot that they lead to may be nobody's, however many do: a point that is taken out leaves edges
// behind, which go when their pages are next written.
Status DiskCheck::check_edges(const uint32_t* neighbours, uint32_t slot) {
  targets_.clear();
  for (size_t i = 0; i < graph_.layout.max_degree; ++i) {
    if (neighbours[i] == kNoNode) continue;
    if (neighbours[i] >= graph_.node_of_slot.size() || neighbours[i] == slot) {
      return Status::corruption("an edge leads to slot " + std::to_string(neighbours[i]));
    }
    targets_.push_back(neighbours[i]);
  }
  std::sort(targets_.begin(), targets_.end());
  const auto twice = std::adjacent_find(targets_.begin(), targets_.end());
  if (twice == targets_.end()) return Status::ok();
  return Status::corruption("two edges lead to slot " + std::to_string(*twice));
}

Status DiskCheck::check_against_row(uint32_t slot, uint32_t place, const std::byte* bytes) const {
  const NodePageLayout& layout = graph_.layout;
  const std::optional<uint64_t> tag = tag_of_ ? tag_of_(slot) : std::nullopt;
  if (tag.has_value() && *tag != layout.tag(bytes, place)) {
    return Status::corruption("has key " + std::to_string(layout.tag(bytes, place)) +
                              ", expected " + std::to_string(*tag));
  }
  const std::byte* row = row_of_ ? row_of_(slot) : nullptr;
  if (row != nullptr && std::memcmp(row, layout.row(bytes, place), layout.row_bytes) != 0) {
    return Status::corruption("has another vector than the slot");
  }
  return Status::ok();
}

// A code is what its vector gives with the cell's centroid of now; see the constants above.
Status DiskCheck::check_code(uint32_t node, uint32_t cell, const std::byte* row) {
  row_residual_.set_cell(cell);
  row_residual_.set_row(row);
  row_residual_.encode(graph_.code, code_.data());
  const uint8_t* kept = graph_.code_of(node);
  if (std::memcmp(kept, code_.data(), code_.size()) == 0) return Status::ok();

  const std::vector<float>& residual = row_residual_.residual();
  const auto square = [](float x) { return x * x; };
  float least = 0, error = 0, add = row_residual_.extra();
  graph_.code.decode(code_.data(), decoded_.data());
  for (size_t d = 0; d < residual.size(); ++d) least += square(residual[d] - decoded_[d]);
  graph_.code.decode(kept, decoded_.data());
  for (size_t d = 0; d < residual.size(); ++d) {
    error += square(residual[d] - decoded_[d]);
    add += decoded_[d] * (decoded_[d] + 2 * row_residual_.centroid()[d]);
  }
  const int16_t steps = graph_.code.add_of(kept);
  constexpr float kMost = quantize::CellCode::kVacant - 1;
  const float expected = std::clamp(add / graph_.code.add_step(), -kMost, kMost);
  const bool is_near = error <= least + kNearShare * least + graph_.code.add_step();
  if (is_near && std::abs(static_cast<float>(steps) - expected) <= kAddSteps) return Status::ok();
  return Status::corruption("its code is not its vector's");
}

void DiskCheck::check_counts() {
  if (nodes_ != index_.node_count() || nodes_ != graph_.shape.node_count) {
    report(std::to_string(nodes_) + " nodes, expected " + std::to_string(index_.node_count()));
  }
}

}  // namespace roxanne::index
