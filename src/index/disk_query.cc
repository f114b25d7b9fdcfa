#include "index/disk_query.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "index/cell_sorter.h"

namespace roxanne::index {
namespace {

constexpr float kInfinite = std::numeric_limits<float>::infinity();

// Scratch of a query at recall 0.95, and some more.
constexpr uint64_t kUsualBytes = 160u << 10;

// Codes scanned before anything is read: so many of a million points, and more of more as the root
// grows. A code in a row of them costs a fifth of one that is found through an edge, and at 10M
// points four times as many save a fifth of the reads.
constexpr double kScanCodesOfMillion = 4000;
constexpr size_t kScanCodesLeast = 2000;
constexpr size_t kScanCodesMost = 16000;
// Codes of levels cost less and say more: it is half as many more, and grows with the root of
// search_list_size where that is more than so many times k. What long lists miss is not points that
// looked too far, but points that were not looked at.
constexpr double kScanMoreLevels = 1.5;
constexpr double kListShareOfScan = 3;
constexpr double kScanGrowthMost = 8;
constexpr size_t kScanCodesPerRank = 4;
// Where too few of the points that were read may be answers, the search goes on as if k were twice
// as large, so many times: enough where one point in a hundred may.
constexpr size_t kWideningsMax = 8;
// A page is read when it promises (k / search_list_size) ^ this many answers: recall then grows
// with search_list_size much as it does in memory.
constexpr float kGainExponent = 1.7f;
// ... but this many at the most, as long as fewer than k answers are known: with short lists too
// few pages promise more, though some must be read.
constexpr float kFirstGainMost = 0.3f;
// Pages of a graph that changes are less full than a build leaves them: the search goes on as if
// search_list_size were larger by the sixth power of that, at most so much. What a list size finds
// then stays about what it was after a build.
constexpr double kListGrowthPower = 6;
constexpr double kListGrowthPowerOfSurroundings = 3;  // where not each answer is wanted
constexpr double kListGrowthMost = 1.5;
constexpr size_t kPagesAtOnceLeast = 8;
// Where pages promised so many answers together and brought none, but so many points as far away as
// the k-th best, what is left is more of these: copies, say.
constexpr float kBrokenPromisesMax = 16;
constexpr uint64_t kTiesMin = 16;
// ... unless the codes say too little about distances: then nothing was promised.
constexpr float kTrustedSpreadMost = 0.3f;
// Of DiskTuning::expand_margin and what is added to it.
constexpr float kExpandMarginMost = 1.2f;
// Estimates that are so many standard deviations too far are forgotten.
constexpr float kDeviationsMax = 4;
// ... so many, while the k-th best is a guess.
constexpr float kGuessDeviationsMax = 6;
constexpr float kGuessShareLeast = 0.1f;

// The normal distribution's P(X < z) in steps of 1/16, for |z| up to kDeviationsMax.
constexpr int kStepsPerDeviation = 16;
constexpr size_t kNormalSteps = 2 * static_cast<size_t>(kDeviationsMax) * kStepsPerDeviation + 1;

std::array<float, kNormalSteps> make_normal_table() {
  std::array<float, kNormalSteps> table;
  for (size_t i = 0; i < kNormalSteps; ++i) {
    const double z = static_cast<double>(i) / kStepsPerDeviation - kDeviationsMax;
    table[i] = static_cast<float>(0.5 * std::erfc(-z / std::sqrt(2.0)));
  }
  return table;
}

float normal_below(float z) {
  static const std::array<float, kNormalSteps> table = make_normal_table();
  if (!(z > -kDeviationsMax)) return 0;
  if (z >= kDeviationsMax) return 1;
  return table[static_cast<size_t>((z + kDeviationsMax) * kStepsPerDeviation + 0.5f)];
}

}  // namespace

DiskQuery::DiskQuery(const DiskGraph& graph)
    : graph_(graph),
      exact_(graph.shape.options.type, graph.shape.options.metric, graph.shape.options.dim) {
  distances_.resize(graph.layout.nodes);
}

uint64_t DiskQuery::bytes() const {
  return graph_.shape.code.query_bytes() + scanned_cells_.bytes() + read_pages_.bytes() +
         known_nodes_.bytes() + cell_bases_.bytes() + gains_.bytes() +
         candidates_.capacity() * sizeof(Candidate) + near_cells_.capacity() * sizeof(NearCell) +
         seen_.capacity() * sizeof(Seen);
}

void DiskQuery::trim() {
  if (bytes() <= kUsualBytes + graph_.shape.code.query_bytes()) return;
  for (NumberSet* set : {&scanned_cells_, &read_pages_, &known_nodes_}) set->reset();
  for (NumberMap<float>* map : {&cell_bases_, &gains_}) map->reset();
  std::vector<Candidate>().swap(candidates_);
  std::vector<NearCell>().swap(near_cells_);
  std::vector<Seen>().swap(seen_);
}

void DiskQuery::start(const Request& request) {
  request_ = request;
  exact_.set_query(request.query);
  const CollectionOptions& options = graph_.shape.options;
  graph_.space.map_query(VectorView(options.type, request.query, options.dim), place_);
  code_.prepare(graph_.code, place_.place());
  const float list_share =
      static_cast<float>(request.search_list_size) / static_cast<float>(request.k);
  gain_least_ = std::pow(list_share * list_growth(), -kGainExponent);
  const DiskTuning& tuning = graph_.tuning;
  expand_margin_ =
      std::min(tuning.expand_margin + tuning.expand_margin_a_doubling * std::log2(list_share),
               kExpandMarginMost);
  if (request.expand_margin != 0) expand_margin_ = request.expand_margin;
  pages_at_once_ = tuning.pages_at_once != 0
                       ? tuning.pages_at_once
                       : std::clamp(request.k, kPagesAtOnceLeast, kPagesAtOnceMax);
  read_pages_.clear();
  cell_bases_.clear();
  seen_.clear();
  answers_.clear();
  kth_ = kInfinite;
  candidate_limit_ = kInfinite;
  is_exact_ = false;
  rank_ = request.k;
  widenings_ = 0;
  promised_ = 0;
  ties_ = asked_ = accepted_ = 0;
  best_estimates_.clear();
  compared_.clear();
  counts_ = {};
  scan_again();
  choose_pages();
}

float DiskQuery::list_growth() const {
  // Of a cell's pages a build leaves the last one half full.
  const double of_build = 1 - graph_.layout.nodes / (2.0 * CellSorter::kCellRows);
  const double power = request_.scan_codes != 0 ? kListGrowthPowerOfSurroundings : kListGrowthPower;
  return static_cast<float>(
      std::clamp(std::pow(of_build / graph_.fullness(), power), 1.0, kListGrowthMost));
}

void DiskQuery::take(uint32_t page, const std::byte* bytes) {
  const NodePageLayout& layout = graph_.layout;
  using Companions = DiskTuning::Companions;
  const DiskTuning& tuning = graph_.tuning;
  uint64_t compared = storage::load_page_header(bytes).record_bitmap;
  uint64_t expanded = tuning.follows_edges ? compared : 0;
  if (tuning.companions != Companions::kExpanded) expanded &= candidates_on(page);
  if (tuning.companions == Companions::kIgnored) {
    compared &= candidates_on(page);
    std::erase_if(candidates_, [&](const Candidate& candidate) {
      return graph_.page_of(candidate.node) == page;
    });
  } else {
    read_pages_.insert(page);
  }
  exact_.to_rows(layout.row(bytes, 0), layout.nodes, layout.norms(bytes), distances_.data());
  for (size_t place = 0; place < layout.nodes; ++place) {
    if (((compared >> place) & 1) == 0) continue;
    ++counts_.exact_distances;
    const float distance = place_.distance_here(distances_[place]);
    if (!tuning.reads_by_gain) compared_.push_back(distance);
    if (((expanded >> place) & 1) != 0) {
      seen_.push_back({distance, layout.neighbours(bytes, place)});
    }
    add_answer(distances_[place], layout.slot(bytes, place), layout.tag(bytes, place));
  }
  if (request_.on_page != nullptr) (*request_.on_page)(page, bytes, distances_.data());
}

// The places in a page, as bits, of points that are known and were not read.
uint64_t DiskQuery::candidates_on(uint32_t page) const {
  uint64_t places = 0;
  for (const Candidate& candidate : candidates_) {
    if (graph_.page_of(candidate.node) != page) continue;
    places |= uint64_t{1} << candidate.node % graph_.layout.nodes;
  }
  return places;
}

void DiskQuery::advance() {
  update_bound();
  expand();
  choose_pages();
}

// Scans about so many codes more, of the nearest cells that were not scanned.
void DiskQuery::scan_cells(size_t wanted_codes) {
  const size_t all = graph_.cells.cell_count();
  const size_t codes_per_cell = std::max<size_t>(1, graph_.shape.node_count / all);
  const size_t target = codes_scanned_ + wanted_codes;
  size_t wanted = std::min(all, 3 * target / (2 * codes_per_cell) + 8);
  while (codes_scanned_ < target) {
    graph_.cells.nearest(place_.place(), wanted, cells_scratch_, near_cells_);
    for (const NearCell& near : near_cells_) {
      if (codes_scanned_ >= target) break;
      if (scanned_cells_.insert(near.cell)) scan_cell(near.cell, near.distance);
    }
    if (wanted == all) break;
    wanted = std::min(all, 4 * wanted);
  }
}

void DiskQuery::scan_cell(uint32_t cell, float base) {
  if (!graph_.tuning.codes_residuals) base = base_of(cell);
  constexpr size_t kPagesAhead = 2;
  const std::vector<uint32_t>& pages = graph_.cell_pages[cell];
  for (size_t i = 0; i < pages.size(); ++i) {
    const uint32_t page = pages[i];
    if (i + kPagesAhead < pages.size()) {
      graph_.prefetch_codes_of(pages[i + kPagesAhead] * graph_.layout.nodes, graph_.layout.nodes);
    }
    if (read_pages_.contains(page)) continue;
    const uint32_t first = page * graph_.layout.nodes;
    code_.estimate_row(graph_.code_of(first), graph_.layout.nodes, base, distances_.data());
    for (uint32_t place = 0; place < graph_.layout.nodes; ++place) {
      if (graph_.is_vacant(first + place)) continue;
      offer(distances_[place], first + place);
      ++codes_scanned_;
      ++counts_.estimates;
    }
  }
}

// Keeps a point that may be an answer. Before any exact distance is known, the k-th best estimate
// gives an idea of how near the k-th best is.
void DiskQuery::offer(float estimate, uint32_t node) {
  if (!(estimate <= candidate_limit_)) return;
  candidates_.push_back({estimate, node});
  if (is_exact_) return;
  if (best_estimates_.size() == rank_) {
    if (!(estimate < best_estimates_.front())) return;
    std::pop_heap(best_estimates_.begin(), best_estimates_.end());
    best_estimates_.pop_back();
  }
  best_estimates_.push_back(estimate);
  std::push_heap(best_estimates_.begin(), best_estimates_.end());
  if (best_estimates_.size() == rank_) guess_kth(best_estimates_.front());
}

// As far away as a point with such an estimate is.
void DiskQuery::guess_kth(float estimate) {
  const float bias = estimate < 0 ? -graph_.error.bias : graph_.error.bias;
  set_kth(estimate / std::max(kGuessShareLeast, 1 + bias), kGuessDeviationsMax);
}

void DiskQuery::set_kth(float distance, float deviations) {
  kth_ = distance;
  if (!graph_.tuning.reads_by_gain) return;
  const float margin = graph_.error.bias + deviations * graph_.error.spread;
  candidate_limit_ = distance + margin * std::abs(distance);
}

// Looks farther where slots that may not be answers left too few others; false where that was done
// often enough. Codes are scanned again, since points that were hopeless were forgotten.
bool DiskQuery::widen() {
  if (widenings_ == kWideningsMax) return false;
  ++widenings_;
  rank_ *= 2;
  kth_ = kInfinite;
  candidate_limit_ = kInfinite;
  best_estimates_.clear();
  scan_again();
  return !candidates_.empty();
}

size_t DiskQuery::scan_codes() const {
  if (request_.scan_codes != 0) return request_.scan_codes;
  if (graph_.tuning.scan_codes != 0) return graph_.tuning.scan_codes;
  const double millions = graph_.shape.node_count / 1e6;
  const auto codes = static_cast<size_t>(kScanCodesOfMillion * std::sqrt(millions));
  const size_t some = std::clamp(codes, kScanCodesLeast, kScanCodesMost);
  if (graph_.shape.code.kind != quantize::CellCodeKind::kLevels) return some;
  const double list_share =
      static_cast<double>(request_.search_list_size) / static_cast<double>(request_.k);
  const double growth = std::clamp(std::sqrt(list_share / kListShareOfScan), 1.0, kScanGrowthMost);
  return static_cast<size_t>(kScanMoreLevels * growth * static_cast<double>(some));
}

void DiskQuery::scan_again() {
  candidates_.clear();
  scanned_cells_.clear();
  known_nodes_.clear();
  codes_scanned_ = 0;
  scan_cells(std::max(scan_codes(), kScanCodesPerRank * rank_));
}

// Makes the neighbours of near points known, and lets go of the pages' bytes.
void DiskQuery::expand() {
  const float limit = kth_ + expand_margin_ * std::abs(kth_);
  std::erase_if(seen_, [limit](const Seen& seen) { return !(seen.distance <= limit); });
  counts_.hops += seen_.size();
  noted_.clear();
  // Where a slot's node is takes a look into memory: it is asked for two lists ahead.
  constexpr size_t kListsAhead = 2;
  for (size_t i = 0; i < std::min(kListsAhead, seen_.size()); ++i) {
    graph_.prefetch_nodes_of(seen_[i].neighbours);
  }
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (i + kListsAhead < seen_.size()) {
      graph_.prefetch_nodes_of(seen_[i + kListsAhead].neighbours);
    }
    note_neighbours(seen_[i].neighbours);
  }
  seen_.clear();
  estimate_noted();
}

