#include "history.h"

#include <algorithm>
#include <array>
#include <set>

namespace roxanne::testing_support {
namespace {

using State = std::vector<uint32_t>;  // key -> version

// What may be true: the state, and which operations under way have had their effect on it.
struct Belief {
  State state;
  uint32_t seen = 0;  // a bit a place in Checker::pending_
  auto operator<=>(const Belief&) const = default;
};

// More than this many at once say that the test has too many threads for its keys.
constexpr size_t kBeliefsMax = 200'000;

size_t count_present(const State& state) {
  return static_cast<size_t>(
      std::count_if(state.begin(), state.end(), [](uint32_t v) { return v != kAbsent; }));
}

bool fits(const Operation& read, const State& state) {
  if (read.kind == OperationKind::kCount) return count_present(state) == read.present;
  return std::all_of(read.versions.begin(), read.versions.end(),
                     [&](const auto& one) { return state[one.first] == one.second; });
}

// False where the write would have answered otherwise.
bool apply(const Operation& write, State& state) {
  size_t present = 0;
  for (const auto& [key, version] : write.versions) {
    present += state[key] != kAbsent ? 1 : 0;
    state[key] = version;
  }
  return !write.present || *write.present == present;
}

class Checker {
 public:
  explicit Checker(size_t key_count) { beliefs_.insert({State(key_count, kAbsent), 0}); }

  // Its place among those under way.
  void call(const Operation& operation) {
    const auto free = std::find(pending_.begin(), pending_.end(), nullptr);
    *free = &operation;  // kPendingMax bounds them
    if (operation.kind == OperationKind::kWrite) return;
    std::set<Belief> next;
    for (Belief belief : beliefs_) {
      take_reads(belief);
      next.insert(std::move(belief));
    }
    beliefs_ = std::move(next);
  }

  // False where no belief is left.
  bool finish(const Operation& operation) {
    const auto place = std::find(pending_.begin(), pending_.end(), &operation);
    const uint32_t bit = 1u << (place - pending_.begin());
    std::set<Belief> next;
    std::set<Belief> visited;
    for (const Belief& belief : beliefs_) explore(belief, bit, visited, next);
    *place = nullptr;
    if (next.empty()) return false;
    beliefs_ = std::move(next);
    return beliefs_.size() <= kBeliefsMax;
  }

  const std::set<Belief>& beliefs() const { return beliefs_; }

 private:
  void take_reads(Belief& belief) const {
    for (size_t i = 0; i < pending_.size(); ++i) {
      const Operation* one = pending_[i];
      if (one == nullptr || one->kind == OperationKind::kWrite) continue;
      if (fits(*one, belief.state)) belief.seen |= 1u << i;
    }
  }

  // All that may follow from `start` by writes under way, up to the moment where the operation of
  // `bit` has been seen: its return says that it has.
  void explore(const Belief& start, uint32_t bit, std::set<Belief>& visited,
               std::set<Belief>& next) const {
    std::vector<Belief> open = {start};
    while (!open.empty()) {
      Belief belief = std::move(open.back());
      open.pop_back();
      if ((belief.seen & bit) != 0) {
        belief.seen &= ~bit;
        next.insert(std::move(belief));
        continue;
      }
      if (!visited.insert(belief).second || visited.size() > kBeliefsMax) continue;
      for (size_t i = 0; i < pending_.size(); ++i) {
        const Operation* one = pending_[i];
        if (one == nullptr || one->kind != OperationKind::kWrite) continue;
        if ((belief.seen >> i & 1u) != 0) continue;
        Belief after{belief.state, belief.seen | 1u << i};
        if (!apply(*one, after.state)) continue;
        take_reads(after);
        open.push_back(std::move(after));
      }
    }
  }

  std::array<const Operation*, kPendingMax> pending_{};
  std::set<Belief> beliefs_;
};

std::string show_version(uint32_t version) {
  return version == kAbsent ? "nothing" : "version " + std::to_string(version);
}

std::string explain(const Operation& operation, const std::set<Belief>& beliefs) {
  std::string text = "no order explains " + operation.to_string() + "; before it, of these keys:";
  size_t shown = 0;
  for (const Belief& belief : beliefs) {
    if (++shown > 3) break;
    text += "\n  " + std::to_string(count_present(belief.state)) + " keys there";
    for (const auto& [key, version] : operation.versions) {
      if (belief.state[key] == version && operation.kind == OperationKind::kRead) continue;
      text += ", key " + std::to_string(key) + " held " + show_version(belief.state[key]);
    }
  }
  return text + "\n  (" + std::to_string(beliefs.size()) + " states were possible)";
}

}  // namespace

std::string Operation::to_string() const {
  std::string text = kind == OperationKind::kWrite  ? "a write"
                     : kind == OperationKind::kRead ? "a read"
                                                    : "a count";
  text += " from " + std::to_string(called) + " to " + std::to_string(returned) + " (";
  for (const auto& [key, version] : versions) {
    text += "key " + std::to_string(key) + ": " + show_version(version) + ", ";
  }
  return text + (present ? std::to_string(*present) + " there)" : ")");
}

std::optional<std::string> find_violation(const std::vector<Operation>& history, size_t key_count) {
  struct Moment {
    uint64_t at;
    const Operation* operation;
  };
  std::vector<Moment> moments;
  for (const Operation& operation : history) {
    moments.push_back({operation.called, &operation});
    moments.push_back({operation.returned, &operation});
  }
  std::sort(moments.begin(), moments.end(),
            [](const Moment& a, const Moment& b) { return a.at < b.at; });
  Checker checker(key_count);
  for (const auto& [at, operation] : moments) {
    if (at == operation->called) {
      checker.call(*operation);
    } else if (!checker.finish(*operation)) {
      if (checker.beliefs().size() > kBeliefsMax) return "too many states are possible";
      return explain(*operation, checker.beliefs());
    }
  }
  return std::nullopt;
}

}  // namespace roxanne::testing_support
