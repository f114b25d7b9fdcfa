// A small disk graph, without its pages, that changes at random and tells a keeper so.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "index/codes_keeper.h"
#include "index/disk_codes_file.h"
#include "storage/power_cut.h"

namespace roxanne::index {

inline CollectionOptions changing_options() {
  return {.dim = 8, .type = ScalarType::kU8, .metric = Metric::kL2};
}

// Numbers that files take.
inline std::vector<float> random_floats(size_t count, storage::SimulatedRandom& random) {
  std::vector<float> floats(count);
  for (float& one : floats) one = static_cast<float>(random.below(2001)) / 1000 - 1;
  return floats;
}

// All that searches hold, in one number. Lists of pages count as sets.
inline uint64_t digest_of(const DiskGraph& graph) {
  uint64_t digest = 1;
  const auto add = [&](const void* bytes, size_t size) {
    digest = base::checksum64(bytes, size, digest);
  };
  const auto add_all = [&](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    add(bytes.data(), bytes.size());
  };
  const DiskShape& shape = graph.shape;
  add_all(std::vector<uint32_t>{shape.node_count, shape.page_count, shape.max_degree,
                                shape.code.name_bytes, shape.group_count, shape.cell_count,
                                graph.list_sizes.at_small_k, graph.list_sizes.at_large_k});
  add_all(std::vector<float>{graph.error.bias, graph.error.spread, graph.space.scale(),
                             graph.space.greatest_norm(), graph.code.add_step()});
  add_all(graph.space.origin());
  add_all(graph.code.codebook());
  const Cells::Parts cells = graph.cells.parts();
  add_all(cells.group_centroids);
  add_all(cells.cell_groups);
  add_all(cells.centroids);
  add_all(cells.offsets);
  add(graph.page_cells.data(), shape.page_count * sizeof(uint32_t));
  for (std::vector<uint32_t> pages : graph.cell_pages) {
    pages.push_back(UINT32_MAX);
    std::sort(pages.begin(), pages.end());
    add_all(pages);
  }
  add(graph.node_of_slot.data(), graph.node_of_slot.size() * sizeof(uint32_t));
  add(graph.codes.data(), graph.place_count() * graph.code.code_bytes());
  return digest;
}

class ChangingGraph {
 public:
  ChangingGraph() = default;
  explicit ChangingGraph(std::unique_ptr<DiskGraph> graph) : graph_(std::move(graph)) {
    slots_.assign(graph_->place_count(), kNoNode);
    for (uint32_t slot = 0; slot < graph_->node_of_slot.size(); ++slot) {
      if (graph_->node_of_slot[slot] != kNoNode) slots_[graph_->node_of_slot[slot]] = slot;
    }
  }

  // One of a few cells and so many pages, about half full.
  static ChangingGraph make(uint32_t pages, storage::SimulatedRandom& random) {
    auto graph = std::make_unique<DiskGraph>();
    const CollectionOptions options = changing_options();
    graph->shape = {options, 0, 0, 32, quantize::CellCodeShape::product(4), 2, 0};
    graph->layout = graph->shape.page();
    graph->list_sizes = {20, 130};
    graph->space = SearchSpace(options.metric, random_floats(options.dim, random), 0.5f, 0);
    graph->code = quantize::CellCode(options.dim, graph->shape.code);
    graph->code.restore(random_floats(options.dim * kernels::kCodebookEntries, random), 0.001f);
    graph->cells = Cells(options.dim);
    for (uint32_t group = 0; group < 2; ++group) {
      graph->cells.add_group(random_floats(options.dim, random).data());
    }
    graph->node_of_slot.grow(1, kNoNode);
    ChangingGraph changing(std::move(graph));
    for (uint32_t cell = 0; cell < 3; ++cell) changing.add_cell(random);
    for (uint32_t page = 0; page < pages; ++page) changing.add_page(random);
    for (uint32_t node = 0; node < pages * changing.graph_->layout.nodes / 2; ++node) {
      changing.add_node(random);
    }
    return changing;
  }

  DiskGraph& graph() { return *graph_; }
  uint64_t digest() const { return digest_of(*graph_); }
  void tell(CodesKeeper* keeper) { keeper_ = keeper; }

  // Some changes of any kind but those that a log cannot say.
  void change(storage::SimulatedRandom& random) {
    const uint64_t steps = 1 + random.below(12);
    for (uint64_t step = 0; step < steps; ++step) {
      switch (random.below(16)) {
        case 0:
          add_page(random);
          break;
        case 1:
          free_page(random);
          break;
        case 2:
          add_cell(random);
          break;
        case 3:
          move_cell(random);
          break;
        case 4:
          change_numbers(random);
          break;
        case 5:
        case 6:
        case 7:
          remove_node(random);
          break;
        case 8:
        case 9:
        case 10:
        case 11:
          move_node(random);
          break;
        default:
          add_node(random);
      }
    }
  }
  // A change that no log can say.
  void change_codebook(storage::SimulatedRandom& random) {
    const size_t count = graph_->code.codebook().size();
    graph_->code.restore(random_floats(count, random), 0.002f);
    keeper_->note_all();
  }
  void note_every_page() {
    for (uint32_t page = 0; page < graph_->shape.page_count; ++page) keeper_->note_page(page);
  }

