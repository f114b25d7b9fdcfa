#include "bench/update/footprint.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

namespace roxanne::bench {
namespace {

constexpr std::chrono::milliseconds kLookEvery{20};
constexpr uint64_t kStatBlockBytes = 512;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string kind_of(const std::filesystem::path& path) {
  const std::string name = path.filename();
  if (path.parent_path().filename() == "kv") return "store";
  if (name == "vectors.dat") return "vectors";
  if (!name.starts_with("graph-")) return "other";
  if (path.extension() == ".pages") return "graph pages";
  if (name.find(".codes") != std::string::npos) return "graph codes";  // and their logs
  return path.extension() == ".dat" ? "graph resident" : "other";
}

void raise(std::atomic<uint64_t>& peak, uint64_t value) {
  uint64_t seen = peak;
  while (value > seen && !peak.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

WrittenBytes written_bytes() {
  WrittenBytes bytes;
  std::ifstream file("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") bytes.to_disk = value;
    if (name == "wchar:") bytes.by_calls = value;
  }
  return bytes;
}

double process_cpu_seconds() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }
double thread_cpu_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

std::map<std::string, uint64_t> disk_bytes(const std::string& folder) {
  std::map<std::string, uint64_t> bytes;
  // Files come and go meanwhile.
  std::error_code ignored;
  for (auto it = std::filesystem::recursive_directory_iterator(folder, ignored);
       it != std::filesystem::recursive_directory_iterator(); it.increment(ignored)) {
    struct stat status {};
    if (::stat(it->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    bytes[kind_of(it->path())] += static_cast<uint64_t>(status.st_blocks) * kStatBlockBytes;
  }
  return bytes;
}

std::map<std::string, uint64_t> disk_bytes_at_rest(const std::string& folder, double seconds_max) {
  constexpr double kSameSeconds = 6;
  constexpr std::chrono::milliseconds kPoll{500};
  double waited = 0;
  double same = 0;
  auto bytes = disk_bytes(folder);
  while (same < kSameSeconds && waited < seconds_max) {
    std::this_thread::sleep_for(kPoll);
    const double poll = std::chrono::duration<double>(kPoll).count();
    waited += poll;
    auto now = disk_bytes(folder);
    same = now == bytes ? same + poll : 0;
    bytes = std::move(now);
  }
  return bytes;
}

MemoryWatch::MemoryWatch() : own_(resident().anonymous) {}

void MemoryWatch::start() {
  thread_ = std::thread([this] {
    while (!stops_) {
      look();
      std::this_thread::sleep_for(kLookEvery);
    }
  });
}

MemoryWatch::~MemoryWatch() {
  stops_ = true;
  if (thread_.joinable()) thread_.join();
}

void MemoryWatch::reset() {
  resident_peak_ = 0;
  anonymous_peak_ = 0;
  look();
}

MemoryWatch::Resident MemoryWatch::resident() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  uint64_t shared = 0;
  if (!(file >> total >> resident >> shared)) return {};
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return {resident * page_bytes, (resident - shared) * page_bytes};
}

void MemoryWatch::look() {
  const Resident now = resident();
  raise(resident_peak_, now.all - std::min(now.all, own_));
  raise(anonymous_peak_, now.anonymous - std::min(now.anonymous, own_));
}

}  // namespace roxanne::bench
