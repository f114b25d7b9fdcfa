#include "storage/async_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "storage/simulated_file_system.h"
#include "storage/test_descriptor_file.h"
#include "storage/test_directory.h"
#include "storage/uring_reader.h"

namespace roxanne::storage {
namespace {

// A file that has no descriptor, as the simulated file system's.
class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    const size_t begin = std::min<size_t>(offset, bytes_.size());
    const size_t count = std::min(out.size(), bytes_.size() - begin);
    std::memcpy(out.data(), bytes_.data() + begin, count);
    return count;
  }
  Status write(uint64_t, std::span<const std::byte>) override { return Status::ok(); }
  Status sync() override { return Status::ok(); }
  Status truncate(uint64_t) override { return Status::ok(); }
  Status allocate(uint64_t, uint64_t) override { return Status::ok(); }
  Status punch_hole(uint64_t, uint64_t) override { return Status::ok(); }
  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }
  Result<uint64_t> allocated_bytes() const override { return uint64_t{bytes_.size()}; }

 private:
  std::vector<std::byte> bytes_;
};

// A descriptor that reads fail on: open for writing only.
class UnreadableFile final : public DescriptorFile {
 public:
  explicit UnreadableFile(const std::string& path) : DescriptorFile(path, O_WRONLY) {}
  Result<size_t> read(uint64_t, std::span<std::byte>) const override {
    return Status::io_error("read /unreadable at 0: Bad file descriptor (EBADF)");
  }
};

std::vector<std::byte> random_bytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class AsyncReaders : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<AsyncReader> make(size_t depth) const {
    const std::string_view kind = GetParam();
    if (kind == "pread") return make_pread_reader({.depth = depth});
    return make_uring_reader({.depth = depth, .stays_on_thread = kind == "io_uring_on_thread"});
  }

  void SetUp() override {
    if (make(1) == nullptr) GTEST_SKIP() << "this system refuses rings";
    auto file = posix_file_system().open(path_, OpenMode::kCreate);
    ASSERT_TRUE(file.is_ok()) << file.status().to_string();
    ASSERT_TRUE((*file)->write(0, contents_).is_ok());
    file_ = *std::move(file);
  }

  TestDirectory directory_;
  const std::string path_ = directory_.path("data");
  const std::vector<std::byte> contents_ = random_bytes(1 << 20, 7);
  std::unique_ptr<File> file_;
};

// Threads that the kernel made for requests which would have had to wait.
size_t kernel_worker_count() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
    count += name.starts_with("iou-wrk");
  }
  return count;
}

// Where a file grows and shrinks all the time, whose lock reads want, too.
TEST_P(AsyncReaders, LeaveNoReadToThreadsOfTheKernel) {
  const auto direct = posix_file_system().open(path_, OpenMode::kReadWriteDirect);
  ASSERT_TRUE(direct.is_ok()) << direct.status().to_string();
  if (!(*direct)->is_direct()) GTEST_SKIP() << "this file system cannot read past the page cache";
  constexpr size_t kDepth = 8;
  constexpr size_t kPage = base::kPageBytes;
  base::AlignedBuffer buffers(kDepth * kPage);
  const iovec one = {buffers.data(), kPage};
  if (::preadv2((*direct)->descriptor(), &one, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
    GTEST_SKIP() << "this file system cannot refuse to wait";
  }
  const std::unique_ptr<AsyncReader> reader = make(kDepth);
  const size_t workers_before = kernel_worker_count();
  std::atomic<bool> is_done{false};
  std::thread other([&] {
    while (!is_done) {
      EXPECT_TRUE(file_->allocate(contents_.size(), 1 << 20).is_ok());
      EXPECT_TRUE(file_->truncate(contents_.size()).is_ok());
    }
  });
  std::mt19937 random(17);
  std::vector<uint64_t> offsets(kDepth);
  const auto submit = [&](size_t place) {
    offsets[place] = random() % (contents_.size() / kPage) * kPage;
    EXPECT_TRUE(reader->submit(**direct, offsets[place],
                               buffers.span().subspan(place * kPage, kPage), place));
  };
  for (size_t place = 0; place < kDepth; ++place) submit(place);
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok()) << completion.status().to_string();
    EXPECT_TRUE(completion->status.is_ok()) << completion->status.to_string();
    const size_t place = completion->tag;
    EXPECT_EQ(std::memcmp(buffers.data() + place * kPage, contents_.data() + offsets[place], kPage),
              0);
    submit(place);
  }
  EXPECT_EQ(kernel_worker_count(), workers_before);
  is_done = true;
  other.join();
}

