#include "errors.h"

#include <exception>

namespace roxanne::python {
namespace {

const char* class_name(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case StatusCode::kNotFound:
      return "NotFound";
    case StatusCode::kAlreadyExists:
      return "AlreadyExists";
    case StatusCode::kLocked:
      return "Locked";
    case StatusCode::kCorruption:
      return "Corruption";
    case StatusCode::kDiskFull:
      return "DiskFull";
    case StatusCode::kReadOnly:
      return "ReadOnly";
    case StatusCode::kIoError:
      return "IoError";
    case StatusCode::kCancelled:
      return "Cancelled";
    case StatusCode::kUnsupported:
      return "Unsupported";
    case StatusCode::kOk:
      break;
  }
  return "Error";
}

void raise(const char* name, const std::string& message) {
  PyObject* text = PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()),
                                        "backslashreplace");
  if (text == nullptr) return;
  const nb::object owned = nb::steal(text);
  try {
    const nb::object type = nb::module_::import_("roxanne._errors").attr(name);
    PyErr_SetObject(type.ptr(), owned.ptr());
  } catch (nb::python_error& error) {
    error.restore();
  }
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const StatusError& error) {
    raise(class_name(error.status().code()), error.status().message());
  } catch (const PlainError& error) {
    raise("Error", error.message());
  }
}

}  // namespace

void register_errors() { nb::register_exception_translator(translate); }

}  // namespace roxanne::python
