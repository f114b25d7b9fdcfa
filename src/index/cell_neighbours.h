// For each cell the few whose centroids are nearest: what a shard looks beyond its edge for.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "roxanne/types.h"

namespace roxanne::index {

class CellNeighbours {
 public:
  // Fills the places of cells that have fewer others than were asked for.
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  static constexpr size_t kMostNeighbours = 32;

  struct Options {
    size_t count = kMostNeighbours;  // cells for each; at most kMostNeighbours
    size_t thread_count = 1;
    uint64_t seed = 1;
  };

  // `centroids` are f32. Nearest by L2, exactly for a few hundred cells; of more, nearly all of the
  // true ones. The same for a seed on any number of threads.
  CellNeighbours(MatrixView centroids, base::ThreadPool& pool, const Options& options);

  size_t cell_count() const { return cell_count_; }
  // Nearest first, without the cell itself.
  std::span<const uint32_t> of(size_t cell) const {
    return {cells_.data() + cell * count_, count_};
  }

 private:
  size_t cell_count_;
  size_t count_;
  std::vector<uint32_t> cells_;
};

}  // namespace roxanne::index
