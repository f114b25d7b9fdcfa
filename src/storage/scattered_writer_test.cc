#include "storage/scattered_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "base/aligned_buffer.h"
#include "storage/test_descriptor_file.h"
#include "storage/test_directory.h"

namespace roxanne::storage {
namespace {

constexpr size_t kPage = base::kPageBytes;

// A descriptor that no write succeeds on: open for reading only.
class UnwritableFile final : public DescriptorFile {
 public:
  explicit UnwritableFile(const std::string& path) : DescriptorFile(path, O_RDONLY) {}
  Status write(uint64_t offset, std::span<const std::byte>) override {
    return Status::io_error("write /unwritable at " + std::to_string(offset));
  }
};

TEST(ScatteredWriter, WritesEveryPieceWhereItBelongs) {
  const TestDirectory directory;
  const auto file = *posix_file_system().open(directory.path("pages"), OpenMode::kCreate);
  std::mt19937 random(1);
  ScatteredWriter writer;
  std::vector<std::byte> expected(500 * kPage);
  for (const size_t count : {1u, 3u, 32u, 33u, 200u, 0u}) {
    base::AlignedBuffer pages(std::max<size_t>(1, count) * kPage);
    std::vector<size_t> places(500);
    for (size_t i = 0; i < places.size(); ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), random);
    std::vector<ScatteredWriter::Piece> pieces;
    for (size_t i = 0; i < count; ++i) {
      std::byte* const bytes = pages.data() + i * kPage;
      for (size_t b = 0; b < kPage; ++b) bytes[b] = static_cast<std::byte>(random());
      std::memcpy(expected.data() + places[i] * kPage, bytes, kPage);
      pieces.push_back({places[i] * kPage, {bytes, kPage}});
    }
    ASSERT_TRUE(writer.write(*file, pieces).is_ok());
  }
  std::vector<std::byte> found(expected.size());
  const size_t got = *file->read(0, found);
  EXPECT_TRUE(
      std::equal(found.begin(), found.begin() + static_cast<ptrdiff_t>(got), expected.begin()));
  EXPECT_TRUE(std::all_of(expected.begin() + static_cast<ptrdiff_t>(got), expected.end(),
                          [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST(ScatteredWriter, AFailureIsToldAsTheFileTellsItAndTheNextCallWorks) {
  const TestDirectory directory;
  const auto file = *posix_file_system().open(directory.path("pages"), OpenMode::kCreate);
  UnwritableFile unwritable(directory.path("pages"));
  base::AlignedBuffer pages(100 * kPage);
  std::vector<ScatteredWriter::Piece> pieces;
  for (size_t i = 0; i < 100; ++i) pieces.push_back({i * kPage, {pages.data() + i * kPage, kPage}});
  ScatteredWriter writer;
  const Status failed = writer.write(unwritable, pieces);
  EXPECT_EQ(failed.code(), StatusCode::kIoError);
  EXPECT_NE(failed.message().find("/unwritable"), std::string::npos) << failed.to_string();
  EXPECT_TRUE(writer.write(*file, pieces).is_ok());
  EXPECT_EQ(*file->size(), 100 * kPage);
}

}  // namespace
}  // namespace roxanne::storage
