// How much memory this process may use, and how a database divides its limit.
#pragma once

#include <cstdint>

namespace roxanne::database {

inline constexpr uint64_t kMemoryLimitMin = 32u << 20;

// The smaller of the machine's memory and the cgroup's limit.
uint64_t memory_of_process();
// What of it is in physical memory now; 0 where the system does not tell.
uint64_t resident_set_of_process();
// Of the whole process: memory that was freed goes back to the system.
void keep_heap_small();
// Where that was asked for: more heaps if this memory limit has room for what lies free in them.
void fit_heap(uint64_t memory_limit_bytes);

struct MemoryShares {
  uint64_t store_bytes;    // RocksDB: write buffers and block cache
  uint64_t vectors_bytes;  // vectors kept in memory
};
// What is left over is for the program itself, batches under way and search buffers.
MemoryShares share_memory(uint64_t limit_bytes);

}  // namespace roxanne::database
