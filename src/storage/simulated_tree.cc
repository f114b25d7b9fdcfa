#include "storage/simulated_tree.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

constexpr InodeId kRoot = 1;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string name = path.substr(begin, end - begin);
    if (!name.empty() && name != ".") names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

}  // namespace

SimulatedTree::SimulatedTree() : next_inode_(kRoot + 1) {
  directories_[kRoot].journal = kRoot;  // a directory's first journal has its own number
}

Result<InodeId> SimulatedTree::find(const std::string& path) const {
  InodeId inode = kRoot;
  for (const std::string& name : split(path)) {
    const std::optional<InodeId> next = at({inode, name});
    if (!next.has_value()) return Status::not_found(path + ": no such file or directory");
    inode = *next;
  }
  return inode;
}

Result<SimulatedTree::Place> SimulatedTree::place(const std::string& path) const {
  std::vector<std::string> names = split(path);
  if (names.empty()) return Status::io_error(path + ": is the root directory");
  Place result{kRoot, std::move(names.back())};
  names.pop_back();
  for (const std::string& name : names) {
    const std::optional<InodeId> next = at({result.directory, name});
    if (!next.has_value() || !is_directory(*next)) {
      return Status::not_found(path + ": no such directory");
    }
    result.directory = *next;
  }
  return result;
}

std::optional<InodeId> SimulatedTree::at(const Place& place) const {
  const auto directory = directories_.find(place.directory);
  if (directory == directories_.end()) return std::nullopt;
  const auto entry = directory->second.current.find(place.name);
  if (entry == directory->second.current.end()) return std::nullopt;
  return entry->second;
}

uint64_t SimulatedTree::link_count(InodeId inode) const {
  const auto count = link_counts_.find(inode);
  return count == link_counts_.end() ? 0 : count->second;
}

std::vector<SimulatedTree::PathOf> SimulatedTree::files() const {
  std::vector<PathOf> result;
  collect_files(kRoot, "", result);
  std::sort(result.begin(), result.end(),
            [](const PathOf& a, const PathOf& b) { return a.path < b.path; });
  return result;
}

void SimulatedTree::collect_files(InodeId directory, const std::string& path,
                                  std::vector<PathOf>& out) const {
  for (const auto& [name, inode] : entries(directory)) {
    std::string below = path;
    below.append("/").append(name);
    if (is_directory(inode)) {
      collect_files(inode, below, out);
    } else {
      out.push_back({std::move(below), inode});
    }
  }
}

void SimulatedTree::apply_to_current(const Entry& entry) {
  Entries& current = directories_.at(entry.place.directory).current;
  const auto old = current.find(entry.place.name);
  if (old != current.end()) {
    --link_counts_[old->second];
    current.erase(old);
  }
  if (!entry.inode.has_value()) return;
  current[entry.place.name] = *entry.inode;
  ++link_counts_[*entry.inode];
}

void SimulatedTree::add_change(uint64_t journal, Change change) {
  for (const Entry& entry : change) apply_to_current(entry);
  journals_[journal].order.push_back(next_order_++);
  journals_[journal].changes.push_back(std::move(change));
}

InodeId SimulatedTree::add_file(const Place& place) {
  const InodeId inode = next_inode_++;
  add_link(place, inode);
  return inode;
}

InodeId SimulatedTree::add_directory(const Place& place) {
  const InodeId inode = next_inode_++;
  directories_[inode].journal = inode;
  add_link(place, inode);
  return inode;
}

void SimulatedTree::add_link(const Place& place, InodeId inode) {
  add_change(directories_.at(place.directory).journal, {{place, inode}});
}

void SimulatedTree::remove(const Place& place) {
  add_change(directories_.at(place.directory).journal, {{place, std::nullopt}});
}

void SimulatedTree::move(const Place& from, const Place& to) {
  const InodeId inode = at(from).value();
  const uint64_t journal = merge_journals(directories_.at(from.directory).journal,
                                          directories_.at(to.directory).journal);
  add_change(journal, {{from, std::nullopt}, {to, inode}});
}

uint64_t SimulatedTree::merge_journals(uint64_t one, uint64_t other) {
  if (one == other) return one;
  const Journal a = std::move(journals_[one]);
  const Journal b = std::move(journals_[other]);
  journals_.erase(other);
  Journal merged;
  size_t i = 0;
  size_t j = 0;
  while (i < a.order.size() || j < b.order.size()) {
    const bool from_a = j == b.order.size() || (i < a.order.size() && a.order[i] < b.order[j]);
    const Journal& source = from_a ? a : b;
    size_t& next = from_a ? i : j;
    merged.order.push_back(source.order[next]);
    merged.changes.push_back(source.changes[next]);
    ++next;
  }
  journals_[one] = std::move(merged);
  for (auto& [inode, directory] : directories_) {
    if (directory.journal == other) directory.journal = one;
  }
  return one;
}

void SimulatedTree::make_durable(const Change& change) {
  for (const Entry& entry : change) {
    Entries& durable = directories_.at(entry.place.directory).durable;
    if (entry.inode.has_value()) {
      durable[entry.place.name] = *entry.inode;
    } else {
      durable.erase(entry.place.name);
    }
  }
}

void SimulatedTree::sync(InodeId directory) {
  const uint64_t journal = directories_.at(directory).journal;
  for (const Change& change : journals_[journal].changes) make_durable(change);
  journals_.erase(journal);
  // Nothing binds directories that shared the journal any more.
  for (auto& [inode, other] : directories_) {
    if (other.journal == journal) other.journal = inode;
  }
}

void SimulatedTree::power_cut(PowerCutPolicy policy, SimulatedRandom& random) {
  for (const auto& [number, journal] : journals_) {
    size_t kept_count = 0;
    if (policy == PowerCutPolicy::kKeepAll) kept_count = journal.changes.size();
    if (policy == PowerCutPolicy::kRandom) kept_count = random.below(journal.changes.size() + 1);
    for (size_t i = 0; i < kept_count; ++i) make_durable(journal.changes[i]);
  }
  journals_.clear();
  for (auto& [inode, directory] : directories_) {
    directory.current = directory.durable;
    directory.journal = inode;
  }
  forget_unreachable();
}

void SimulatedTree::forget_unreachable() {
  link_counts_.clear();
  std::set<InodeId> reached{kRoot};
  std::vector<InodeId> to_visit{kRoot};
  while (!to_visit.empty()) {
    const InodeId directory = to_visit.back();
    to_visit.pop_back();
    for (const auto& [name, inode] : entries(directory)) {
      ++link_counts_[inode];
      if (is_directory(inode) && reached.insert(inode).second) to_visit.push_back(inode);
    }
  }
  std::erase_if(directories_, [&](const auto& item) { return reached.count(item.first) == 0; });
}

}  // namespace roxanne::storage
