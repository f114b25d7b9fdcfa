#include "storage/page_format.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

constexpr uint64_t kMagic = 0x3145474150584f52;  // "ROXPAGE1" read as a little-endian u64
constexpr size_t kChecksumOffset = kHeaderCopyBytes - sizeof(uint64_t);

uint64_t sum_page(uint32_t number, std::span<const std::byte> page) {
  const auto rest = page.subspan(sizeof(PageHeader::checksum));
  return base::checksum64(rest.data(), rest.size(), number);
}

const char* name_of(PageKind kind) {
  switch (kind) {
    case PageKind::kData:
      return "page ";
    case PageKind::kLeaf:
      return "page map leaf ";
    case PageKind::kDirectory:
      return "page map directory ";
  }
  return "page ";
}

// The slow path: the page is not what it should be.
Status tell_damage(PageKind kind, uint32_t number, std::span<const std::byte> page) {
  const std::string what = name_of(kind) + std::to_string(number) + ": ";
  const PageHeader header = load_page_header(page.data());
  // Intact, but another's: a read or a write went to the wrong place.
  if (sum_page(header.number, page) == header.checksum) {
    return Status::corruption(what + "its place holds " + name_of(header.kind) +
                              std::to_string(header.number));
  }
  const bool is_zero =
      std::all_of(page.begin(), page.end(), [](std::byte byte) { return byte == std::byte{0}; });
  return Status::corruption(what + (is_zero ? "its place holds zeros" : "checksum mismatch"));
}

Status check_numbers(const PageFileHeader& header) {
  const auto damaged = [](const char* what) {
    return Status::corruption("page file header: " + std::string(what));
  };
  if (header.page_bytes < base::kPageBytes || header.page_bytes > kPageBytesMax ||
      header.page_bytes % base::kPageBytes != 0) {
    return damaged("page size");
  }
  // The next one must have a number as well.
  if (header.checkpoint_number + 1 <= 1) return damaged("checkpoint number");
  if (header.logical_page_count > kLogicalPagesMax ||
      header.used_page_count > header.logical_page_count) {
    return damaged("page counts");
  }
  if (header.physical_page_count < kFirstPhysicalPage) return damaged("physical page count");
  const bool has_directory = header.directory_page != kNoPage;
  if (has_directory != (header.logical_page_count > 0)) return damaged("directory");
  return Status::ok();
}

Result<PageFileHeader> read_copy(std::span<const std::byte> copy) {
  const auto header = base::load<PageFileHeader>(copy.data());
  if (header.magic != kMagic) return Status::corruption("not a Roxanne page file");
  if (base::load<uint64_t>(copy.data() + kChecksumOffset) !=
      base::checksum64(copy.data(), kChecksumOffset)) {
    return Status::corruption("page file header: checksum mismatch");
  }
  if (header.version != kPageFileVersion) {
    return Status::unsupported("page file version " + std::to_string(header.version) +
                               "; this build reads version " + std::to_string(kPageFileVersion));
  }
  ROX_RETURN_IF_ERROR(check_numbers(header));
  return header;
}

}  // namespace

PageHeader load_page_header(const std::byte* page) { return base::load<PageHeader>(page); }

void seal_page(PageHeader header, std::span<std::byte> page) {
  std::memcpy(page.data(), &header, sizeof header);
  header.checksum = sum_page(header.number, page);
  std::memcpy(page.data(), &header.checksum, sizeof header.checksum);
}

Status check_sealed_page(PageKind kind, uint32_t number, std::span<const std::byte> page) {
  const PageHeader header = load_page_header(page.data());
  if (header.kind == kind && header.number == number && header.checksum == sum_page(number, page)) {
    return Status::ok();
  }
  return tell_damage(kind, number, page);
}

base::AlignedBuffer make_header_copy(PageFileHeader header) {
  header.magic = kMagic;
  header.version = kPageFileVersion;
  ROX_ASSERT(check_numbers(header).is_ok());
  base::AlignedBuffer copy(kHeaderCopyBytes);
  std::memcpy(copy.data(), &header, sizeof header);
  const uint64_t checksum = base::checksum64(copy.data(), kChecksumOffset);
  std::memcpy(copy.data() + kChecksumOffset, &checksum, sizeof checksum);
  return copy;
}

Result<PageFileHeader> read_file_header(std::span<const std::byte> copies) {
  if (copies.size() < 2 * kHeaderCopyBytes) {
    return Status::corruption(std::to_string(copies.size()) +
                              " bytes long, shorter than the header of a page file");
  }
  Result<PageFileHeader> first = read_copy(copies.first(kHeaderCopyBytes));
  if (first.is_ok() || first.status().code() != StatusCode::kCorruption) return first;
  Result<PageFileHeader> second = read_copy(copies.subspan(kHeaderCopyBytes, kHeaderCopyBytes));
  if (second.is_ok() || second.status().code() != StatusCode::kCorruption) return second;
  return first;
}

}  // namespace roxanne::storage