void DiskQuery::note_neighbours(const uint32_t* neighbours) {
  neighbours_.clear();
  for (size_t i = 0; i < graph_.layout.max_degree; ++i) {
    const uint32_t node = graph_.node_of(neighbours[i]);
    if (node == kNoNode) continue;
    neighbours_.push_back({node, graph_.page_of(node)});
    __builtin_prefetch(&graph_.page_cells[neighbours_.back().page]);
  }
  for (const auto [node, page] : neighbours_) {
    if (read_pages_.contains(page) || scanned_cells_.contains(graph_.page_cells[page]) ||
        !known_nodes_.insert(node)) {
      continue;
    }
    graph_.prefetch_codes_of(node);
    noted_.push_back(node);
  }
}

void DiskQuery::estimate_noted() {
  // A centroid that was not met before is four looks into memory at 128 dimensions.
  constexpr size_t kCentroidsAhead = 6;
  const auto cell_of = [&](size_t i) { return graph_.page_cells[graph_.page_of(noted_[i])]; };
  for (size_t i = 0; i < noted_.size(); ++i) {
    if (i + kCentroidsAhead < noted_.size()) {
      graph_.cells.prefetch_centroid(cell_of(i + kCentroidsAhead));
    }
    offer(code_.estimate(graph_.code_of(noted_[i]), base_of(cell_of(i))), noted_[i]);
  }
  counts_.estimates += noted_.size();
}

