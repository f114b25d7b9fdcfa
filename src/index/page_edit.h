// A page of a disk graph that is being changed: its bytes, and the codes of its nodes where these
// change too.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "index/disk_graph.h"
#include "index/node_page.h"

namespace roxanne::index {

class PageEdit {
 public:
  // `bytes`: page_bytes, which outlive this.
  PageEdit(const DiskGraph& graph, uint32_t number, uint32_t cell, std::byte* bytes)
      : graph_(graph), layout_(graph.layout), number_(number), cell_(cell), bytes_(bytes) {
    renew(cell);
  }
  // As if made anew: other bytes are there.
  void renew(uint32_t cell) {
    cell_ = cell;
    taken_ = storage::load_page_header(bytes_).record_bitmap;
    is_dirty_ = false;
    codes_.clear();
  }

  uint32_t number() const { return number_; }
  uint32_t cell() const { return cell_; }
  void set_cell(uint32_t cell) { cell_ = cell; }
  std::byte* bytes() const { return bytes_; }
  uint64_t taken() const { return taken_; }
  bool has(uint32_t place) const { return ((taken_ >> place) & 1) != 0; }
  uint32_t count() const { return static_cast<uint32_t>(std::popcount(taken_)); }
  bool is_full() const { return count() == layout_.nodes; }
  uint32_t node(uint32_t place) const { return number_ * layout_.nodes + place; }

  uint32_t slot(uint32_t place) const { return layout_.slot(bytes_, place); }
  uint64_t tag(uint32_t place) const { return layout_.tag(bytes_, place); }
  const std::byte* row(uint32_t place) const { return layout_.row(bytes_, place); }
  const uint32_t* neighbours(uint32_t place) const { return layout_.neighbours(bytes_, place); }

  // Whether the bytes have to be written, and whether nodes have come or gone.
  bool is_dirty() const { return is_dirty_; }
  bool has_other_nodes() const { return !codes_.empty(); }
  void make_dirty() { is_dirty_ = true; }

  void set_neighbours(uint32_t place, const std::vector<uint32_t>& slots) {
    uint32_t* const to = list_of(place);
    for (uint32_t i = 0; i < layout_.max_degree; ++i) to[i] = i < slots.size() ? slots[i] : kNoNode;
    is_dirty_ = true;
  }

  // Drops the edges that lead to slots of which `is_gone(slot)`.
  template <typename IsGone>
  void drop_links_to(const IsGone& is_gone) {
    for (uint32_t place = 0; place < layout_.nodes; ++place) {
      if (!has(place)) continue;
      uint32_t* const list = list_of(place);
      uint32_t* const end = list + layout_.max_degree;
      uint32_t* const kept = std::remove_if(
          list, end, [&](uint32_t slot) { return slot != kNoNode && is_gone(slot); });
      if (kept == end) continue;
      std::fill(kept, end, kNoNode);
      is_dirty_ = true;
    }
  }

  struct Record {
    uint32_t slot = 0;
    uint64_t tag = 0;
    float norm = 0;
    const std::byte* row = nullptr;
    const uint32_t* neighbours = nullptr;  // max_degree of them; null: none yet
    const uint8_t* code = nullptr;
  };
  // Puts a node into a vacant place, which is returned.
  uint32_t add(const Record& record) {
    const auto place = static_cast<uint32_t>(std::countr_one(taken_));
    store(layout_.slots_offset, place, record.slot);
    store(layout_.tags_offset, place, record.tag);
    if (layout_.has_norms) store(layout_.norms_offset, place, record.norm);
    std::memcpy(bytes_ + layout_.rows_offset + place * layout_.row_bytes, record.row,
                layout_.row_bytes);
    auto* to = bytes_ + layout_.neighbours_offset + place * layout_.max_degree * sizeof(uint32_t);
    const size_t list_bytes = layout_.max_degree * sizeof(uint32_t);
    if (record.neighbours != nullptr) {
      std::memcpy(to, record.neighbours, list_bytes);
    } else {
      std::memset(to, 0xff, list_bytes);
    }
    std::memcpy(code(place), record.code, graph_.code.code_bytes());
    taken_ |= uint64_t{1} << place;
    is_dirty_ = true;
    return place;
  }
  Record record(uint32_t place) {
    return {slot(place), tag(place),        layout_.has_norms ? layout_.norms(bytes_)[place] : 0,
            row(place),  neighbours(place), code(place)};
  }
  void remove(uint32_t place) {
    graph_.code.set_vacant(code(place));
    taken_ &= ~(uint64_t{1} << place);
    is_dirty_ = true;
  }

  // The code of a place, to be read and changed; published with the page.
  uint8_t* code(uint32_t place) {
    const size_t code_bytes = graph_.code.code_bytes();
    if (codes_.empty()) {
      codes_.resize(layout_.nodes * code_bytes);
      if (number_ < graph_.shape.page_count && graph_.page_cells[number_] != kNoCell) {
        std::memcpy(codes_.data(), graph_.code_of(number_ * layout_.nodes), codes_.size());
      } else {
        for (uint32_t i = 0; i < layout_.nodes; ++i) {
          graph_.code.set_vacant(codes_.data() + i * code_bytes);
        }
      }
    }
    return codes_.data() + place * code_bytes;
  }
  const std::vector<uint8_t>& codes() const { return codes_; }

 private:
  uint32_t* list_of(uint32_t place) {
    return reinterpret_cast<uint32_t*>(bytes_ + layout_.neighbours_offset) +
           size_t{place} * layout_.max_degree;
  }
  template <typename T>
  void store(size_t offset, uint32_t place, T value) {
    std::memcpy(bytes_ + offset + place * sizeof(T), &value, sizeof(T));
  }

  const DiskGraph& graph_;
  const NodePageLayout& layout_;
  uint32_t number_;
  uint32_t cell_;
  std::byte* bytes_;
  uint64_t taken_ = 0;
  bool is_dirty_ = false;
  std::vector<uint8_t> codes_;  // empty until nodes come or go
};

}  // namespace roxanne::index
