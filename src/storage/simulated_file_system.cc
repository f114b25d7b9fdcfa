#include "storage/simulated_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "storage/simulated_file.h"

namespace roxanne::storage {
namespace {

constexpr uint64_t kFirstSecond = 1'700'000'000;  // the clock is simulated as well
constexpr uint64_t kUnlimitedBytes = std::numeric_limits<uint64_t>::max() / 2;

bool changes_something(Operation operation) {
  return operation != Operation::kOpen && operation != Operation::kRead;
}

Status power_cut_error(const std::string& doing) {
  return Status::io_error(doing + ": simulated power cut");
}

bool is_inside(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.compare(0, directory.size(), directory) == 0 &&
         path[directory.size()] == '/';
}

}  // namespace

const char* SimulatedFileSystem::name_of(Operation operation) {
  switch (operation) {
    case Operation::kOpen:
      return "open";
    case Operation::kRead:
      return "read";
    case Operation::kCreate:
      return "create";
    case Operation::kWrite:
      return "write";
    case Operation::kSync:
      return "sync";
    case Operation::kTruncate:
      return "truncate";
    case Operation::kAllocate:
      return "allocate";
    case Operation::kPunchHole:
      return "punch hole";
    case Operation::kRemove:
      return "remove";
    case Operation::kRename:
      return "rename";
    case Operation::kLink:
      return "link";
    case Operation::kClone:
      return "clone";
    case Operation::kCreateDirectory:
      return "create directory";
    case Operation::kRemoveDirectory:
      return "remove directory";
    case Operation::kSyncDirectory:
      return "sync directory";
  }
  return "do";
}

SimulatedFileSystem::SimulatedFileSystem(uint64_t seed)
    : random_(seed), capacity_bytes_(kUnlimitedBytes) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

Status SimulatedFileSystem::check_power(const std::string& doing) const {
  return has_crashed_ ? power_cut_error(doing) : Status::ok();
}

Status SimulatedFileSystem::strike(Operation operation, const std::string& path) {
  for (auto armed = faults_.begin(); armed != faults_.end(); ++armed) {
    const Fault& fault = armed->fault;
    if (fault.operation != operation) continue;
    if (path.find(fault.path_contains) == std::string::npos) continue;
    if (armed->remaining > 1) {
      --armed->remaining;
      continue;
    }
    Status status(fault.code, std::string(name_of(operation)) + " " + path + ": injected fault");
    if (!fault.sticky) faults_.erase(armed);
    return status;
  }
  return Status::ok();
}

SimulatedFileSystem::Admission SimulatedFileSystem::admit(Operation operation,
                                                          const std::string& path) {
  const std::string doing = std::string(name_of(operation)) + " " + path;
  if (changes_something(operation)) ++operation_count_;
  if (has_crashed_) return {Verdict::kFail, power_cut_error(doing)};
  if (changes_something(operation) && operations_until_crash_ > 0) {
    has_crashed_ = --operations_until_crash_ == 0;
    if (has_crashed_) return {Verdict::kCutShort, power_cut_error(doing)};
  }
  Status fault = strike(operation, path);
  if (!fault.is_ok()) return {Verdict::kFail, std::move(fault)};
  return {};
}

uint64_t SimulatedFileSystem::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [inode, file] : inodes_) {
    if (tree_.link_count(inode) > 0) used += file.content.allocated_bytes();
  }
  return used;
}

Status SimulatedFileSystem::check_space(const SimulatedContent& content, uint64_t offset,
                                        uint64_t length, const std::string& doing) const {
  if (capacity_bytes_ == kUnlimitedBytes) return Status::ok();
  const uint64_t missing = content.missing_bytes(offset, length);
  if (missing == 0 || used_bytes() + missing <= capacity_bytes_) return Status::ok();
  return Status::disk_full(doing + " at " + std::to_string(offset) + ": simulated disk is full");
}

uint64_t SimulatedFileSystem::now_seconds() const { return kFirstSecond + operation_count_; }

Result<InodeId> SimulatedFileSystem::find_file(const std::string& path) const {
  ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
  if (tree_.is_directory(inode)) return Status::io_error(path + ": is a directory");
  return inode;
}

Status SimulatedFileSystem::make_file(const std::string& path) {
  ROX_ASSIGN_OR_RETURN(const SimulatedTree::Place place, tree_.place(path));
  const InodeId inode = tree_.add_file(place);
  inodes_[inode].modified_seconds = now_seconds();
  return Status::ok();
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const bool may_make = mode == OpenMode::kReadWrite || mode == OpenMode::kCreate;
  const bool is_there = tree_.find(path).is_ok();
  if (may_make && (!is_there || mode == OpenMode::kCreate)) {
    ROX_RETURN_IF_ERROR(change(Operation::kCreate, path, [&]() -> Status {
      if (!is_there) return make_file(path);
      ROX_ASSIGN_OR_RETURN(const InodeId inode, find_file(path));
      inodes_[inode].content.truncate(0);
      return Status::ok();
    }));
  } else {
    const Admission admission = admit(Operation::kOpen, path);
    if (admission.verdict != Verdict::kProceed) return admission.status;
  }
  const Result<InodeId> inode = find_file(path);
  if (!inode.is_ok()) return inode.status().with_context("open");
  return std::unique_ptr<File>(
      std::make_unique<SimulatedFile>(*this, *inode, power_cycles_, path, mode));
}

