// numpy arrays as the views that the engine takes, and back; no element is converted.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "errors.h"

namespace roxanne::python {

// Rows of one scalar type in a numpy array, which lives as long as this.
class Rows {
 public:
  // `array`: one row (1-D) or many (2-D), C-contiguous, of exactly the scalar type `type`; no copy
  // is made. Throws TypeError where it is no array, InvalidArgument saying what to do else. `what`
  // names it in messages.
  Rows(const nb::object& array, ScalarType type, const char* what);

  MatrixView view() const { return {type_, array_.data(), rows_, dim_}; }
  bool is_one() const { return array_.ndim() == 1; }

 private:
  nb::ndarray<nb::ro, nb::device::cpu> array_;
  ScalarType type_;
  size_t rows_ = 0;
  size_t dim_ = 0;
};

// Keys: a C-contiguous numpy array of uint64, used as it is, or a list of str, which are copied.
class Keys {
 public:
  explicit Keys(const nb::object& keys);
  KeysView view() const { return type_ == KeyType::kU64 ? KeysView(numbers_) : KeysView(strings_); }

 private:
  nb::ndarray<const uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> array_;
  std::span<const uint64_t> numbers_;
  std::vector<std::string> strings_;
  KeyType type_ = KeyType::kU64;
};

// A str of Python; bytes that are no UTF-8 travel as surrogates, in and out.
std::string to_text(nb::handle object, const char* what);
nb::object from_text(std::string_view text);

nb::object from_key(const Key& key);
Key to_key(const nb::object& key);

// A new numpy array that owns `values`; 2-D where `columns` is not 0.
template <typename T>
nb::object give_array(std::vector<T> values, size_t rows, size_t columns) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  T* data = owned->data();
  const nb::capsule owner(
      owned.get(), [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
  owned.release();
  const size_t shape[2] = {rows, columns};
  return nb::cast(
      nb::ndarray<nb::numpy, T>(data, columns == 0 ? size_t{1} : size_t{2}, shape, owner));
}

// A stored vector as a numpy array of its scalar type.
nb::object from_vector(const Vector& vector);

}  // namespace roxanne::python
