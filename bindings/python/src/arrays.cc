#include "arrays.h"

#include <cstring>

namespace roxanne::python {
namespace {

namespace dlpack = nb::dlpack;

const char* numpy_name(ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return "float32";
    case ScalarType::kF16:
      return "float16";
    case ScalarType::kU8:
      return "uint8";
    case ScalarType::kI8:
      return "int8";
  }
  return "";
}

dlpack::dtype dtype_of(ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return {static_cast<uint8_t>(dlpack::dtype_code::Float), 32, 1};
    case ScalarType::kF16:
      return {static_cast<uint8_t>(dlpack::dtype_code::Float), 16, 1};
    case ScalarType::kU8:
      return {static_cast<uint8_t>(dlpack::dtype_code::UInt), 8, 1};
    case ScalarType::kI8:
      break;
  }
  return {static_cast<uint8_t>(dlpack::dtype_code::Int), 8, 1};
}

template <typename Array>
bool is_dense(const Array& array) {
  int64_t expected = 1;
  for (size_t axis = array.ndim(); axis-- > 0;) {
    if (array.shape(axis) != 1 && array.stride(axis) != expected) return false;
    expected *= static_cast<int64_t>(array.shape(axis));
  }
  return true;
}

// str(object).
std::string text_of(nb::handle object) {
  const nb::object text = nb::steal(PyObject_Str(object.ptr()));
  if (!text.is_valid()) throw nb::python_error();
  return to_text(text, "str");
}

std::string name_of_type(nb::handle object) {
  return text_of(nb::object(object.type().attr("__name__")));
}

}  // namespace

Rows::Rows(const nb::object& array, ScalarType type, const char* what) : type_(type) {
  const std::string name = what;
  if (!nb::try_cast(array, array_, false)) {
    if (nb::hasattr(array, "dtype")) {
      throw_invalid(name + ": expected a numpy array of " + numpy_name(type) + ", not of " +
                    text_of(nb::object(array.attr("dtype"))));
    }
    throw nb::type_error(
        (name + ": expected a numpy array of " + numpy_name(type) + ", not " + name_of_type(array))
            .c_str());
  }
  const std::string wanted = numpy_name(type);
  if (array_.dtype() != dtype_of(type)) {
    throw_invalid(name + ": of " + text_of(nb::object(array.attr("dtype"))) +
                  ", where the collection has " + wanted + ": convert them with .astype(numpy." +
                  wanted + ") where that loses nothing you need");
  }
  if (array_.ndim() != 1 && array_.ndim() != 2) {
    throw_invalid(name + ": expected one row (1-D) or rows (2-D), not " +
                  std::to_string(array_.ndim()) + " dimensions");
  }
  if (array_.size() != 0 && !is_dense(array_)) {
    throw_invalid(name + ": not C-contiguous, pass numpy.ascontiguousarray(...)");
  }
  dim_ = array_.shape(array_.ndim() - 1);
  rows_ = array_.ndim() == 1 ? 1 : array_.shape(0);
}

Keys::Keys(const nb::object& keys) {
  if (nb::isinstance<nb::list>(keys)) {
    type_ = KeyType::kString;
    const nb::list list(keys);
    strings_.reserve(list.size());
    for (const nb::handle item : list) strings_.push_back(to_text(item, "keys"));
    return;
  }
  if (!nb::try_cast(keys, array_, false)) {
    throw nb::type_error("keys: expected a 1-D array of uint64 or a list of str");
  }
  numbers_ = {array_.data(), array_.size()};
}

std::string to_text(nb::handle object, const char* what) {
  if (!PyUnicode_Check(object.ptr())) {
    throw nb::type_error(
        (std::string(what) + ": expected str, not " + name_of_type(object)).c_str());
  }
  Py_ssize_t size = 0;
  if (const char* text = PyUnicode_AsUTF8AndSize(object.ptr(), &size)) {
    return std::string(text, static_cast<size_t>(size));
  }
  PyErr_Clear();
  const nb::object bytes =
      nb::steal(PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogateescape"));
  if (!bytes.is_valid()) {
    PyErr_Clear();
    throw_invalid(std::string(what) + ": half a surrogate pair is no text");
  }
  return std::string(PyBytes_AS_STRING(bytes.ptr()),
                     static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr())));
}

nb::object from_text(std::string_view text) {
  nb::object object = nb::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
  if (!object.is_valid()) throw nb::python_error();
  return object;
}

nb::object from_key(const Key& key) {
  if (key.type() == KeyType::kU64) return nb::steal(PyLong_FromUnsignedLongLong(key.u64()));
  return from_text(key.str());
}

Key to_key(const nb::object& key) {
  if (PyUnicode_Check(key.ptr())) return Key(to_text(key, "key"));
  const nb::object number = nb::steal(PyNumber_Index(key.ptr()));
  if (!number.is_valid()) {
    PyErr_Clear();
    throw nb::type_error(("key: expected int or str, not " + name_of_type(key)).c_str());
  }
  const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw_invalid("key: an int key is within 0 and 2**64 - 1");
  }
  return Key(uint64_t{value});
}

nb::object from_vector(const Vector& vector) {
  auto owned = std::make_unique<std::vector<std::byte>>(vector.bytes);
  void* data = owned->data();
  const nb::capsule owner(owned.get(), [](void* memory) noexcept {
    delete static_cast<std::vector<std::byte>*>(memory);
  });
  owned.release();
  const size_t shape[1] = {vector.dim()};
  return nb::cast(nb::ndarray<nb::numpy>(data, 1, shape, owner, nullptr, dtype_of(vector.type)));
}

}  // namespace roxanne::python