Result<bool> SimulatedFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("stat " + path));
  return tree_.find(path).is_ok();
}

Result<bool> SimulatedFileSystem::is_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("stat " + path));
  const Result<InodeId> inode = tree_.find(path);
  return inode.is_ok() && tree_.is_directory(*inode);
}

Result<std::vector<std::string>> SimulatedFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("list " + path));
  ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
  if (!tree_.is_directory(inode)) return Status::io_error("list " + path + ": not a directory");
  std::vector<std::string> names;
  for (const auto& [name, ignored] : tree_.entries(inode)) names.push_back(name);
  return names;
}

Result<uint64_t> SimulatedFileSystem::file_size(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("stat " + path));
  ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
  return tree_.is_directory(inode) ? SimulatedContent::kPageBytes : inodes_[inode].content.size();
}

Result<uint64_t> SimulatedFileSystem::modified_seconds(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("stat " + path));
  ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
  return tree_.is_directory(inode) ? kFirstSecond : inodes_[inode].modified_seconds;
}

Result<uint64_t> SimulatedFileSystem::free_bytes(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ROX_RETURN_IF_ERROR(check_power("stat file system of " + path));
  ROX_RETURN_IF_ERROR(tree_.find(path).status());
  const uint64_t used = used_bytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

Status SimulatedFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kRemove, path, [&]() -> Status {
    ROX_RETURN_IF_ERROR(find_file(path).status());
    tree_.remove(*tree_.place(path));
    return Status::ok();
  });
}

Status SimulatedFileSystem::check_rename(const std::string& from, const std::string& to) const {
  ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(from));
  ROX_RETURN_IF_ERROR(tree_.place(from).status());
  ROX_RETURN_IF_ERROR(tree_.place(to).status());
  const bool moves_directory = tree_.is_directory(inode);
  if (moves_directory && is_inside(to, from)) {
    return Status::io_error(to + ": lies inside the renamed directory");
  }
  const Result<InodeId> replaced = tree_.find(to);
  if (!replaced.is_ok()) return Status::ok();
  const bool replaces_directory = tree_.is_directory(*replaced);
  if (moves_directory != replaces_directory) {
    return Status::io_error(to + (replaces_directory ? ": is a directory" : ": not a directory"));
  }
  if (replaces_directory && !tree_.entries(*replaced).empty()) {
    return Status::io_error(to + ": directory not empty");
  }
  return Status::ok();
}

Status SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kRename, from, [&]() -> Status {
    ROX_RETURN_IF_ERROR(check_rename(from, to));
    // Two names of one file: rename(2) then does nothing.
    const Result<InodeId> replaced = tree_.find(to);
    if (replaced.is_ok() && *replaced == *tree_.find(from)) return Status::ok();
    tree_.move(*tree_.place(from), *tree_.place(to));
    return Status::ok();
  });
}

Status SimulatedFileSystem::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kLink, from, [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(const InodeId inode, find_file(from));
    ROX_ASSIGN_OR_RETURN(const SimulatedTree::Place place, tree_.place(to));
    if (tree_.at(place).has_value()) return Status::already_exists(to + ": is there already");
    tree_.add_link(place, inode);
    return Status::ok();
  });
}

Result<bool> SimulatedFileSystem::clone_file(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (!can_clone_) return false;
  const Status cloned = change(Operation::kClone, to, [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(const InodeId source, find_file(from));
    if (tree_.find(to).is_ok()) return Status::already_exists(to + ": is there already");
    std::vector<std::byte> bytes(inodes_[source].content.size());
    inodes_[source].content.read(0, bytes);
    ROX_RETURN_IF_ERROR(check_space(SimulatedContent(), 0, bytes.size(), to));
    ROX_RETURN_IF_ERROR(make_file(to));
    ROX_ASSIGN_OR_RETURN(const InodeId copy, find_file(to));
    inodes_[copy].content.write(0, bytes);
    return Status::ok();
  });
  ROX_RETURN_IF_ERROR(cloned);
  return true;
}

Status SimulatedFileSystem::create_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kCreateDirectory, path, [&]() -> Status {
    const Result<InodeId> inode = tree_.find(path);
    if (inode.is_ok() && tree_.is_directory(*inode)) return Status::ok();
    if (inode.is_ok()) return Status::already_exists(path + ": is there already, as a file");
    ROX_ASSIGN_OR_RETURN(const SimulatedTree::Place place, tree_.place(path));
    tree_.add_directory(place);
    return Status::ok();
  });
}

Status SimulatedFileSystem::remove_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kRemoveDirectory, path, [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(const SimulatedTree::Place place, tree_.place(path));
    ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
    if (!tree_.is_directory(inode)) return Status::io_error(path + ": not a directory");
    if (!tree_.entries(inode).empty()) return Status::io_error(path + ": directory not empty");
    tree_.remove(place);
    return Status::ok();
  });
}

