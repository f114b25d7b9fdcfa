// disk_probe: how many random reads a second a disk gives AsyncReader past the page cache.
//
//   disk_probe FILE [--page-bytes N] [--depth N] [--threads N] [--seconds S] [--make-gib N]
//              [--writes PERCENT] [--ring maker|any] [--plain-buffers] [--json]
//
// FILE should be so large that it is the disk that is measured, not a cache of the disk's: where
// there is none, one of --make-gib GiB (4) of random bytes is made and kept. Each thread keeps
// `depth` reads in flight and, as a search does, takes all that are done, then submits as many.
// `cpu us` is what all threads spend of their processors for one read.
//
// With --writes so many of a hundred requests are writes of random pages of FILE.writes, a second
// file as long, by a thread of their own and as the page store does them: what a disk gives who
// changes a graph. IOPS are of both kinds then, the rest is of reads.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/split_mix.h"
#include "base/status_macros.h"
#include "storage/async_reader.h"
#include "storage/file_system.h"
#include "storage/scattered_writer.h"

namespace roxanne::bench {
namespace {

using storage::AsyncReader;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr size_t kWriteBytes = size_t{4} << 20;

struct Options {
  std::string path;
  size_t page_bytes = base::kPageBytes;
  std::vector<size_t> depths = {1, 8, 32, 64, 128};
  std::vector<size_t> thread_counts = {1, 2};
  double seconds = 3;
  uint64_t make_gib = 4;
  double write_share = 0;  // of all requests
  bool stays_on_thread = true;
  bool registers_buffers = true;
  bool is_json = false;
};

Status make_file(const std::string& path, uint64_t gib) {
  std::fprintf(stderr, "writing %s, %llu GiB\n", path.c_str(),
               static_cast<unsigned long long>(gib));
  ROX_ASSIGN_OR_RETURN(const std::unique_ptr<storage::File> file,
                       storage::posix_file_system().open(path, storage::OpenMode::kCreate));
  base::AlignedBuffer buffer(kWriteBytes);
  base::SplitMix64 random(1);
  for (uint64_t offset = 0; offset < gib * kGib; offset += kWriteBytes) {
    auto* words = reinterpret_cast<uint64_t*>(buffer.data());
    for (size_t i = 0; i < kWriteBytes / sizeof(uint64_t); ++i) words[i] = random.next();
    ROX_RETURN_IF_ERROR(file->write(offset, buffer.span()));
  }
  return file->sync();
}

double thread_cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Load {
  const storage::File* file;
  uint64_t page_count;
  size_t depth;
  uint64_t seed;
  std::atomic<uint64_t>* reads_done;
};

struct Measured {
  uint64_t reads = 0;
  double wait_seconds = 0;  // of all reads together
  double cpu_seconds = 0;
  const char* reader = "";
  bool has_registered = false;
};

// Reads until `stop`, on the calling thread.
Result<Measured> read_pages(const Options& options, const Load& load,
                            const std::atomic<bool>& stop) {
  base::AlignedBuffer arena(load.depth * options.page_bytes);
  const std::unique_ptr<AsyncReader> reader =
      storage::make_async_reader({.depth = load.depth, .stays_on_thread = options.stays_on_thread});
  Measured measured;
  measured.reader = reader->name();
  measured.has_registered = options.registers_buffers && reader->register_buffers(arena.span());
  base::SplitMix64 random(load.seed);
  std::vector<Clock::time_point> starts(load.depth);
  const auto submit = [&](uint64_t place) {
    const std::span<std::byte> out =
        arena.span().subspan(place * options.page_bytes, options.page_bytes);
    return reader->submit(*load.file, random.next() % load.page_count * options.page_bytes, out,
                          place);
  };
  const double cpu_start = thread_cpu_seconds();
  Clock::time_point now = Clock::now();
  for (size_t place = 0; place < load.depth; ++place) {
    starts[place] = now;
    ROX_RETURN_IF_ERROR(submit(place));
  }
  std::vector<AsyncReader::Completion> done(load.depth);
  while (!stop.load(std::memory_order_relaxed)) {
    ROX_ASSIGN_OR_RETURN(const size_t count, reader->wait_some(done));
    now = Clock::now();
    for (size_t i = 0; i < count; ++i) {
      ROX_RETURN_IF_ERROR(done[i].status);
      const auto place = static_cast<size_t>(done[i].tag);
      measured.wait_seconds += std::chrono::duration<double>(now - starts[place]).count();
      starts[place] = now;
      ROX_RETURN_IF_ERROR(submit(place));
    }
    measured.reads += count;
    load.reads_done->fetch_add(count, std::memory_order_relaxed);
  }
  measured.cpu_seconds = thread_cpu_seconds() - cpu_start;
  return measured;
}

// Writes pages as reads go on, until `stop`, and returns how many.
Result<uint64_t> write_pages(const Options& options, storage::File& file,
                             const std::atomic<uint64_t>& reads_done,
                             const std::atomic<bool>& stop) {
  constexpr size_t kTogether = 64;  // a piece of changes writes about as many
  constexpr std::chrono::microseconds kPause{50};
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file.size());
  const uint64_t page_count = std::max<uint64_t>(1, bytes / options.page_bytes);
  const double per_read = options.write_share / (1 - options.write_share);
  const base::AlignedBuffer page(options.page_bytes);
  base::SplitMix64 random(1);
  storage::ScatteredWriter writer;
  std::array<storage::ScatteredWriter::Piece, kTogether> pieces;
  uint64_t written = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    if (static_cast<double>(written + kTogether) > per_read * static_cast<double>(reads_done)) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    for (auto& piece : pieces) {
      piece = {random.next() % page_count * options.page_bytes, page.span()};
    }
    ROX_RETURN_IF_ERROR(writer.write(file, pieces));
    written += kTogether;
  }
  return written;
}

