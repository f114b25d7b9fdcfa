#include "eval/hdf5_child.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <vector>

#include "base/status_macros.h"

namespace roxanne::eval {
namespace {

// What libhdf5 may take beyond what the process had: the chunk cache and as much again.
constexpr uint64_t kChildMemoryBytes = 1ull << 30;
// Processor time until the next block of rows, not time waited for a disk or for the reader.
constexpr rlim_t kChildSecondsWithoutProgress = 10;
constexpr int kFirstFreeDescriptor = 3;

// The parent's handlers know the parent's state only.
void reset_signals() {
  for (int number = 1; number < NSIG; number++) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Descriptors of the parent must not live on here: locks are held while any copy is open.
int keep_only(int pipe) {
  if (dup2(pipe, kFirstFreeDescriptor) < 0) _exit(1);
  close_range(kFirstFreeDescriptor + 1, ~0u, 0);
  return kFirstFreeDescriptor;
}

void set_limit(__rlimit_resource_t resource, rlim_t wanted) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(resource, &limit);
}

void limit_memory() {
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return;
  unsigned long long pages = 0;
  const bool found = std::fscanf(file, "%llu", &pages) == 1;
  std::fclose(file);
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (found) set_limit(RLIMIT_AS, pages * page_bytes + kChildMemoryBytes);
}

// SIGXCPU ends a child that works on without progress.
void renew_time() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return;
  const auto used = static_cast<rlim_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
  set_limit(RLIMIT_CPU, used + kChildSecondsWithoutProgress);
}

void send_bytes(int pipe, const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t count = ::write(pipe, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) _exit(1);  // nobody listens any more
    at += count;
    size -= static_cast<size_t>(count);
  }
}

void send_frame(int pipe, uint32_t kind, std::span<const std::byte> bytes) {
  const Hdf5Frame frame{kind, static_cast<uint32_t>(bytes.size())};
  send_bytes(pipe, &frame, sizeof frame);
  send_bytes(pipe, bytes.data(), bytes.size());
}

Status send_rows(const Hdf5Request& request, int pipe) {
  ROX_ASSIGN_OR_RETURN(const Hdf5Dataset dataset,
                       Hdf5Dataset::open(request.path, request.dataset, request.kind));
  const Hdf5Shape& shape = dataset.shape();
  send_frame(pipe, Hdf5Frame::kShape, std::as_bytes(std::span(&shape, 1)));
  const uint64_t block_rows = std::max<uint64_t>(1, kHdf5BlockBytes / shape.row_bytes);
  std::vector<std::byte> block;
  for (uint64_t row = 0; row < shape.rows; row += block_rows) {
    block.resize(std::min(block_rows, shape.rows - row) * shape.row_bytes);
    renew_time();
    ROX_RETURN_IF_ERROR(dataset.read(row, block));
    send_frame(pipe, Hdf5Frame::kRows, block);
  }
  return Status::ok();
}

}  // namespace

void serve_hdf5_rows(const Hdf5Request& request, int pipe) {
  reset_signals();
  pipe = keep_only(pipe);
  set_limit(RLIMIT_CORE, 0);
  limit_memory();
  renew_time();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const Status status = send_rows(request, pipe);
  if (!status.is_ok()) {
    const std::string message = status.message().substr(0, kHdf5MessageBytesMax);
    const bool is_missing = status.code() == StatusCode::kNotFound;
    send_frame(pipe, is_missing ? Hdf5Frame::kNotFound : Hdf5Frame::kInvalidArgument,
               std::as_bytes(std::span(message)));
  }
  _exit(0);
}

}  // namespace roxanne::eval