Status SimulatedFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return change(Operation::kSyncDirectory, path, [&]() -> Status {
    ROX_ASSIGN_OR_RETURN(const InodeId inode, tree_.find(path));
    if (!tree_.is_directory(inode)) return Status::io_error(path + ": not a directory");
    tree_.sync(inode);
    return Status::ok();
  });
}

Result<bool> SimulatedFileSystem::is_locked(const std::string& path) {
  const std::lock_guard guard(mutex_);
  ROX_RETURN_IF_ERROR(check_power("look at lock " + path));
  const Result<InodeId> inode = find_file(path);
  if (!inode.is_ok()) return false;
  const auto holders = locks_.find(*inode);
  return holders != locks_.end() && (holders->second.exclusive || holders->second.shared > 0);
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::lock(const std::string& path,
                                                            LockMode mode) {
  const std::lock_guard guard(mutex_);
  ROX_RETURN_IF_ERROR(check_power("lock " + path));
  const bool exclusive = mode == LockMode::kExclusive;
  if (exclusive && !tree_.find(path).is_ok()) {
    ROX_RETURN_IF_ERROR(change(Operation::kCreate, path, [&] { return make_file(path); }));
  }
  ROX_ASSIGN_OR_RETURN(const InodeId inode, find_file(path));
  Holders& holders = locks_[inode];
  if (holders.exclusive || (exclusive && holders.shared > 0)) {
    const std::string holder =
        holders.exclusive ? "process " + std::to_string(::getpid()) : "another process";
    return Status::locked("database is in use by " + holder + " (lock file " + path + ")");
  }
  if (exclusive) {
    holders.exclusive = true;
    const std::string pid = std::to_string(::getpid()) + "\n";
    inodes_[inode].content.truncate(0);
    inodes_[inode].content.write(0, std::as_bytes(std::span(pid)));
  } else {
    ++holders.shared;
  }
  return std::unique_ptr<FileLock>(
      std::make_unique<SimulatedFileLock>(*this, inode, power_cycles_, mode));
}

uint64_t SimulatedFileSystem::operation_count() const {
  const std::lock_guard lock(mutex_);
  return operation_count_;
}

void SimulatedFileSystem::set_crash_at(uint64_t n) {
  const std::lock_guard lock(mutex_);
  operations_until_crash_ = n;
}

bool SimulatedFileSystem::has_crashed() const {
  const std::lock_guard lock(mutex_);
  return has_crashed_;
}

void SimulatedFileSystem::power_cycle(uint64_t seed, PowerCutPolicy policy) {
  const std::lock_guard lock(mutex_);
  SimulatedRandom random(seed);
  tree_.power_cut(policy, random);
  std::erase_if(inodes_, [&](const auto& item) { return tree_.link_count(item.first) == 0; });
  for (auto& [inode, file] : inodes_) file.content.power_cut(policy, random);
  locks_.clear();
  ++power_cycles_;
  operations_until_crash_ = 0;
  has_crashed_ = false;
}

void SimulatedFileSystem::inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  const uint64_t remaining = fault.occurrence;
  faults_.push_back({std::move(fault), remaining});
}

void SimulatedFileSystem::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void SimulatedFileSystem::set_capacity_bytes(uint64_t capacity) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = std::min(capacity, kUnlimitedBytes);
}

void SimulatedFileSystem::set_can_clone(bool can_clone) {
  const std::lock_guard lock(mutex_);
  can_clone_ = can_clone;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::clone() const {
  const std::lock_guard lock(mutex_);
  auto copy = std::make_unique<SimulatedFileSystem>();
  copy->tree_ = tree_;
  copy->inodes_ = inodes_;
  copy->random_ = random_;
  copy->capacity_bytes_ = capacity_bytes_;
  copy->can_clone_ = can_clone_;
  copy->operation_count_ = operation_count_;
  copy->operations_until_crash_ = operations_until_crash_;
  copy->has_crashed_ = has_crashed_;
  return copy;
}

std::vector<SimulatedFileSystem::FileInfo> SimulatedFileSystem::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<FileInfo> result;
  for (const auto& [path, inode] : tree_.files()) {
    result.push_back({path, inodes_.at(inode).content.size()});
  }
  return result;
}

Result<std::string> SimulatedFileSystem::read_file(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  ROX_ASSIGN_OR_RETURN(const InodeId inode, find_file(path));
  const SimulatedContent& content = inodes_.at(inode).content;
  std::string text(content.size(), '\0');
  content.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

Status SimulatedFileSystem::flip_byte(const std::string& path, uint64_t offset, std::byte mask) {
  const std::lock_guard lock(mutex_);
  ROX_ASSIGN_OR_RETURN(const InodeId inode, find_file(path));
  SimulatedContent& content = inodes_.at(inode).content;
  if (offset >= content.size()) {
    return Status::invalid_argument(path + ": ends before offset " + std::to_string(offset));
  }
  content.flip(offset, mask);
  return Status::ok();
}

}  // namespace roxanne::storage
