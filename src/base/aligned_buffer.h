// A block of memory at a 4 KiB (or larger) boundary, as O_DIRECT reads need it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace roxanne::base {

inline constexpr size_t kPageBytes = 4096;

// Gives memory that was freed back to the system, where the allocator can be told to.
void give_memory_back();

// Owns `size()` zeroed bytes. Buffers of 2 MiB and more come from mmap at a 2 MiB boundary, ask for
// huge pages and go back to the system when destroyed, so that resident memory follows their life.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_, size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }

 private:
  void release();
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_bytes_ = 0;  // 0 where the memory came from aligned_alloc
};

}  // namespace roxanne::base
