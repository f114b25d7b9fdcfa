#include "base/aligned_buffer.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/sanitized.h"

namespace roxanne::base {

void give_memory_back() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

namespace {
constexpr size_t kHugePageBytes = 2u << 20;
// A buffer that grows gets one part in so many more than it needs; where pages move and none is
// copied, no more than so many bytes: the huge page at its end would be there as a whole.
constexpr size_t kReserveShare = 8;
constexpr size_t kMovedReserveMost = 256u << 10;
// The sanitizers do not follow memory that moves.
constexpr bool kMovesPages = !kIsSanitized;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::byte* map_huge(size_t bytes) {
  void* memory = mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  const size_t head =
      (kHugePageBytes - reinterpret_cast<uintptr_t>(begin) % kHugePageBytes) % kHugePageBytes;
  if (head != 0) munmap(begin, head);
  if (head != kHugePageBytes) munmap(begin + head + bytes, kHugePageBytes - head);
  return begin + head;
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  if (size == 0) return;
  if (size < kHugePageBytes) {
    void* memory = std::aligned_alloc(kPageBytes, round_up(size, kPageBytes));
    if (memory == nullptr) throw std::bad_alloc();
    capacity_ = round_up(size, kPageBytes);
    std::memset(memory, 0, capacity_);
    data_ = static_cast<std::byte*>(memory);
    return;
  }
  // Over-allocates address space by one huge page and cuts the ends off, for the alignment.
  // Not of whole huge pages: what is beyond the end of the last is not to take memory.
  mapped_bytes_ = round_up(size, kPageBytes);
  capacity_ = mapped_bytes_;
  data_ = map_huge(mapped_bytes_);
  madvise(data_, mapped_bytes_, MADV_HUGEPAGE);  // a hint: refusal costs speed only
}

void AlignedBuffer::grow(size_t size) {
  if (size <= capacity_) {
    size_ = std::max(size_, size);
    return;
  }
  const size_t reserve = size_ == 0 ? 0 : size / kReserveShare;
  if (mapped_bytes_ != 0 && kMovesPages) {
    const size_t bytes = round_up(size + std::min(reserve, kMovedReserveMost), kPageBytes);
    std::byte* place = map_huge(bytes);
    void* moved = mremap(data_, mapped_bytes_, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                         static_cast<void*>(place));
    if (moved == MAP_FAILED) {
      munmap(place, bytes);
      throw std::bad_alloc();
    }
    data_ = static_cast<std::byte*>(moved);
    mapped_bytes_ = capacity_ = bytes;
    madvise(data_, mapped_bytes_, MADV_HUGEPAGE);
  } else {
    AlignedBuffer larger(size + reserve);
    if (size_ > 0) std::memcpy(larger.data_, data_, size_);
    *this = std::move(larger);
  }
  size_ = size;
}

void AlignedBuffer::shrink(size_t size) {
  if (size >= size_) return;
  const size_t kept = std::max(kPageBytes, round_up(size, kPageBytes));
  if (mapped_bytes_ > kept) {
    munmap(data_ + kept, mapped_bytes_ - kept);
    mapped_bytes_ = capacity_ = kept;
  }
  std::memset(data_ + size, 0, std::min(size_, capacity_) - size);
  size_ = size;
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  }
  return *this;
}

AlignedBuffer::~AlignedBuffer() { release(); }

void AlignedBuffer::release() {
  if (mapped_bytes_ != 0) {
    munmap(data_, mapped_bytes_);
  } else {
    std::free(data_);
  }
}

}  // namespace roxanne::base