float DiskQuery::base_of(uint32_t cell) {
  bool is_new;
  float& base = cell_bases_.at(cell, is_new);
  if (is_new) base = graph_.code_base(place_.place(), cell);
  return base;
}

void DiskQuery::add_answer(float distance, uint32_t slot, uint64_t tag) {
  const DiskAnswer answer{distance, slot, tag};
  const bool is_full = answers_.size() == request_.k;
  const bool is_tie = is_full && distance == answers_.back().distance;
  if (is_tie) ++ties_;
  if (is_full && !(answer < answers_.back())) return;
  ++asked_;
  if (request_.accepts != nullptr && !(*request_.accepts)(slot)) return;
  ++accepted_;
  if (!is_tie) {
    promised_ = 0;
    ties_ = 0;
  }
  // A point may be met twice while pages change.
  const auto at = std::upper_bound(answers_.begin(), answers_.end(), answer);
  if (at != answers_.begin() && (at - 1)->slot == slot) return;
  const auto index = at - answers_.begin();
  if (is_full) answers_.pop_back();
  answers_.insert(answers_.begin() + index, answer);
}

void DiskQuery::update_bound() {
  if (answers_.size() < request_.k) return;
  const float limit_before = candidate_limit_;
  set_kth(place_.distance_here(answers_.back().distance), kDeviationsMax);
  if (std::exchange(is_exact_, true)) return;
  // Where the guess was too low, points were forgotten that may be answers. (Without pages that are
  // done with as a whole, those read would be known again.)
  if (graph_.tuning.companions == DiskTuning::Companions::kIgnored) return;
  if (candidate_limit_ > limit_before) scan_again();
}