 private:
  static constexpr uint32_t kSlotSteps = 5;  // how far apart new slots are, at the most
  uint32_t nodes() const { return graph_->layout.nodes; }
  size_t code_bytes() const { return graph_->code.code_bytes(); }
  std::byte* code_of(uint32_t node) { return graph_->codes.data() + node * code_bytes(); }
  void note_page(uint32_t page) {
    if (keeper_ != nullptr) keeper_->note_page(page);
  }

  void add_cell(storage::SimulatedRandom& random) {
    const auto group = static_cast<uint32_t>(random.below(graph_->shape.group_count));
    graph_->cells.add_cell(group, random_floats(graph_->cells.dim(), random).data(),
                           random_floats(1, random)[0]);
    graph_->cell_pages.emplace_back();
    ++graph_->shape.cell_count;
    if (keeper_ != nullptr && random.coin()) keeper_->note_cell(graph_->shape.cell_count - 1);
  }
  void move_cell(storage::SimulatedRandom& random) {
    const auto cell = static_cast<uint32_t>(random.below(graph_->shape.cell_count));
    graph_->cells.move_cell(cell, random_floats(graph_->cells.dim(), random).data(),
                            random_floats(1, random)[0]);
    keeper_->note_cell(cell);
  }
  void change_numbers(storage::SimulatedRandom& random) {
    graph_->list_sizes.at_small_k += static_cast<uint32_t>(random.below(3));
    graph_->error.spread = random_floats(1, random)[0];
  }

  // One that is free, or a new one.
  void add_page(storage::SimulatedRandom& random) {
    DiskGraph& graph = *graph_;
    uint32_t page = 0;
    while (page < graph.shape.page_count && graph.page_cells[page] != kNoCell) ++page;
    if (page == graph.shape.page_count) {
      ++graph.shape.page_count;
      graph.page_cells.grow(page + 1 + random.below(3), kNoCell);
      graph.codes.grow((graph.place_count() + random.below(3) * nodes()) * code_bytes());
      slots_.resize(graph.place_count(), kNoNode);
    }
    const auto cell = static_cast<uint32_t>(random.below(graph.shape.cell_count));
    graph.page_cells[page] = cell;
    graph.cell_pages[cell].push_back(page);
    ++graph.used_pages;
    note_page(page);
  }
  void free_page(storage::SimulatedRandom& random) {
    DiskGraph& graph = *graph_;
    const auto page = static_cast<uint32_t>(random.below(graph.shape.page_count));
    if (graph.page_cells[page] == kNoCell) return;
    for (uint32_t node = page * nodes(); node < (page + 1) * nodes(); ++node) vacate(node);
    std::erase(graph.cell_pages[graph.page_cells[page]], page);
    graph.page_cells[page] = kNoCell;
    --graph.used_pages;
    note_page(page);
  }

  void vacate(uint32_t node) {
    if (slots_[node] == kNoNode) return;
    graph_->node_of_slot[slots_[node]] = kNoNode;
    slots_[node] = kNoNode;
    std::memset(code_of(node), 0xff, code_bytes());
    --graph_->shape.node_count;
  }
  void fill(uint32_t node, uint32_t slot, const void* code) {
    graph_->node_of_slot.grow(size_t{slot} + 1, kNoNode);
    graph_->node_of_slot[slot] = node;
    slots_[node] = slot;
    std::memcpy(code_of(node), code, code_bytes());
    ++graph_->shape.node_count;
    note_page(graph_->page_of(node));
  }
  // A vacant place of a page that is in use; kNoNode where a few attempts find none.
  uint32_t find_vacant(storage::SimulatedRandom& random) const {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const auto node = static_cast<uint32_t>(random.below(graph_->place_count()));
      if (slots_[node] == kNoNode && graph_->page_cells[graph_->page_of(node)] != kNoCell) {
        return node;
      }
    }
    return kNoNode;
  }
  uint32_t find_taken(storage::SimulatedRandom& random) const {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const auto node = static_cast<uint32_t>(random.below(graph_->place_count()));
      if (slots_[node] != kNoNode) return node;
    }
    return kNoNode;
  }
  void add_node(storage::SimulatedRandom& random) {
    const uint32_t node = find_vacant(random);
    if (node == kNoNode) return;
    auto slot = static_cast<uint32_t>(random.below(graph_->node_of_slot.size() + kSlotSteps));
    if (slot < graph_->node_of_slot.size() && graph_->node_of_slot[slot] != kNoNode) {
      slot = static_cast<uint32_t>(graph_->node_of_slot.size());
    }
    std::vector<uint8_t> code(code_bytes());
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random.next());
    fill(node, slot, code.data());
  }
  void remove_node(storage::SimulatedRandom& random) {
    const uint32_t node = find_taken(random);
    if (node == kNoNode) return;
    vacate(node);
    note_page(graph_->page_of(node));
  }
  void move_node(storage::SimulatedRandom& random) {
    const uint32_t from = find_taken(random);
    const uint32_t to = find_vacant(random);
    if (from == kNoNode || to == kNoNode) return;
    const uint32_t slot = slots_[from];
    const std::vector<std::byte> code(code_of(from), code_of(from) + code_bytes());
    vacate(from);
    note_page(graph_->page_of(from));
    fill(to, slot, code.data());
  }

  std::unique_ptr<DiskGraph> graph_;
  std::vector<uint32_t> slots_;  // by place
  CodesKeeper* keeper_ = nullptr;
};

}  // namespace roxanne::index
