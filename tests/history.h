// A record of what threads did to a few keys, and whether one order explains it: an order in which
// each operation takes effect at one moment between its call and its return, a batch as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace roxanne::testing_support {

// Each upsert writes a version of its own; kAbsent: there is no such point.
constexpr uint32_t kAbsent = 0;

enum class OperationKind : uint8_t {
  kWrite,  // the keys hold these versions from then on; kAbsent erases
  kRead,   // the keys held these versions, all at one moment; others were not looked at
  kCount,  // so many keys were there
};

struct Operation {
  OperationKind kind = OperationKind::kRead;
  uint64_t called = 0;    // moments by one clock for all threads; no two are the same
  uint64_t returned = 0;  // after `called`
  std::vector<std::pair<size_t, uint32_t>> versions;  // of keys; each at most once
  // Of a write: how many of its keys were there, where it said so. Of a count: the count.
  std::optional<size_t> present;

  std::string to_string() const;
};

// Why no order explains the history of keys 0 .. key_count - 1, all absent at first; nothing where
// one does. At most kPendingMax operations may be under way at once.
//
// Goes from moment to moment with all states that the collection may be in, each with the
// operations under way that it has seen already (just-in-time linearization: Lowe, "Testing for
// linearizability", 2017). A read that fits a state is taken at once: it restricts nothing.
constexpr size_t kPendingMax = 32;
std::optional<std::string> find_violation(const std::vector<Operation>& history, size_t key_count);

}  // namespace roxanne::testing_support