float DiskQuery::probability(float estimate) const {
  if (kth_ == kInfinite) return 1;
  const float size = std::abs(kth_);
  const float spread = std::max(graph_.error.spread * size, std::numeric_limits<float>::min());
  return normal_below((kth_ + graph_.error.bias * size - estimate) / spread);
}

// Forgets candidates that cannot be answers, and those on pages that were read.
void DiskQuery::drop_hopeless() {
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    return !(candidate.estimate <= candidate_limit_) ||
           read_pages_.contains(graph_.page_of(candidate.node));
  });
}

bool DiskQuery::has_only_ties() const {
  return is_exact_ && promised_ > kBrokenPromisesMax && ties_ >= kTiesMin &&
         graph_.error.spread <= kTrustedSpreadMost;
}

void DiskQuery::choose_pages() {
  wanted_.clear();
  do {
    drop_hopeless();
    add_gains();
  } while (page_gains_.empty() && !is_exact_ && widen());
  if (has_only_ties()) return;
  const size_t count = std::min(pages_at_once_, page_gains_.size());
  std::partial_sort(page_gains_.begin(), page_gains_.begin() + static_cast<ptrdiff_t>(count),
                    page_gains_.end());
  // Gains do not know which slots may be answers.
  const float share =
      static_cast<float>(accepted_) / static_cast<float>(std::max<uint64_t>(1, asked_));
  for (size_t i = 0; i < count; ++i) {
    wanted_.push_back(page_gains_[i].page);
    promised_ += page_gains_[i].gain * share;
  }
  if (count > 0) ++counts_.rounds;
}

