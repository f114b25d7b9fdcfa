#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/aligned_buffer.h"
#include "storage/file_system.h"
#include "storage/system_error.h"
#include "storage/test_directory.h"
#include "storage/test_text.h"

namespace roxanne::storage {
namespace {

std::string read_text(const File& file, uint64_t offset, size_t size) {
  std::string text(size, '?');
  const Result<size_t> count =
      file.read(offset, {reinterpret_cast<std::byte*>(text.data()), text.size()});
  EXPECT_TRUE(count.is_ok()) << count.status().to_string();
  text.resize(count.is_ok() ? *count : 0);
  return text;
}

class PosixFileSystem : public testing::Test {
 protected:
  std::unique_ptr<File> open(const std::string& name, OpenMode mode) {
    auto file = files_.open(directory_.path(name), mode);
    EXPECT_TRUE(file.is_ok()) << file.status().to_string();
    return file.is_ok() ? *std::move(file) : nullptr;
  }

  TestDirectory directory_;
  FileSystem& files_ = posix_file_system();
};

TEST_F(PosixFileSystem, ReadsBackWhatWasWritten) {
  const auto file = open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->write(0, bytes_of("hello world")).is_ok());
  ASSERT_TRUE(file->write(6, bytes_of("there")).is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(read_text(*file, 0, 100), "hello there");
  EXPECT_EQ(read_text(*file, 11, 5), "");
  EXPECT_EQ(*file->size(), 11u);
  EXPECT_EQ(*files_.file_size(directory_.path("f")), 11u);
  ASSERT_TRUE(file->truncate(5).is_ok());
  EXPECT_EQ(read_text(*open("f", OpenMode::kRead), 0, 100), "hello");
}

TEST_F(PosixFileSystem, OpenModesKeepOrEmptyTheFile) {
  EXPECT_EQ(files_.open(directory_.path("f"), OpenMode::kRead).status().code(),
            StatusCode::kNotFound);
  ASSERT_TRUE(open("f", OpenMode::kReadWrite)->write(0, bytes_of("abc")).is_ok());
  EXPECT_EQ(*open("f", OpenMode::kReadWrite)->size(), 3u);
  EXPECT_EQ(*open("f", OpenMode::kCreate)->size(), 0u);
}

TEST_F(PosixFileSystem, DirectReadStopsAtTheFilesEnd) {
  const std::string text(4096 + 100, 'x');
  ASSERT_TRUE(open("f", OpenMode::kCreate)->write(0, bytes_of(text)).is_ok());
  const auto file = open("f", OpenMode::kReadDirect);
  base::AlignedBuffer buffer(3 * base::kPageBytes);
  const Result<size_t> count = file->read(0, buffer.span());
  ASSERT_TRUE(count.is_ok()) << count.status().to_string();
  EXPECT_EQ(*count, text.size());
  EXPECT_EQ(std::memcmp(buffer.data(), text.data(), text.size()), 0);
}

TEST_F(PosixFileSystem, DirectWritesAreReadBackByAnyMode) {
  EXPECT_EQ(files_.open(directory_.path("f"), OpenMode::kReadWriteDirect).status().code(),
            StatusCode::kNotFound);
  open("f", OpenMode::kCreate);
  const auto file = open("f", OpenMode::kReadWriteDirect);
  base::AlignedBuffer buffer(2 * base::kPageBytes);
  std::memset(buffer.data(), 'x', buffer.size());
  ASSERT_TRUE(file->write(base::kPageBytes, buffer.span()).is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(read_text(*open("f", OpenMode::kRead), 4095, 3), std::string("\0xx", 3));
  std::memset(buffer.data(), 0, buffer.size());
  EXPECT_EQ(*file->read(base::kPageBytes, buffer.span()), buffer.size());
  EXPECT_EQ(buffer.data()[5], std::byte{'x'});
}

TEST_F(PosixFileSystem, AllocateGrowsWithZerosAndNeverShrinks) {
  const auto file = open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->write(0, bytes_of("abc")).is_ok());
  ASSERT_TRUE(file->allocate(0, 8192).is_ok());
  EXPECT_EQ(*file->size(), 8192u);
  EXPECT_EQ(read_text(*file, 0, 4), std::string("abc\0", 4));
  ASSERT_TRUE(file->allocate(0, 100).is_ok());
  EXPECT_EQ(*file->size(), 8192u);
  EXPECT_GT(*file->allocated_bytes(), 0u);
}

TEST_F(PosixFileSystem, PunchedHoleReadsAsZerosAndKeepsTheSize) {
  const auto file = open("f", OpenMode::kCreate);
  const std::string text(3 * 4096, 'x');
  ASSERT_TRUE(file->write(0, bytes_of(text)).is_ok());
  ASSERT_TRUE(file->punch_hole(4096, 4096).is_ok());
  EXPECT_EQ(*file->size(), text.size());
  EXPECT_EQ(read_text(*file, 4095, 1), "x");
  EXPECT_EQ(read_text(*file, 4096, 1), std::string(1, '\0'));
  EXPECT_EQ(read_text(*file, 8192, 1), "x");
}

TEST_F(PosixFileSystem, NamesComeAndGo) {
  const std::string directory = directory_.path("d");
  ASSERT_TRUE(files_.create_directory(directory).is_ok());
  ASSERT_TRUE(files_.create_directory(directory).is_ok());  // fine where it is there
  EXPECT_TRUE(*files_.is_directory(directory));
  open("d/a", OpenMode::kCreate);
  EXPECT_FALSE(*files_.is_directory(directory + "/a"));
  ASSERT_TRUE(files_.rename(directory + "/a", directory + "/b").is_ok());
  ASSERT_TRUE(files_.link(directory + "/b", directory + "/c").is_ok());
  EXPECT_EQ(files_.link(directory + "/b", directory + "/c").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(files_.create_directory(directory + "/c").code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(files_.sync_directory(directory).is_ok());
  std::vector<std::string> names = *files_.list(directory);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"b", "c"}));
  EXPECT_FALSE(*files_.exists(directory + "/a"));
  EXPECT_FALSE(*files_.exists(directory + "/b/below a file"));
  EXPECT_EQ(files_.remove_directory(directory).code(), StatusCode::kIoError);
  ASSERT_TRUE(files_.remove(directory + "/b").is_ok());
  ASSERT_TRUE(files_.remove(directory + "/c").is_ok());
  ASSERT_TRUE(files_.remove_directory(directory).is_ok());
  EXPECT_FALSE(*files_.exists(directory));
  EXPECT_GT(*files_.free_bytes(directory_.path()), 0u);
  EXPECT_GT(*files_.modified_seconds(directory_.path()), 1600000000u);
}

TEST_F(PosixFileSystem, ErrorsSayWhatWasTriedWhereAndWhy) {
  const std::string path = directory_.path("missing");
  const Status missing = files_.remove(path);
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "remove " + path + ": No such file or directory (ENOENT)");
  EXPECT_EQ(files_.list(path).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.sync_directory(path).code(), StatusCode::kNotFound);