struct Row {
  size_t threads, depth;
  double iops, latency_us, cpu_us;
  const char* reader;
  bool has_registered;
};

Result<Row> measure(const Options& options, size_t thread_count, Load load,
                    storage::File* written_file) {
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> reads_done = 0;
  load.reads_done = &reads_done;
  Result<uint64_t> written = uint64_t{0};
  std::vector<Result<Measured>> results(thread_count, Measured{});
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  std::random_device seeds;  // other pages than before, which a cache below may still hold
  for (size_t t = 0; t < thread_count; ++t) {
    load.seed = uint64_t{seeds()} << 32 | seeds();
    threads.emplace_back([&, t, load] { results[t] = read_pages(options, load, stop); });
  }
  if (written_file != nullptr) {
    threads.emplace_back([&] { written = write_pages(options, *written_file, reads_done, stop); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Measured all;
  for (const Result<Measured>& result : results) {
    ROX_RETURN_IF_ERROR(result.status());
    all.reads += result->reads;
    all.wait_seconds += result->wait_seconds;
    all.cpu_seconds += result->cpu_seconds;
    all.reader = result->reader;
    all.has_registered = result->has_registered;
  }
  ROX_RETURN_IF_ERROR(written.status());
  const auto reads = static_cast<double>(all.reads);
  return Row{thread_count,
             load.depth,
             (reads + static_cast<double>(*written)) / seconds,
             all.wait_seconds / reads * 1e6,
             all.cpu_seconds / reads * 1e6,
             all.reader,
             all.has_registered};
}

void print(const Row& row, const Options& options) {
  if (options.is_json) {
    std::printf(
        "{\"page_bytes\":%zu,\"threads\":%zu,\"depth\":%zu,\"iops\":%.0f,"
        "\"write_share\":%.3f,\"latency_us\":%.1f,\"cpu_us\":%.2f,\"reader\":\"%s\","
        "\"stays_on_thread\":%s,\"registered_buffers\":%s}\n",
        options.page_bytes, row.threads, row.depth, row.iops, options.write_share, row.latency_us,
        row.cpu_us, row.reader, options.stays_on_thread ? "true" : "false",
        row.has_registered ? "true" : "false");
  } else {
    std::printf("| %5zu | %7zu | %5zu | %8.0f | %7.1f | %6.1f | %6.2f |\n", options.page_bytes,
                row.threads, row.depth, row.iops,
                row.iops * static_cast<double>(options.page_bytes) / 1e6, row.latency_us,
                row.cpu_us);
  }
  std::fflush(stdout);
}

Status probe(const Options& options) {
  storage::FileSystem& files = storage::posix_file_system();
  ROX_ASSIGN_OR_RETURN(const bool exists, files.exists(options.path));
  if (!exists) ROX_RETURN_IF_ERROR(make_file(options.path, options.make_gib));
  ROX_ASSIGN_OR_RETURN(const std::unique_ptr<storage::File> file,
                       files.open(options.path, storage::OpenMode::kReadDirect));
  ROX_ASSIGN_OR_RETURN(const uint64_t bytes, file->size());
  const uint64_t page_count = bytes / options.page_bytes;
  if (page_count == 0) return Status::invalid_argument(options.path + ": less than a page");
  std::unique_ptr<storage::File> written_file;
  if (options.write_share > 0) {
    const std::string path = options.path + ".writes";
    ROX_ASSIGN_OR_RETURN(const bool is_there, files.exists(path));
    if (!is_there) ROX_RETURN_IF_ERROR(make_file(path, (bytes + kGib - 1) / kGib));
    ROX_ASSIGN_OR_RETURN(written_file, files.open(path, storage::OpenMode::kReadWriteDirect));
  }
  if (!options.is_json) {
    std::printf(
        "| bytes | threads | depth |     IOPS |    MB/s |     us | cpu us |\n"
        "|---|---|---|---|---|---|---|\n");
  }
  for (const size_t thread_count : options.thread_counts) {
    for (const size_t depth : options.depths) {
      const Load load{file.get(), page_count, depth, 0, nullptr};
      ROX_ASSIGN_OR_RETURN(const Row row, measure(options, thread_count, load, written_file.get()));
      print(row, options);
    }
  }
  return Status::ok();
}

int usage() {
  std::fprintf(stderr,
               "usage: disk_probe FILE [--page-bytes N] [--depth N] [--threads N] [--seconds S]\n"
               "                  [--make-gib N] [--writes PERCENT] [--ring maker|any]\n"
               "                  [--plain-buffers] [--json]\n");
  return 2;
}

// False where an option is not known or lacks its value.
bool parse(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--json") {
      options.is_json = true;
    } else if (argument == "--plain-buffers") {
      options.registers_buffers = false;
    } else if (!argument.starts_with("--")) {
      options.path = argument;
    } else {
      if (++i == count) return false;
      const std::string value = arguments[i];
      const double number = std::atof(value.c_str());
      if (argument == "--page-bytes") {
        options.page_bytes = static_cast<size_t>(number);
      } else if (argument == "--depth") {
        options.depths = {static_cast<size_t>(number)};
      } else if (argument == "--threads") {
        options.thread_counts = {static_cast<size_t>(number)};
      } else if (argument == "--seconds") {
        options.seconds = number;
      } else if (argument == "--make-gib") {
        options.make_gib = static_cast<uint64_t>(number);
      } else if (argument == "--writes") {
        options.write_share = number / 100;
      } else if (argument == "--ring" && (value == "maker" || value == "any")) {
        options.stays_on_thread = value == "maker";
      } else {
        return false;
      }
    }
  }
  return !options.path.empty() && options.page_bytes % base::kPageBytes == 0 &&
         options.page_bytes > 0 && options.seconds > 0 && options.depths.front() > 0 &&
         options.thread_counts.front() > 0 && options.make_gib > 0 && options.write_share >= 0 &&
         options.write_share < 1;
}

int run(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) return usage();
  const Status status = probe(options);
  if (!status.is_ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.is_ok() ? 0 : 1;
}

}  // namespace
}  // namespace roxanne::bench

int main(int count, char** arguments) { return roxanne::bench::run(count, arguments); }
