// The bytes of a page file: its header, and what every page begins with (docs/file_format.md).
//
// Layout (all numbers little-endian):
//   offset 0 and 4096   PageFileHeader, twice the same, zeros to 4088, XXH3-64 of bytes 0..4087
//   page p, from 2 on   at p * page_bytes; a PageHeader, then page_bytes - 32 bytes of content
// Three kinds of page: the owner's; leaves of the page map, which say where the owner's pages lie;
// pages of the directory, which say where the leaves lie. The header says where the directory lies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/aligned_buffer.h"
#include "roxanne/status.h"

namespace roxanne::storage {

inline constexpr uint32_t kPageFileVersion = 1;
inline constexpr uint32_t kPageBytesMax = 16 * base::kPageBytes;
inline constexpr uint32_t kLogicalPagesMax = 1u << 30;
inline constexpr size_t kHeaderCopyBytes = base::kPageBytes;
// No page lies at 0, where the file's header is: the number stands for "none".
inline constexpr uint32_t kNoPage = 0;
inline constexpr uint32_t kFirstPhysicalPage = 2;
inline constexpr size_t kOwnerNumbers = 8;

// As it lies in the file; no padding between the fields.
struct PageFileHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t page_bytes;
  uint64_t checkpoint_number;
  uint64_t log_sequence_number;
  uint32_t logical_page_count;   // one past the highest there is
  uint32_t used_page_count;      // logical pages that there are
  uint32_t physical_page_count;  // one past the highest that this checkpoint names
  uint32_t directory_page;       // the first of its pages, which follow each other; or kNoPage
  std::array<uint64_t, kOwnerNumbers> owner_numbers;
};
static_assert(sizeof(PageFileHeader) == 48 + 8 * kOwnerNumbers);

enum class PageKind : uint32_t {
  kData = 0x31474150,       // "PAG1" read as a little-endian u32
  kLeaf = 0x3146414c,       // "LAF1"
  kDirectory = 0x31524944,  // "DIR1"
};

// As it lies at the start of a page; no padding between the fields.
struct PageHeader {
  uint64_t checksum;  // XXH3-64 of all that follows in the page, seeded with `number`
  PageKind kind;
  uint32_t number;               // of the logical page, the leaf or the directory page
  uint64_t log_sequence_number;  // the owner's; of a map page, the checkpoint that wrote it
  uint64_t record_bitmap;        // the owner's: which of the page's records are used
};
inline constexpr size_t kPageHeaderBytes = 32;
static_assert(sizeof(PageHeader) == kPageHeaderBytes);

// u32 entries of a leaf, and of a page of the directory: what fits the smallest page. The same for
// any page_bytes, so that finding the leaf of a page is a division by a constant.
inline constexpr uint32_t kMapEntries = (base::kPageBytes - kPageHeaderBytes) / sizeof(uint32_t);

// Leaves that so many logical pages have, and pages of the directory that so many leaves have.
constexpr uint32_t map_pieces(uint32_t count) { return (count + kMapEntries - 1) / kMapEntries; }

PageHeader load_page_header(const std::byte* page);

// Writes `header` to the page's start, its checksum computed.
void seal_page(PageHeader header, std::span<std::byte> page);

// One pass over the bytes. kCorruption names the page and what is wrong with it, not the file.
Status check_sealed_page(PageKind kind, uint32_t number, std::span<const std::byte> page);

// One copy of kHeaderCopyBytes. Fills in magic and version.
base::AlignedBuffer make_header_copy(PageFileHeader header);

// From the first 2 * kHeaderCopyBytes of a file, or what there is. The copy at 0 is written and
// synced before the one at 4096 is touched: where it is intact, none is newer. So a torn write, or
// a flipped byte, of either leaves the other to go by. kCorruption where neither is intact,
// kUnsupported where the version is another; messages do not name the file.
Result<PageFileHeader> read_file_header(std::span<const std::byte> copies);

}  // namespace roxanne::storage
