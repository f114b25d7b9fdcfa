// How a verb stops: exceptions, of the command line only; the library throws nothing.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "roxanne/status.h"

namespace roxanne::cli {

// Ends the verb with the status' message and exit code.
class Failure : public std::exception {
 public:
  explicit Failure(Status status, std::string advice = {})
      : status_(std::move(status)), advice_(std::move(advice)) {}

  const Status& status() const { return status_; }
  const std::string& advice() const { return advice_; }  // what to do about it; may be empty
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
  std::string advice_;
};

// The command line itself is wrong: exit code 2 and a hint to --help.
class UsageError : public std::exception {
 public:
  explicit UsageError(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

inline void require(const Status& status) {
  if (!status.is_ok()) throw Failure(status);
}

// The value, or Failure with the reason there is none.
template <typename T>
T take(Result<T> result) {
  if (!result.is_ok()) throw Failure(result.status());
  return std::move(result).value();
}

}  // namespace roxanne::cli