// A file of a file system that cannot refuse to wait.
class UnrefusingFile final : public DescriptorFile {
 public:
  UnrefusingFile() : DescriptorFile("/proc/version", O_RDONLY) {}
  bool is_direct() const override { return true; }
  Result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    ++reads;
    return static_cast<size_t>(
        ::pread(descriptor(), out.data(), out.size(), static_cast<off_t>(offset)));
  }
  mutable int reads = 0;
};

TEST_P(AsyncReaders, AskForNoRefusalAgainWhereThereIsNone) {
  const UnrefusingFile file;
  std::vector<std::byte> expected(16), bytes(16);
  ASSERT_EQ(*file.read(0, expected), expected.size());
  const iovec one = {bytes.data(), bytes.size()};
  if (::preadv2(file.descriptor(), &one, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP) {
    GTEST_SKIP() << "this file system can refuse to wait";
  }
  file.reads = 0;
  const std::unique_ptr<AsyncReader> reader = make(1);
  for (int i = 0; i < 3; ++i) {
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
    ASSERT_TRUE(reader->submit(file, 0, bytes, 0).is_ok());
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok() && completion->status.is_ok());
    EXPECT_EQ(bytes, expected);
  }
  EXPECT_EQ(file.reads, std::string_view(GetParam()) == "pread" ? 3 : 1);
}

TEST_P(AsyncReaders, ReturnWhatPreadReturns) {
  constexpr size_t kDepth = 8;
  const std::unique_ptr<AsyncReader> reader = make(kDepth);
  EXPECT_TRUE(std::string_view(GetParam()).starts_with(reader->name()));
  std::mt19937 random(11);
  std::map<uint64_t, std::pair<uint64_t, std::vector<std::byte>>> reads;
  uint64_t next_tag = 0;
  for (int completed = 0; completed < 500; ++completed) {
    while (reader->in_flight() < kDepth) {
      auto& [offset, buffer] = reads[next_tag];
      offset = random() % contents_.size();
      buffer.resize(1 + random() % 9000);
      ASSERT_TRUE(reader->submit(*file_, offset, buffer, next_tag++).is_ok());
    }
    if (completed % 3 == 0) {
      ASSERT_TRUE(reader->start().is_ok());
    }
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok()) << completion.status().to_string();
    ASSERT_TRUE(completion->status.is_ok()) << completion->status.to_string();
    ASSERT_EQ(reads.count(completion->tag), 1u);
    const auto& [offset, buffer] = reads[completion->tag];
    std::vector<std::byte> expected(buffer.size());
    const ssize_t count =
        ::pread(file_->descriptor(), expected.data(), expected.size(), static_cast<off_t>(offset));
    ASSERT_EQ(completion->bytes_read, static_cast<size_t>(count));
    ASSERT_EQ(std::memcmp(buffer.data(), expected.data(), completion->bytes_read), 0);
    reads.erase(completion->tag);
  }
}

TEST_P(AsyncReaders, ReadPastThePageCacheUpToTheFilesEnd) {
  ASSERT_TRUE(file_->truncate(3 * 4096 + 100).is_ok());
  auto direct = posix_file_system().open(path_, OpenMode::kReadDirect);
  ASSERT_TRUE(direct.is_ok()) << direct.status().to_string();
  const std::unique_ptr<AsyncReader> reader = make(2);
  base::AlignedBuffer buffer(4 * base::kPageBytes);
  ASSERT_TRUE(reader->submit(**direct, 4096, buffer.span(), 1).is_ok());
  const auto completion = reader->wait();
  ASSERT_TRUE(completion.is_ok() && completion->status.is_ok());
  EXPECT_EQ(completion->bytes_read, 2u * 4096 + 100);
  EXPECT_EQ(std::memcmp(buffer.data(), contents_.data() + 4096, completion->bytes_read), 0);
}

