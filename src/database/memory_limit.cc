#include "database/memory_limit.h"

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>

namespace roxanne::database {
namespace {

#ifdef __GLIBC__
std::atomic<bool> is_heap_kept_small{false};
#endif

// A number in a file of the system's; the largest one where there is none ("max", no such file).
uint64_t read_limit(const char* path) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return std::numeric_limits<uint64_t>::max();
  unsigned long long value = 0;
  const int fields = std::fscanf(file, "%llu", &value);
  std::fclose(file);
  return fields == 1 && value > 0 ? value : std::numeric_limits<uint64_t>::max();
}

}  // namespace

uint64_t memory_of_process() {
  const uint64_t physical =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min({physical, read_limit("/sys/fs/cgroup/memory.max"),
                   read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes")});
}

uint64_t resident_set_of_process() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long pages = 0;
  const int fields = std::fscanf(file, "%*u %llu", &pages);  // the first is the address space
  std::fclose(file);
  return fields == 1 ? pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

// A heap a thread and a threshold that grows with use keep some 15 MiB of a database of 100.
void keep_heap_small() {
#ifdef __GLIBC__
  is_heap_kept_small = true;
  constexpr int kHeaps = 2;
  constexpr int kMappedBytes = 1 << 17;  // larger blocks are the system's again once freed
  constexpr int kFreeBytes = 1 << 20;    // and what is free at a heap's end
  mallopt(M_ARENA_MAX, kHeaps);
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  mallopt(M_TRIM_THRESHOLD, kFreeBytes);
#endif
}

// Threads that share a heap wait for each other: searches for one that changes a graph at a low
// priority and was pushed aside.
void fit_heap([[maybe_unused]] uint64_t memory_limit_bytes) {
#ifdef __GLIBC__
  constexpr uint64_t kRoomyLimit = 512u << 20;
  constexpr int kHeaps = 8;
  if (is_heap_kept_small && memory_limit_bytes >= kRoomyLimit) mallopt(M_ARENA_MAX, kHeaps);
#endif
}

MemoryShares share_memory(uint64_t limit_bytes) {
  // The program's file, threads, free space in the heap, what RocksDB takes beside its blocks.
  constexpr uint64_t kOwnLeast = 16u << 20, kOwnWanted = 21u << 20, kOwnMost = 32u << 20;
  const uint64_t limit = std::max(limit_bytes, kMemoryLimitMin);
  const uint64_t own =
      std::max(std::clamp(limit / 3, kOwnLeast, kOwnWanted), std::min(limit / 6, kOwnMost));
  const uint64_t store = std::clamp<uint64_t>(limit / 16, 4u << 20, 128u << 20);
  return {store, limit - own - store};
}

}  // namespace roxanne::database
