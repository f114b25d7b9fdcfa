// The names of a simulated file system: which are on disk, and what was changed since a sync.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roxanne/status.h"
#include "storage/power_cut.h"

namespace roxanne::storage {

using InodeId = uint64_t;

// Each directory has a journal of changes since its last sync; a power cut keeps a beginning of it,
// as a journaling file system does. A rename between two directories is one change in both: their
// journals become one until either directory is synced, which then makes both durable.
// Not safe for use from several threads: SimulatedFileSystem's mutex guards it.
class SimulatedTree {
 public:
  using Entries = std::map<std::string, InodeId>;
  struct Place {
    InodeId directory = 0;
    std::string name;
  };
  struct PathOf {
    std::string path;
    InodeId inode = 0;
  };

  SimulatedTree();

  // Empty and "." components are skipped and ".." is a name like others; "a/b" is "/a/b".
  Result<InodeId> find(const std::string& path) const;
  // Where the path's last component is or would be. Its directory must exist.
  Result<Place> place(const std::string& path) const;
  std::optional<InodeId> at(const Place& place) const;
  bool is_directory(InodeId inode) const { return directories_.count(inode) != 0; }
  const Entries& entries(InodeId directory) const { return directories_.at(directory).current; }
  uint64_t link_count(InodeId inode) const;
  std::vector<PathOf> files() const;  // in order of path

  InodeId add_file(const Place& place);
  InodeId add_directory(const Place& place);
  void add_link(const Place& place, InodeId inode);
  void remove(const Place& place);
  void move(const Place& from, const Place& to);  // replaces `to`
  void sync(InodeId directory);
  void power_cut(PowerCutPolicy policy, SimulatedRandom& random);

 private:
  struct Entry {
    Place place;
    std::optional<InodeId> inode;  // none: the name goes
  };
  using Change = std::vector<Entry>;  // takes effect together
  struct Directory {
    Entries durable;
    Entries current;
    uint64_t journal = 0;
  };
  struct Journal {
    std::vector<uint64_t> order;  // of each change among all, to merge two journals
    std::vector<Change> changes;
  };

  void add_change(uint64_t journal, Change change);
  void apply_to_current(const Entry& entry);
  void make_durable(const Change& change);
  uint64_t merge_journals(uint64_t one, uint64_t other);
  void collect_files(InodeId directory, const std::string& path, std::vector<PathOf>& out) const;
  void forget_unreachable();

  std::map<InodeId, Directory> directories_;
  std::map<uint64_t, Journal> journals_;
  std::map<InodeId, uint64_t> link_counts_;
  InodeId next_inode_;
  uint64_t next_order_ = 0;
};

}  // namespace roxanne::storage