TEST_P(AsyncReaders, ReadNothingBeyondTheEnd) {
  const std::unique_ptr<AsyncReader> reader = make(1);
  std::vector<std::byte> buffer(10);
  ASSERT_TRUE(reader->submit(*file_, contents_.size() + 5, buffer, 3).is_ok());
  const auto completion = reader->wait();
  ASSERT_TRUE(completion.is_ok() && completion->status.is_ok());
  EXPECT_EQ(completion->bytes_read, 0u);
  EXPECT_EQ(completion->tag, 3u);
  EXPECT_EQ(reader->in_flight(), 0u);
}

TEST_P(AsyncReaders, ReportAFailedReadWithTheFilesName) {
  const UnreadableFile unreadable(path_);
  const std::unique_ptr<AsyncReader> reader = make(2);
  std::vector<std::byte> buffer(10);
  ASSERT_TRUE(reader->submit(unreadable, 0, buffer, 5).is_ok());
  const auto completion = reader->wait();
  ASSERT_TRUE(completion.is_ok());
  EXPECT_EQ(completion->tag, 5u);
  EXPECT_EQ(completion->status.code(), StatusCode::kIoError);
  EXPECT_NE(completion->status.message().find("/unreadable"), std::string::npos);
}

TEST_P(AsyncReaders, ReadFilesWithoutADescriptor) {
  const MemoryFile memory(contents_);
  const std::unique_ptr<AsyncReader> reader = make(2);
  std::vector<std::byte> one(1000);
  std::vector<std::byte> two(1000);
  ASSERT_TRUE(reader->submit(memory, 17, one, 1).is_ok());
  ASSERT_TRUE(reader->submit(*file_, 17, two, 2).is_ok());
  EXPECT_EQ(reader->in_flight(), 2u);
  for (int i = 0; i < 2; ++i) {
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok() && completion->status.is_ok());
    EXPECT_EQ(completion->bytes_read, 1000u);
  }
  EXPECT_EQ(one, two);
}

// A disk search's pattern: pages past the page cache, into registered buffers and others, all that
// are done taken at once.
TEST_P(AsyncReaders, TakeAllThatAreDone) {
  constexpr size_t kDepth = 16;
  auto direct = posix_file_system().open(path_, OpenMode::kReadDirect);
  ASSERT_TRUE(direct.is_ok()) << direct.status().to_string();
  base::AlignedBuffer memory(kDepth * base::kPageBytes);
  const std::unique_ptr<AsyncReader> reader = make(kDepth);
  std::mt19937 random(13);
  uint64_t offsets[kDepth] = {};
  const auto page = [&](uint64_t place) {
    return memory.span().subspan(place * base::kPageBytes, base::kPageBytes);
  };
  const auto submit = [&](uint64_t place) {
    offsets[place] = random() % (contents_.size() / base::kPageBytes) * base::kPageBytes;
    std::ranges::fill(page(place), std::byte{0});
    return reader->submit(**direct, offsets[place], page(place), place);
  };
  // Half of the places registered, then all, then none but one byte: no read may fit that.
  for (const size_t registered : {memory.size() / 2, memory.size(), size_t{1}}) {
    reader->register_buffers(memory.span().first(registered));
    for (uint64_t place = 0; place < kDepth; ++place) ASSERT_TRUE(submit(place).is_ok());
    AsyncReader::Completion done[kDepth];
    for (size_t submitted = kDepth; reader->in_flight() > 0;) {
      const size_t in_flight = reader->in_flight();
      const auto count = reader->wait_some(std::span(done).first(1 + random() % kDepth));
      ASSERT_TRUE(count.is_ok()) << count.status().to_string();
      ASSERT_GE(*count, 1u);
      ASSERT_EQ(reader->in_flight(), in_flight - *count);
      for (size_t i = 0; i < *count; ++i) {
        ASSERT_TRUE(done[i].status.is_ok()) << done[i].status.to_string();
        ASSERT_EQ(done[i].bytes_read, base::kPageBytes);
        const uint64_t place = done[i].tag;
        ASSERT_EQ(
            std::memcmp(page(place).data(), contents_.data() + offsets[place], base::kPageBytes),
            0);
        if (++submitted > 400) continue;
        ASSERT_TRUE(submit(place).is_ok());
      }
    }
  }
}

