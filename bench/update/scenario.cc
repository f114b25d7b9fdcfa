#include "bench/update/scenario.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <utility>

namespace roxanne::bench {
namespace {

std::vector<uint32_t> all_rows(uint64_t count) {
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

// Moves `count` random rows of `from` to the end of `to` and returns them.
std::vector<uint32_t> move_random(std::vector<uint32_t>& from, std::vector<uint32_t>& to,
                                  size_t count, std::mt19937_64& random) {
  std::vector<uint32_t> moved;
  for (size_t i = 0; i < count && !from.empty(); ++i) {
    std::swap(from[random() % from.size()], from.back());
    moved.push_back(from.back());
    from.pop_back();
  }
  to.insert(to.end(), moved.begin(), moved.end());
  return moved;
}

// Random live rows leave; as many random others come. The rows outside are just enough for a round.
class Replace : public Scenario {
 public:
  explicit Replace(const ScenarioOptions& options) : random_(options.seed) {
    outside_ = all_rows(options.rows);
    const double live = static_cast<double>(options.rows) / (1 + options.share);
    move_random(outside_, live_, static_cast<size_t>(live), random_);
    count_ = std::min(outside_.size(),
                      static_cast<size_t>(static_cast<double>(live_.size()) * options.share));
  }
  std::vector<uint32_t> first_rows() override { return live_; }
  Round next() override {
    Round round;
    std::vector<uint32_t> left;
    round.erased = move_random(live_, left, count_, random_);
    round.inserted = move_random(outside_, live_, count_, random_);
    outside_.insert(outside_.end(), left.begin(), left.end());
    return round;
  }

 private:
  std::mt19937_64 random_;
  std::vector<uint32_t> live_;
  std::vector<uint32_t> outside_;
  size_t count_ = 0;
};

// The oldest leave; the next of the file come, and after its end its first again.
class Window : public Scenario {
 public:
  explicit Window(const ScenarioOptions& options) : rows_(options.rows), window_(options.rows / 2) {
    count_ = static_cast<uint64_t>(static_cast<double>(window_) * options.share);
  }
  std::vector<uint32_t> first_rows() override { return all_rows(window_); }
  Round next() override {
    Round round;
    for (uint64_t i = 0; i < count_; ++i, ++oldest_) {
      round.erased.push_back(static_cast<uint32_t>(oldest_ % rows_));
      round.inserted.push_back(static_cast<uint32_t>((oldest_ + window_) % rows_));
    }
    return round;
  }

 private:
  uint64_t rows_;
  uint64_t window_;
  uint64_t count_ = 0;
  uint64_t oldest_ = 0;
};

// A list of rows that come in its order, in equal rounds, after others that were there.
class Insert : public Scenario {
 public:
  Insert(std::vector<uint32_t> first, std::vector<uint32_t> later, size_t rounds, bool waits)
      : first_(std::move(first)), later_(std::move(later)), rounds_(rounds), waits_(waits) {}
  std::vector<uint32_t> first_rows() override { return first_; }
  Round next() override {
    const auto from = static_cast<std::ptrdiff_t>(later_.size() * done_ / rounds_);
    const auto to = static_cast<std::ptrdiff_t>(later_.size() * (done_ + 1) / rounds_);
    ++done_;
    return {{}, {later_.begin() + from, later_.begin() + to}};
  }
  bool waits_between_rounds() const override { return waits_; }

 private:
  std::vector<uint32_t> first_;
  std::vector<uint32_t> later_;
  size_t rounds_;
  bool waits_;
  size_t done_ = 0;
};

// Nine of ten leave, at random, in equal rounds.
class Erase : public Scenario {
 public:
  explicit Erase(const ScenarioOptions& options)
      : random_(options.seed), live_(all_rows(options.rows)) {
    count_ = options.rows * 9 / 10 / options.rounds;
  }
  std::vector<uint32_t> first_rows() override { return live_; }
  Round next() override {
    std::vector<uint32_t> left;
    return {move_random(live_, left, count_, random_), {}};
  }

 private:
  std::mt19937_64 random_;
  std::vector<uint32_t> live_;
  size_t count_ = 0;
};

using Made = std::unique_ptr<Scenario>;

// A random half is there; the other half comes cluster by cluster.
Made make_clustered(const VectorFile& base, const ScenarioOptions& options) {
  const std::vector<uint8_t> clusters = cluster_rows(base);
  std::vector<uint32_t> first = all_rows(options.rows);
  std::vector<uint32_t> later;
  std::mt19937_64 random(options.seed);
  move_random(first, later, options.rows / 2, random);
  std::stable_sort(later.begin(), later.end(),
                   [&](uint32_t a, uint32_t b) { return clusters[a] < clusters[b]; });
  return std::make_unique<Insert>(std::move(first), std::move(later), options.rounds, true);
}

// The clusters of one half of the space are there; those of the other half come, mixed.
Made make_shift(const VectorFile& base, const ScenarioOptions& options) {
  const std::vector<uint8_t> clusters = cluster_rows(base);
  std::array<uint64_t, kClusterCount> sizes{};
  for (const uint8_t cluster : clusters) ++sizes[cluster];
  size_t end = 0;
  for (uint64_t rows = 0; rows < options.rows / 2; ++end) rows += sizes[end];
  std::vector<uint32_t> first;
  std::vector<uint32_t> later;
  for (const uint32_t row : all_rows(options.rows)) {
    (clusters[row] < end ? first : later).push_back(row);
  }
  return std::make_unique<Insert>(std::move(first), std::move(later), options.rounds, true);
}

struct Entry {
  const char* name;
  size_t rounds;
  Made (*make)(const VectorFile& base, const ScenarioOptions& options);
};

constexpr std::array<Entry, 6> kEntries = {{
    {"replace", 10,
     [](const VectorFile&, const ScenarioOptions& o) -> Made {
       return std::make_unique<Replace>(o);
     }},
    {"window", 10,
     [](const VectorFile&, const ScenarioOptions& o) -> Made {
       return std::make_unique<Window>(o);
     }},
    {"clustered", 5, make_clustered},
    {"shift", 5, make_shift},
    {"erase", 5,
     [](const VectorFile&, const ScenarioOptions& o) -> Made {
       return std::make_unique<Erase>(o);
     }},
    {"grow", 20,
     [](const VectorFile&, const ScenarioOptions& o) -> Made {
       return std::make_unique<Insert>(std::vector<uint32_t>(), all_rows(o.rows), o.rounds, false);
     }},
}};

const Entry* find_entry(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::string scenario_names() {
  std::string names;
  for (const Entry& entry : kEntries)
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

size_t default_rounds(std::string_view name) {
  const Entry* entry = find_entry(name);
  return entry == nullptr ? 0 : entry->rounds;
}

std::unique_ptr<Scenario> make_scenario(std::string_view name, const VectorFile& base,
                                        const ScenarioOptions& options) {
  const Entry* entry = find_entry(name);
  return entry == nullptr ? nullptr : entry->make(base, options);
}

}  // namespace roxanne::bench
