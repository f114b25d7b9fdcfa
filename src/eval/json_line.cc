#include "eval/json_line.h"

#include <utility>
namespace roxanne::eval {
namespace {

constexpr size_t kShownTextBytesMax = 40;

std::string shown(std::string_view text) {
  if (text.size() <= kShownTextBytesMax) return std::string(text);
  return std::string(text.substr(0, kShownTextBytesMax)) + "...";
}

}  // namespace

JsonLineHandler::JsonLineHandler(ScalarType type)
    : type_(type), put_number_(json::put_number_of(type)) {}

void JsonLineHandler::start_line(std::vector<std::byte>& elements) {
  elements_ = &elements;
  dim_ = 0;
  key_kind_ = JsonKey::kNone;
  text_key_.clear();
  payload_.start();
  text_.clear();
  problem_.clear();
  place_ = Place::kOutside;
  member_ = Member::kNone;
  seen_ = 0;
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
  payload_.open('{');
  return check_payload(error);
}

bool JsonLineHandler::on_object_end(size_t, error_code& error) {
  if (place_ != Place::kPayload) {
    place_ = Place::kOutside;
    return true;
  }
  if (payload_.close('}') == 0) place_ = Place::kLine;
  return check_payload(error);
}

bool JsonLineHandler::on_array_begin(error_code& error) {
  if (place_ == Place::kLine && member_ == Member::kVector) {
    place_ = Place::kVector;
    return true;
  }
  if (place_ != Place::kPayload) return wrong_value(error, "an array");
  payload_.open('[');
  return check_payload(error);
}

bool JsonLineHandler::on_array_end(size_t, error_code& error) {
  if (place_ == Place::kVector) {
    place_ = Place::kLine;
    if (dim_ == 0) return fail(error, "vector: expected at least one number");
    return true;
  }
  payload_.close(']');
  return check_payload(error);
}

bool JsonLineHandler::on_key_part(string_view text, size_t, error_code& error) {
  if (place_ != Place::kPayload) {
    text_.append(text.data(), text.size());
    return true;
  }
  payload_.add_text_part({text.data(), text.size()});
  return check_payload(error);
}

bool JsonLineHandler::on_key(string_view text, size_t size, error_code& error) {
  if (!on_key_part(text, size, error)) return false;
  if (place_ != Place::kPayload) return choose_member(error);
  payload_.end_name();
  return true;
}

bool JsonLineHandler::on_string_part(string_view text, size_t, error_code& error) {
  if (place_ == Place::kPayload) {
    payload_.add_text_part({text.data(), text.size()});
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
    payload_.end_text();
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
  payload_.add_value({text.data(), text.size()});
  return check_payload(error);
}

bool JsonLineHandler::check_payload(error_code& error) {
  if (payload_.text().size() <= kPayloadBytesMax) return true;
  return fail(error, "payload: expected at most " + std::to_string(kPayloadBytesMax) + " bytes");
}

}  // namespace roxanne::eval