  EXPECT_EQ(system_error(ENOSPC, "write /path at 4096").to_string(),
            "disk_full: write /path at 4096: No space left on device (ENOSPC)");
  EXPECT_EQ(system_error(EDQUOT, "x").code(), StatusCode::kDiskFull);
  EXPECT_EQ(system_error(EROFS, "x").code(), StatusCode::kReadOnly);
  EXPECT_EQ(system_error(EACCES, "x").code(), StatusCode::kReadOnly);
  EXPECT_EQ(system_error(EPERM, "x").code(), StatusCode::kReadOnly);
  EXPECT_EQ(system_error(EEXIST, "x").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(system_error(EIO, "x").to_string(), "io_error: x: Input/output error (EIO)");
  EXPECT_EQ(system_error(100000, "x").to_string(), "io_error: x: unknown error (100000)");
}

// The write is cut off by the limit on file sizes: the rest is tried, and its error is returned.
TEST_F(PosixFileSystem, ContinuesAShortWriteUpToTheError) {
  const auto file = open("f", OpenMode::kCreate);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ASSERT_NE(::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  const rlimit limit{5000, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status status = file->write(0, bytes_of(std::string(8192, 'x')));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_NE(status.message().find(" at 5000: File too large (EFBIG)"), std::string::npos)
      << status.message();
}

TEST_F(PosixFileSystem, FailedAllocateLeavesTheSize) {
  const auto file = open("f", OpenMode::kCreate);
  ASSERT_TRUE(file->write(0, bytes_of("abc")).is_ok());
  const uint64_t too_much = uint64_t{1} << 60;
  EXPECT_FALSE(file->allocate(0, too_much).is_ok());
  EXPECT_EQ(*file->size(), 3u);
}

TEST_F(PosixFileSystem, ExclusiveLockNamesItsHolder) {
  const std::string path = directory_.path("LOCK");
  auto lock = files_.lock(path, LockMode::kExclusive);
  ASSERT_TRUE(lock.is_ok()) << lock.status().to_string();
  for (const LockMode mode : {LockMode::kExclusive, LockMode::kShared}) {
    const Status status = files_.lock(path, mode).status();
    EXPECT_EQ(status.code(), StatusCode::kLocked);
    EXPECT_EQ(status.message(), "database is in use by process " + std::to_string(::getpid()) +
                                    " (lock file " + path + ")");
  }
  *lock = nullptr;
  EXPECT_TRUE(files_.lock(path, LockMode::kExclusive).is_ok());
}

TEST_F(PosixFileSystem, SharedLocksAdmitEachOtherAndWriteNothing) {
  const std::string path = directory_.path("LOCK");
  EXPECT_EQ(files_.lock(path, LockMode::kShared).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(*files_.exists(path));
  open("LOCK", OpenMode::kCreate);
  const auto one = files_.lock(path, LockMode::kShared);
  const auto two = files_.lock(path, LockMode::kShared);
  ASSERT_TRUE(one.is_ok());
  ASSERT_TRUE(two.is_ok());
  EXPECT_EQ(*files_.file_size(path), 0u);
  const Status status = files_.lock(path, LockMode::kExclusive).status();
  EXPECT_EQ(status.code(), StatusCode::kLocked);
  EXPECT_NE(status.message().find("by another process"), std::string::npos) << status.message();
}

TEST_F(PosixFileSystem, LockOfADeadProcessIsFree) {
  const std::string path = directory_.path("LOCK");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = files_.lock(path, LockMode::kExclusive);
    ::_exit(lock.is_ok() ? 0 : 1);  // without the destructor, as a crash
  }
  int exit_status = -1;
  ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
  ASSERT_EQ(exit_status, 0);
  EXPECT_GT(*files_.file_size(path), 0u);
  EXPECT_TRUE(files_.lock(path, LockMode::kExclusive).is_ok());
}

}  // namespace
}  // namespace roxanne::storage
