#include "base/aligned_buffer.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace roxanne::base {

void give_memory_back() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

namespace {
constexpr size_t kHugePageBytes = 2u << 20;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
}  // namespace

AlignedBuffer::AlignedBuffer(size_t size) : size_(size) {
  if (size == 0) return;
  if (size < kHugePageBytes) {
    void* memory = std::aligned_alloc(kPageBytes, round_up(size, kPageBytes));
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, size);
    data_ = static_cast<std::byte*>(memory);
    return;
  }
  // Over-allocates address space by one huge page and cuts the ends off, for the alignment.
  mapped_bytes_ = round_up(size, kHugePageBytes);
  void* memory = mmap(nullptr, mapped_bytes_ + kHugePageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  const size_t head =
      (kHugePageBytes - reinterpret_cast<uintptr_t>(begin) % kHugePageBytes) % kHugePageBytes;
  if (head != 0) munmap(begin, head);
  if (head != kHugePageBytes) munmap(begin + head + mapped_bytes_, kHugePageBytes - head);
  data_ = begin + head;
  madvise(data_, mapped_bytes_, MADV_HUGEPAGE);  // a hint: refusal costs speed only
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
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
