// What the process and its database take of the machine: bytes written, memory, disk, processor.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

namespace roxanne::bench {

struct WrittenBytes {
  uint64_t to_disk = 0;   // write_bytes: pages that were made dirty, or written past the cache
  uint64_t by_calls = 0;  // wchar: what write calls were given
};
WrittenBytes written_bytes();  // by this process so far

double process_cpu_seconds();
double thread_cpu_seconds();

// Allocated bytes by kind of file: "store", "vectors", "graph pages", "graph codes", "graph
// resident", "other".
std::map<std::string, uint64_t> disk_bytes(const std::string& folder);
// ... when they have not changed for some seconds: the background tidies where writes pause.
std::map<std::string, uint64_t> disk_bytes_at_rest(const std::string& folder, double seconds_max);

// The greatest resident set since the last reset, seen every few milliseconds; without the memory
// that the process had when this was made: that is the benchmark's, for its lists of rows.
class MemoryWatch {
 public:
  MemoryWatch();
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // Once the database is open: it sets up the heap for the threads to come.
  void start();
  void reset();
  uint64_t resident_peak() const { return resident_peak_; }
  uint64_t anonymous_peak() const { return anonymous_peak_; }  // without pages of files

 private:
  void look();
  struct Resident {
    uint64_t all = 0;
    uint64_t anonymous = 0;
  };
  static Resident resident();

  std::atomic<bool> stops_{false};
  uint64_t own_ = 0;
  std::atomic<uint64_t> resident_peak_{0};
  std::atomic<uint64_t> anonymous_peak_{0};
  std::thread thread_;
};

}  // namespace roxanne::bench