// One that fails leaves the others alone, be it the system's or a simulated file's.
TEST_P(AsyncReaders, FailOneByOne) {
  const UnreadableFile unreadable(path_);
  SimulatedFileSystem simulated;
  auto made = simulated.open("/data", OpenMode::kCreate);
  ASSERT_TRUE(made.is_ok() && (*made)->write(0, contents_).is_ok());
  simulated.inject({.operation = Operation::kRead, .occurrence = 2});
  base::AlignedBuffer memory(8 * base::kPageBytes);
  const std::unique_ptr<AsyncReader> reader = make(8);
  reader->register_buffers(memory.span());
  const File* const files[] = {file_.get(), &unreadable, made->get()};
  for (size_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(reader
                    ->submit(*files[i % 3], i * base::kPageBytes,
                             memory.span().subspan(i * base::kPageBytes, base::kPageBytes), i)
                    .is_ok());
  }
  AsyncReader::Completion done[8];
  while (reader->in_flight() > 0) {
    const auto count = reader->wait_some(done);
    ASSERT_TRUE(count.is_ok()) << count.status().to_string();
    for (size_t i = 0; i < *count; ++i) {
      const uint64_t tag = done[i].tag;
      const bool fails = tag % 3 == 1 || tag == 5;
      EXPECT_EQ(done[i].status.code(), fails ? StatusCode::kIoError : StatusCode::kOk) << tag;
      if (fails) continue;
      EXPECT_EQ(std::memcmp(memory.data() + tag * base::kPageBytes,
                            contents_.data() + tag * base::kPageBytes, base::kPageBytes),
                0);
    }
  }
}

// As where locked memory is used up: reads work as without. Linux registers 1 GiB at most.
TEST_P(AsyncReaders, ReadIntoBuffersThatTheSystemDoesNotRegister) {
  constexpr size_t kArenaBytes = (size_t{1} << 30) + base::kPageBytes;
  void* const memory = ::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::span arena(static_cast<std::byte*>(memory), kArenaBytes);
  {
    const std::unique_ptr<AsyncReader> reader = make(1);
    EXPECT_FALSE(reader->register_buffers({}));
    EXPECT_FALSE(reader->register_buffers(arena));
    ASSERT_TRUE(reader->submit(*file_, 50, arena.first(100), 9).is_ok());
    const auto completion = reader->wait();
    ASSERT_TRUE(completion.is_ok() && completion->status.is_ok());
    EXPECT_EQ(std::memcmp(memory, contents_.data() + 50, 100), 0);
  }
  ::munmap(memory, kArenaBytes);
}

// With the reads still out, the buffers must be safe to free once the reader is gone.
TEST_P(AsyncReaders, WaitForReadsInFlightWhenDestroyed) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<std::byte>> buffers(8, std::vector<std::byte>(64 * 1024));
    const std::unique_ptr<AsyncReader> reader = make(buffers.size());
    for (size_t i = 0; i < buffers.size(); ++i) {
      ASSERT_TRUE(reader->submit(*file_, i * 64 * 1024, buffers[i], i).is_ok());
      if (i == 5) {
        ASSERT_TRUE(reader->start().is_ok());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AsyncReaders,
                         testing::Values("pread", "io_uring", "io_uring_on_thread"),
                         [](const auto& test) { return std::string(test.param); });

TEST(AsyncReader, EnvironmentForcesPread) {
  ASSERT_EQ(::setenv("ROX_IO", "pread", 1), 0);
  EXPECT_STREQ(make_async_reader({.depth = 4})->name(), "pread");
  ASSERT_EQ(::unsetenv("ROX_IO"), 0);
  const bool has_rings = make_uring_reader({.depth = 4}) != nullptr;
  EXPECT_STREQ(make_async_reader({.depth = 4})->name(), has_rings ? "io_uring" : "pread");
}

}  // namespace
}  // namespace roxanne::storage