// Fills page_gains_ with the pages that promise enough.
void DiskQuery::add_gains() {
  gains_.clear();
  page_gains_.clear();
  if (!graph_.tuning.reads_by_gain) return add_listed();
  const float least = is_exact_ ? gain_least_ : std::min(gain_least_, kFirstGainMost);
  for (const Candidate& candidate : candidates_) {
    const uint32_t page = graph_.page_of(candidate.node);
    bool is_new;
    float& gain = gains_.at(page, is_new);
    const float before = gain;
    gain += probability(candidate.estimate);
    if (before < least && gain >= least) page_gains_.push_back({0, page});
  }
  for (PageGain& page : page_gains_) {
    bool is_new;
    page.gain = gains_.at(page.page, is_new);
  }
}

// The same with the pages of points among the search_list_size best known, the nearest first.
void DiskQuery::add_listed() {
  std::vector<float> known = compared_;
  for (const Candidate& candidate : candidates_) known.push_back(candidate.estimate);
  float limit = kInfinite;
  if (known.size() > request_.search_list_size) {
    const auto last = known.begin() + static_cast<ptrdiff_t>(request_.search_list_size) - 1;
    std::nth_element(known.begin(), last, known.end());
    limit = *last;
  }
  for (const Candidate& candidate : candidates_) {
    if (candidate.estimate > limit) continue;
    const uint32_t page = graph_.page_of(candidate.node);
    bool is_new;
    float& gain = gains_.at(page, is_new);
    if (is_new) page_gains_.push_back({0, page});
    gain = is_new ? -candidate.estimate : std::max(gain, -candidate.estimate);
  }
  for (PageGain& page : page_gains_) {
    bool is_new;
    page.gain = gains_.at(page.page, is_new);
  }
}

}  // namespace roxanne::index
