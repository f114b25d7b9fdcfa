// Status and Result<T>: how every door of Roxanne reports failure. Nothing throws.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace roxanne {

// What kind of failure it was; the message says which file, row or key.
enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller's input is wrong; nothing was changed
  kNotFound,         // no such key, collection or file
  kAlreadyExists,    // the key or collection is there already
  kLocked,           // another process holds the database; the message names its pid
  kCorruption,       // stored bytes fail a check; the message names file and place
  kDiskFull,         // no space; nothing of the failed operation is visible
  kReadOnly,         // opened read-only, or turned read-only after a failed write
  kIoError,          // the operating system refused a read, write or sync
  kCancelled,        // stopped on request
  kUnsupported,      // a format or version this build does not know
};

// The stable lower-case name of a code, as JSON and HTTP show it: "not_found".
std::string_view status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status ok() { return {}; }
  static Status invalid_argument(std::string message) {
    return {StatusCode::kInvalidArgument, std::move(message)};
  }
  static Status not_found(std::string message) {
    return {StatusCode::kNotFound, std::move(message)};
  }
  static Status already_exists(std::string message) {
    return {StatusCode::kAlreadyExists, std::move(message)};
  }
  static Status locked(std::string message) { return {StatusCode::kLocked, std::move(message)}; }
  static Status corruption(std::string message) {
    return {StatusCode::kCorruption, std::move(message)};
  }
  static Status disk_full(std::string message) {
    return {StatusCode::kDiskFull, std::move(message)};
  }
  static Status read_only(std::string message) {
    return {StatusCode::kReadOnly, std::move(message)};
  }
  static Status io_error(std::string message) { return {StatusCode::kIoError, std::move(message)}; }
  static Status cancelled(std::string message) {
    return {StatusCode::kCancelled, std::move(message)};
  }
  static Status unsupported(std::string message) {
    return {StatusCode::kUnsupported, std::move(message)};
  }

  bool is_ok() const { return code_ == StatusCode::kOk; }
  explicit operator bool() const { return is_ok(); }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure with `context` and ": " put before its message.
  Status with_context(std::string_view context) const;
  // "not_found: key 7"; "ok" where it is.
  std::string to_string() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

namespace internal {
[[noreturn]] void die_on_bad_result_access(const Status& status);
}  // namespace internal

// A value or the reason there is none. Reading the value of a failed Result ends the process with
// the status printed: check is_ok() first.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by intent
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by intent
    if (status_.is_ok()) internal::die_on_bad_result_access(status_);
  }

  bool is_ok() const { return value_.has_value(); }
  explicit operator bool() const { return is_ok(); }
  const Status& status() const { return status_; }

  T& value() & {
    check();
    return *value_;
  }
  const T& value() const& {
    check();
    return *value_;
  }
  // By value, so that `for (auto& x : call().value())` does not dangle.
  T value() && {
    check();
    return *std::move(value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void check() const {
    if (!value_.has_value()) internal::die_on_bad_result_access(status_);
  }
  std::optional<T> value_;
  Status status_;
};

}  // namespace roxanne
