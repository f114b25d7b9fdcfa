// One query's way through a disk graph, as a state machine: it names the pages it wants, is given
// them, and names the next. Many run in turn on one thread, so that one computes while others wait
// for their reads.
//
// It begins with the codes of the nearest cells, one sequential scan. Which pages to read is chosen
// by gain: the expected number of answers on a page is the sum over its known points of the
// probability that the exact distance is below the k-th best so far, given the estimate from the
// code. All points of a page that was read are compared exactly, and the neighbours of those that
// are near enough become known. It ends when no page promises enough.
// docs/decisions/0009-disk-search.md measures each ingredient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/disk_graph.h"
#include "index/exact_distance.h"
#include "index/number_set.h"

namespace roxanne::index {

struct DiskAnswer {
  float distance;
  uint32_t slot;
  uint64_t tag;
  bool operator<(const DiskAnswer& other) const {
    return distance != other.distance ? distance < other.distance : slot < other.slot;
  }
};

struct DiskQueryCounts {
  uint64_t exact_distances = 0;
  uint64_t estimates = 0;
  uint64_t hops = 0;    // nodes whose neighbours were looked at
  uint64_t rounds = 0;  // of pages wanted
};

class DiskQuery {
 public:
  static constexpr size_t kPagesAtOnceMax = 16;

  explicit DiskQuery(const DiskGraph& graph);

  struct Request {
    const std::byte* query = nullptr;  // of the graph's scalar type
    size_t k = 1;
    size_t search_list_size = 1;  // k or more: pages are read while they promise more than
                                  // what follows from it
    // Whether a slot may be an answer; null = each may.
    const std::function<bool(uint32_t slot)>* accepts = nullptr;
    // Hears of each page that is taken, and how far its points are (one distance a place, of the
    // metric; meaningless where no point is). Null = nobody does.
    const std::function<void(uint32_t page, const std::byte* bytes, const float* distances)>*
        on_page = nullptr;
    // In place of DiskTuning's, where not 0: of a search that wants a point's surroundings and not
    // each answer.
    size_t scan_codes = 0;
    float expand_margin = 0;
  };
  void start(const Request& request);
  // Pages to be read and given to take(), at most kPagesAtOnceMax; none: the answers are there.
  std::span<const uint32_t> wanted() const { return wanted_; }
  // The checked bytes of a wanted page; they stay where they are until advance() returns.
  void take(uint32_t page, const std::byte* bytes);
  // Instead of take(), where the pages that are read are of a moment when it was not there yet.
  void pass_over(uint32_t page) { read_pages_.insert(page); }
  // When all wanted pages were taken.
  void advance();

  // At most k, nearest first.
  const std::vector<DiskAnswer>& answers() const { return answers_; }
  const DiskQueryCounts& counts() const { return counts_; }
  // Bytes of scratch, for the memory budget.
  uint64_t bytes() const;
  // Lets go of scratch that grew far beyond what usual queries need.
  void trim();

 private:
  struct Candidate {
    float estimate;
    uint32_t node;
  };
  // A point of a page that was taken.
  struct Seen {
    float distance;  // in the search space
    const uint32_t* neighbours;
  };
  struct NodeAndPage {
    uint32_t node;
    uint32_t page;
  };
  struct PageGain {
    float gain;
    uint32_t page;
    bool operator<(const PageGain& other) const {
      return gain != other.gain ? gain > other.gain : page < other.page;
    }
  };

  void scan_cells(size_t wanted_codes);
  void scan_cell(uint32_t cell, float base);
  float list_growth() const;
  size_t scan_codes() const;
  void scan_again();
  bool widen();
  void expand();
  void note_neighbours(const uint32_t* neighbours);
  void estimate_noted();
  float base_of(uint32_t cell);
  void offer(float estimate, uint32_t node);
  void guess_kth(float estimate);
  void set_kth(float distance, float deviations);
  void add_answer(float distance, uint32_t slot, uint64_t tag);
  void update_bound();
  void drop_hopeless();
  bool has_only_ties() const;
  void choose_pages();
  void add_gains();
  void add_listed();
  uint64_t candidates_on(uint32_t page) const;
  float probability(float estimate) const;

  const DiskGraph& graph_;
  ExactDistance exact_;
  SearchSpace::Query place_;
  quantize::CellCode::Query code_;
  Request request_;
  float gain_least_ = 0;
  float expand_margin_ = 0;
  size_t pages_at_once_ = 0;

  Cells::Scratch cells_scratch_;
  std::vector<NearCell> near_cells_;
  size_t codes_scanned_ = 0;
  NumberSet scanned_cells_;
  NumberSet read_pages_;
  NumberSet known_nodes_;        // outside scanned cells
  NumberMap<float> cell_bases_;  // squared distances to centroids
  NumberMap<float> gains_;       // of pages, while they are chosen

  std::vector<Candidate> candidates_;    // points on pages that were not read
  std::vector<uint32_t> noted_;          // nodes to be estimated
  std::vector<NodeAndPage> neighbours_;  // of one point
  std::vector<Seen> seen_;               // of the pages of this round
  std::vector<PageGain> page_gains_;
  std::vector<uint32_t> wanted_;
  std::vector<float> distances_;
  std::vector<float> compared_;  // distances of all points compared, where no gain is reckoned
  std::vector<DiskAnswer> answers_;
  size_t rank_ = 0;            // of the estimate that stands for the k-th best until that is known
  size_t widenings_ = 0;       // how often that was doubled
  float promised_ = 0;         // answers, by the pages read since there was one
  uint64_t ties_ = 0;          // points as far away as the k-th best, since then
  uint64_t asked_ = 0;         // slots of near points
  uint64_t accepted_ = 0;      // of these, that may be answers
  float kth_ = 0;              // distance of the k-th best in the search space: exact, or estimated
  bool is_exact_ = false;      // which of the two
  float candidate_limit_ = 0;  // estimates above it are of no use
  std::vector<float> best_estimates_;  // a heap of the rank_ least, until kth_ is exact
  DiskQueryCounts counts_;
};

}  // namespace roxanne::index
