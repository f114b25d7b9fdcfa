// A failed Status as a Python exception.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>  // here, so that every file casts std::string alike

#include <string>
#include <utility>

#include "roxanne/roxanne.h"

namespace roxanne::python {

namespace nb = nanobind;

// Thrown where the engine says no; Python sees the class that roxanne._errors has for its code.
class StatusError {
 public:
  explicit StatusError(Status status) : status_(std::move(status)) {}
  const Status& status() const { return status_; }

 private:
  Status status_;
};

// roxanne.Error itself: what no code of the engine stands for.
class PlainError {
 public:
  explicit PlainError(std::string message) : message_(std::move(message)) {}
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

[[noreturn]] inline void throw_invalid(std::string message) {
  throw StatusError(Status::invalid_argument(std::move(message)));
}

inline void require(const Status& status) {
  if (!status) throw StatusError(status);
}

template <typename T>
T take(Result<T> result) {
  if (!result) throw StatusError(result.status());
  return std::move(result).value();
}

// Lets Python see the two above as exceptions.
void register_errors();

}  // namespace roxanne::python
