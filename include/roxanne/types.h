// The nouns of the API: scalar types, metrics, keys, and views of vectors that others own.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace roxanne {

// The element of a vector. f16 is IEEE 754 binary16, held in uint16_t.
enum class ScalarType : uint8_t { kF32 = 0, kF16 = 1, kU8 = 2, kI8 = 3 };

// Smaller is always nearer.
enum class Metric : uint8_t {
  kL2 = 0,            // squared Euclidean distance
  kInnerProduct = 1,  // minus the inner product
  kCosine = 2,        // one minus the cosine of the angle
};

enum class KeyType : uint8_t { kU64 = 0, kString = 1 };

// Limits checked at the door.
inline constexpr size_t kDimMax = 16384;
inline constexpr size_t kKeyBytesMax = 512;
inline constexpr size_t kPayloadBytesMax = 64 * 1024;
inline constexpr size_t kSearchKMax = 10000;
inline constexpr size_t kSearchListSizeMax = 65536;
inline constexpr size_t kCollectionNameBytesMax = 128;
// Rows in one upsert or erase call; larger loads are made of several batches.
inline constexpr size_t kBatchRowsMax = 1u << 20;
// Payloads of one upsert together.
inline constexpr size_t kBatchPayloadBytesMax = 256u << 20;
// Points in one collection.
inline constexpr uint64_t kCollectionPointsMax = (1ull << 32) - 1;

constexpr size_t scalar_bytes(ScalarType type) {
  return type == ScalarType::kF32 ? 4 : type == ScalarType::kF16 ? 2 : 1;
}

// "f32", "f16", "u8", "i8"; "l2", "ip", "cosine"; "u64", "string". Parsing knows exactly these.
std::string_view scalar_type_name(ScalarType type);
std::string_view metric_name(Metric metric);
std::string_view key_type_name(KeyType type);
std::optional<ScalarType> parse_scalar_type(std::string_view name);
std::optional<Metric> parse_metric(std::string_view name);
std::optional<KeyType> parse_key_type(std::string_view name);

// A point's name within its collection: a u64 or up to kKeyBytesMax bytes of string. Owns its
// bytes.
class Key {
 public:
  Key() = default;
  Key(uint64_t number) : value_(number) {}                   // NOLINT: implicit by intent
  Key(std::string text) : value_(std::move(text)) {}         // NOLINT: implicit by intent
  Key(std::string_view text) : value_(std::string(text)) {}  // NOLINT: implicit by intent
  Key(const char* text) : value_(std::string(text)) {}       // NOLINT: implicit by intent

  KeyType type() const {
    return std::holds_alternative<uint64_t>(value_) ? KeyType::kU64 : KeyType::kString;
  }
  uint64_t u64() const { return std::get<uint64_t>(value_); }               // type() must be kU64
  const std::string& str() const { return std::get<std::string>(value_); }  // ... kString
  // The number in decimal, or the string itself.
  std::string to_string() const;

  auto operator<=>(const Key&) const = default;

 private:
  std::variant<uint64_t, std::string> value_ = uint64_t{0};
};

// A view of `size()` keys of one type. Does not own: valid while its source is.
class KeysView {
 public:
  KeysView(std::span<const uint64_t> keys) : numbers_(keys), type_(KeyType::kU64) {}  // NOLINT
  KeysView(const std::vector<uint64_t>& keys)
      : KeysView(std::span<const uint64_t>(keys)) {}  // NOLINT
  KeysView(std::span<const std::string> keys)
      : strings_(keys), type_(KeyType::kString) {}  // NOLINT
  KeysView(const std::vector<std::string>& keys)    // NOLINT
      : KeysView(std::span<const std::string>(keys)) {}

  KeyType type() const { return type_; }
  size_t size() const { return type_ == KeyType::kU64 ? numbers_.size() : strings_.size(); }
  uint64_t u64(size_t i) const { return numbers_[i]; }
  std::string_view str(size_t i) const { return strings_[i]; }
  Key key(size_t i) const {
    return type_ == KeyType::kU64 ? Key(numbers_[i]) : Key(std::string_view(strings_[i]));
  }

 private:
  std::span<const uint64_t> numbers_;
  std::span<const std::string> strings_;
  KeyType type_;
};

// A view of `rows` x `dim` scalars, row-major and dense; any alignment. It carries its scalar type,
// so u8 vectors are never widened to pass a door. Does not own.
class MatrixView {
 public:
  MatrixView(ScalarType type, const void* data, size_t rows, size_t dim)
      : data_(static_cast<const std::byte*>(data)), rows_(rows), dim_(dim), type_(type) {}

  static MatrixView f32(const float* data, size_t rows, size_t dim) {
    return {ScalarType::kF32, data, rows, dim};
  }
  static MatrixView f16(const uint16_t* data, size_t rows, size_t dim) {
    return {ScalarType::kF16, data, rows, dim};
  }
  static MatrixView u8(const uint8_t* data, size_t rows, size_t dim) {
    return {ScalarType::kU8, data, rows, dim};
  }
  static MatrixView i8(const int8_t* data, size_t rows, size_t dim) {
    return {ScalarType::kI8, data, rows, dim};
  }

  ScalarType type() const { return type_; }
  size_t rows() const { return rows_; }
  size_t dim() const { return dim_; }
  size_t row_bytes() const { return dim_ * scalar_bytes(type_); }
  const std::byte* row(size_t i) const { return data_ + i * row_bytes(); }
  const std::byte* data() const { return data_; }
  MatrixView slice(size_t first, size_t count) const { return {type_, row(first), count, dim_}; }

 private:
  const std::byte* data_;
  size_t rows_;
  size_t dim_;
  ScalarType type_;
};

// One vector: a matrix of one row.
class VectorView : public MatrixView {
 public:
  VectorView(ScalarType type, const void* data, size_t dim) : MatrixView(type, data, 1, dim) {}
  static VectorView f32(std::span<const float> v) { return {ScalarType::kF32, v.data(), v.size()}; }
  static VectorView f16(std::span<const uint16_t> v) {
    return {ScalarType::kF16, v.data(), v.size()};
  }
  static VectorView u8(std::span<const uint8_t> v) { return {ScalarType::kU8, v.data(), v.size()}; }
  static VectorView i8(std::span<const int8_t> v) { return {ScalarType::kI8, v.data(), v.size()}; }
};

// A vector that owns its bytes: dim * scalar_bytes(type) of them.
struct Vector {
  ScalarType type = ScalarType::kF32;
  std::vector<std::byte> bytes;

  size_t dim() const { return bytes.size() / scalar_bytes(type); }
  VectorView view() const { return {type, bytes.data(), dim()}; }
  // Element i as a float, whatever the scalar type.
  float at(size_t i) const;
};

// A key, its vector and its optional payload (a JSON object as text).
struct Point {
  Key key;
  Vector vector;
  std::optional<std::string> payload;
};

// One answer of a search. Ordered by distance, ties by insertion slot.
struct Neighbor {
  Key key;
  float distance = 0;                  // in the collection's metric; smaller is nearer
  std::optional<std::string> payload;  // where SearchOptions::with_payload and the point has one
  std::optional<Vector> vector;        // where SearchOptions::with_vector
};

}  // namespace roxanne
