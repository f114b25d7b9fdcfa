// A block of memory at a 4 KiB (or larger) boundary, as O_DIRECT reads need it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

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

  // Makes it larger: bytes keep their values and may move, new ones are zero. Some space is kept in
  // reserve, so that many small steps cost little; pages of memory move without being copied.
  void grow(size_t size);
  // Makes it smaller: what is left stays where it is. Whole pages of memory behind it go back to
  // the system where they came from mmap.
  void shrink(size_t size);

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_, size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }

 private:
  void release();
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;      // bytes that size_ may grow to where they are; zero beyond size_
  size_t mapped_bytes_ = 0;  // 0 where the memory came from aligned_alloc
};

// Numbers one after the other that become more, or fewer.
template <typename T>
class GrowingArray {
 public:
  GrowingArray() = default;
  explicit GrowingArray(size_t size, T value = T()) { grow(size, value); }

  size_t size() const { return size_; }
  T* data() { return reinterpret_cast<T*>(buffer_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_.data()); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  // Does nothing where it has as many.
  void grow(size_t size, T value = T()) {
    if (size <= size_) return;
    buffer_.grow(size * sizeof(T));
    std::fill(data() + size_, data() + size, value);
    size_ = size;
  }
  // Does nothing where it has no more.
  void shrink(size_t size) {
    if (size >= size_) return;
    buffer_.shrink(size * sizeof(T));
    size_ = size;
  }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  AlignedBuffer buffer_;
  size_t size_ = 0;
};

}  // namespace roxanne::base
