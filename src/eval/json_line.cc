#include "eval/json_line.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/coding.h"
#include "base/f16.h"
#include "eval/json_text.h"

namespace roxanne::eval {
namespace {

template <typename T>
void store(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

// The nearest float of the text itself: the parser's double may be off in its last bit, and
// rounding twice can go wrong. Where the text is out of range it is too large or too near zero;
// the double tells which.
bool to_float(double number, std::string_view text, float& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) value = static_cast<float>(number);
  return std::isfinite(value);
}

bool put_f32(double number, std::string_view text, std::byte* out) {
  float value = 0;
  if (!to_float(number, text, value)) return false;
  store(out, value);
  return true;
}

bool put_f16(double number, std::string_view text, std::byte* out) {
  float value = 0;
  if (!to_float(number, text, value)) return false;
  const uint16_t half = base::f32_to_f16(value);
  store(out, half);
  return std::isfinite(base::f16_to_f32(half));
}

template <typename T>
bool put_integer(double number, std::string_view, std::byte* out) {
  if (!(number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max())) {
    return false;
  }
  store(out, static_cast<T>(number));
  return number == std::trunc(number);
}

constexpr size_t kShownTextBytesMax = 40;

std::string shown(std::string_view text) {
  if (text.size() <= kShownTextBytesMax) return std::string(text);
  return std::string(text.substr(0, kShownTextBytesMax)) + "...";
}

}  // namespace

JsonLineHandler::JsonLineHandler(ScalarType type) : type_(type) {
  switch (type) {
    case ScalarType::kF32:
      put_number_ = put_f32;
      break;
    case ScalarType::kF16:
      put_number_ = put_f16;
      break;
    case ScalarType::kU8:
      put_number_ = put_integer<uint8_t>;
      break;
    case ScalarType::kI8:
      put_number_ = put_integer<int8_t>;
      break;
  }
}

void JsonLineHandler::start_line(std::vector<std::byte>& elements) {
  elements_ = &elements;
  dim_ = 0;
  key_kind_ = JsonKey::kNone;
  text_key_.clear();
  payload_.clear();
  text_.clear();
  problem_.clear();
  place_ = Place::kOutside;
  member_ = Member::kNone;
  seen_ = 0;
  payload_depth_ = 0;
  needs_comma_ = false;
  inside_text_ = false;
}

bool JsonLineHandler::fail(error_code& error, std::string problem) {
  problem_ = std::move(problem);
  // Any error stops the parser; what it was is in problem_.
  error = boost::json::make_error_code(boost::json::error::syntax);
  return false;
}

bool JsonLineHandler::wrong_value(error_code& error, const char* found) {
  const std::string in = std::string(", found ") + found;
  if (place_ == Place::kOutside) return fail(error, "expected an object" + in);
  if (place_ == Place::kVector) return fail(error, "vector: expected only numbers" + in);
  switch (member_) {
    case Member::kKey:
      return fail(error, "key: expected a string or a whole number" + in);
    case Member::kVector:
      return fail(error, "vector: expected an array of numbers" + in);
    default:
      return fail(error, "payload: expected an object" + in);
  }
}

bool JsonLineHandler::choose_member(error_code& error) {
  if (text_ == "key") {
    member_ = Member::kKey;
  } else if (text_ == "vector") {
    member_ = Member::kVector;
  } else if (text_ == "payload") {
    member_ = Member::kPayload;
  } else {
    return fail(error, "expected key, vector and payload only, found \"" + shown(text_) + "\"");
  }
  if ((seen_ & bit(member_)) != 0) return fail(error, "found " + text_ + " twice");
  seen_ |= bit(member_);
  text_.clear();
  return true;
}

bool JsonLineHandler::on_object_begin(error_code& error) {
  if (place_ == Place::kOutside) {
    place_ = Place::kLine;
    return true;
  }
  if (place_ == Place::kLine && member_ == Member::kPayload) place_ = Place::kPayload;
  if (place_ != Place::kPayload) return wrong_value(error, "an object");
  separate_payload();
  payload_ += '{';
  payload_depth_++;
  needs_comma_ = false;
  return check_payload(error);
}

bool JsonLineHandler::on_object_end(size_t, error_code& error) {
  if (place_ != Place::kPayload) {
    place_ = Place::kOutside;
    return true;
  }
  payload_ += '}';
  needs_comma_ = true;
  if (--payload_depth_ == 0) place_ = Place::kLine;
  return check_payload(error);
}

bool JsonLineHandler::on_array_begin(error_code& error) {
  if (place_ == Place::kLine && member_ == Member::kVector) {
    place_ = Place::kVector;
    return true;
  }
  if (place_ != Place::kPayload) return wrong_value(error, "an array");
  separate_payload();
  payload_ += '[';
  payload_depth_++;
  needs_comma_ = false;
  return check_payload(error);
}

bool JsonLineHandler::on_array_end(size_t, error_code& error) {
  if (place_ == Place::kVector) {
    place_ = Place::kLine;
    if (dim_ == 0) return fail(error, "vector: expected at least one number");
    return true;
  }
  payload_ += ']';
  payload_depth_--;
  needs_comma_ = true;
  return check_payload(error);
}

bool JsonLineHandler::on_key_part(string_view text, size_t, error_code& error) {
  if (place_ != Place::kPayload) {
    text_.append(text.data(), text.size());
    return true;
  }
  if (!std::exchange(inside_text_, true)) {
    separate_payload();
    payload_ += '"';
  }
  append_json_escaped(payload_, {text.data(), text.size()});
  return check_payload(error);
}

bool JsonLineHandler::on_key(string_view text, size_t size, error_code& error) {
  if (!on_key_part(text, size, error)) return false;
  if (place_ != Place::kPayload) return choose_member(error);
  payload_ += "\":";
  inside_text_ = false;
  needs_comma_ = false;
  return true;
}

bool JsonLineHandler::on_string_part(string_view text, size_t, error_code& error) {
  if (place_ == Place::kPayload) {
    if (!std::exchange(inside_text_, true)) {
      separate_payload();
      payload_ += '"';
    }
    append_json_escaped(payload_, {text.data(), text.size()});
    return check_payload(error);
  }
  if (place_ != Place::kLine || member_ != Member::kKey) return wrong_value(error, "a string");
  text_key_.append(text.data(), text.size());
  if (text_key_.size() <= kKeyBytesMax) return true;
  return fail(error, "key: expected at most " + std::to_string(kKeyBytesMax) + " bytes");
}

bool JsonLineHandler::on_string(string_view text, size_t size, error_code& error) {
  if (!on_string_part(text, size, error)) return false;
  if (place_ == Place::kPayload) {
    payload_ += '"';
    inside_text_ = false;
    needs_comma_ = true;
    return true;
  }
  key_kind_ = JsonKey::kString;
  return true;
}

bool JsonLineHandler::take_number(double number, string_view text, error_code& error) {
  if (place_ == Place::kPayload) return add_payload_value(text, error);
  if (place_ != Place::kVector) return wrong_value(error, "a number");
  if (dim_ == kDimMax) {
    return fail(error, "vector: expected at most " + std::to_string(kDimMax) + " numbers");
  }
  const size_t bytes = scalar_bytes(type_);
  std::byte element[sizeof(float)];
  if (!put_number_(number, {text.data(), text.size()}, element)) {
    return fail(error, "vector: expected " + std::string(scalar_type_name(type_)) +
                           " values, found " + shown({text.data(), text.size()}) + " as number " +
                           std::to_string(dim_ + 1));
  }
  elements_->insert(elements_->end(), element, element + bytes);
  dim_++;
  return true;
}

bool JsonLineHandler::on_int64(int64_t number, string_view text, error_code& error) {
  if (place_ != Place::kLine) return take_number(static_cast<double>(number), text, error);
  if (member_ == Member::kKey && number >= 0) {
    return on_uint64(static_cast<uint64_t>(number), text, error);
  }
  return wrong_value(error, number < 0 ? "a negative number" : "a number");
}

bool JsonLineHandler::on_uint64(uint64_t number, string_view text, error_code& error) {
  if (place_ != Place::kLine) return take_number(static_cast<double>(number), text, error);
  if (member_ != Member::kKey) return wrong_value(error, "a number");
  key_kind_ = JsonKey::kNumber;
  number_key_ = number;
  return true;
}

bool JsonLineHandler::on_double(double number, string_view text, error_code& error) {
  if (place_ != Place::kLine) return take_number(number, text, error);
  return wrong_value(error, "a number with a fraction or above 2^64 - 1");
}

bool JsonLineHandler::on_bool(bool value, error_code& error) {
  if (place_ != Place::kPayload) return wrong_value(error, value ? "true" : "false");
  return add_payload_value(value ? "true" : "false", error);
}

bool JsonLineHandler::on_null(error_code& error) {
  if (place_ == Place::kPayload) return add_payload_value("null", error);
  if (place_ == Place::kLine && member_ == Member::kPayload) return true;  // none
  return wrong_value(error, "null");
}

bool JsonLineHandler::add_payload_value(string_view text, error_code& error) {
  separate_payload();
  payload_.append(text.data(), text.size());
  needs_comma_ = true;
  return check_payload(error);
}

void JsonLineHandler::separate_payload() {
  if (needs_comma_) payload_ += ',';
}

bool JsonLineHandler::check_payload(error_code& error) {
  if (payload_.size() <= kPayloadBytesMax) return true;
  return fail(error, "payload: expected at most " + std::to_string(kPayloadBytesMax) + " bytes");
}

}  // namespace roxanne::eval
