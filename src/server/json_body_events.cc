// The parser's events, by where they come.
#include <utility>

#include "server/json_body_handler.h"

namespace roxanne::server {
namespace {

std::string_view view(boost::json::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool JsonBodyHandler::on_object_begin(error_code& error) {
  if (state_ == State::kOutside && member_ == nullptr) {
    state_ = State::kTop;
    return true;
  }
  if (state_ == State::kList && place<Points*>() != nullptr) {
    state_ = State::kPoint;
    fields_seen_ = 0;
    return true;
  }
  if (may_be_string_key()) {
    key_within_ = std::exchange(state_, State::kHexKey);
    return true;
  }
  if (state_ == State::kPoint && field_ == PointField::kPayload) {
    state_ = State::kPayload;
    payload_.start();
  }
  if (state_ != State::kPayload) return wrong(error, "an object");
  payload_.open('{');
  return check_payload(error);
}

bool JsonBodyHandler::on_object_end(size_t, error_code& error) {
  if (state_ == State::kTop) {
    state_ = State::kOutside;
    return true;
  }
  if (state_ == State::kPoint) return end_point(error);
  if (state_ == State::kHexKey) return end_hex_key(error);
  if (payload_.close('}') == 0) {
    Points& points = **place<Points*>();
    points.payloads.resize(index_ + 1);
    points.payloads[index_] = std::move(payload_.text());
    points.has_payload = true;
    state_ = State::kPoint;
  }
  return check_payload(error);
}

bool JsonBodyHandler::on_array_begin(error_code& error) {
  switch (state_) {
    case State::kTop:
      index_ = 0;
      if (const auto* row = place<OneRow>()) return begin_row(*row->rows, error);
      if (place<ManyRows>() == nullptr && place<Keys*>() == nullptr &&
          place<Points*>() == nullptr && place<std::vector<std::string>*>() == nullptr) {
        return wrong(error, "an array");
      }
      state_ = State::kList;
      return true;
    case State::kList:
      if (const auto* rows = place<ManyRows>()) return begin_row(*rows->rows, error);
      return wrong(error, "an array");
    case State::kPoint:
      if (field_ == PointField::kVector) return begin_row((*place<Points*>())->rows, error);
      return wrong(error, "an array");
    case State::kPayload:
      payload_.open('[');
      return check_payload(error);
    case State::kOutside:
    case State::kRow:
    case State::kHexKey:
      break;
  }
  return wrong(error, "an array");
}

bool JsonBodyHandler::on_array_end(size_t, error_code& error) {
  if (state_ == State::kRow) return end_row(error);
  if (state_ == State::kPayload) {
    payload_.close(']');
    return check_payload(error);
  }
  state_ = State::kTop;
  return true;
}

bool JsonBodyHandler::on_key_part(string_view text, size_t, error_code& error) {
  if (state_ == State::kPayload) {
    payload_.add_text_part(view(text));
    return check_payload(error);
  }
  text_ += view(text);
  if (text_.size() <= kTextBytesMax) return true;
  return fail(error, "a member's name is too long");
}

bool JsonBodyHandler::on_key(string_view text, size_t size, error_code& error) {
  if (!on_key_part(text, size, error)) return false;
  if (state_ == State::kPoint) return choose_point_field(error);
  if (state_ == State::kTop) return choose_member(error);
  if (state_ == State::kHexKey) {
    const std::string name = std::exchange(text_, {});
    if (name == "hex" && !hex_key_.has_value()) return true;
    return fail(error, where() + R"(: expected {"hex": ..} once, found ")" + name + '"');
  }
  payload_.end_name();
  return true;
}

bool JsonBodyHandler::on_string_part(string_view text, size_t, error_code& error) {
  if (state_ == State::kPayload) {
    payload_.add_text_part(view(text));
    return check_payload(error);
  }
  text_ += view(text);
  const size_t bytes_max = state_ == State::kHexKey ? 2 * kKeyBytesMax : kTextBytesMax;
  if (text_.size() <= bytes_max) return true;
  return fail(error, where() + ": more than " + std::to_string(bytes_max) + " bytes");
}

bool JsonBodyHandler::on_string(string_view text, size_t size, error_code& error) {
  if (!on_string_part(text, size, error)) return false;
  if (state_ == State::kHexKey) return take_hex(error);
  if (state_ != State::kPayload) return whole_text(error);
  payload_.end_text();
  return true;
}

bool JsonBodyHandler::on_int64(int64_t number, string_view text, error_code& error) {
  if (state_ == State::kRow || state_ == State::kPayload || number < 0) {
    return take_number(static_cast<double>(number), text, error);
  }
  return whole_number(static_cast<uint64_t>(number), error);
}

bool JsonBodyHandler::on_uint64(uint64_t number, string_view text, error_code& error) {
  if (state_ == State::kRow || state_ == State::kPayload) {
    return take_number(static_cast<double>(number), text, error);
  }
  return whole_number(number, error);
}

bool JsonBodyHandler::on_double(double number, string_view text, error_code& error) {
  return take_number(number, text, error);
}

bool JsonBodyHandler::on_bool(bool value, error_code& error) {
  if (state_ == State::kPayload) {
    payload_.add_value(value ? "true" : "false");
    return check_payload(error);
  }
  if (state_ == State::kTop) {
    if (const auto* out = place<std::optional<bool>*>()) {
      **out = value;
      return true;
    }
  }
  return wrong(error, value ? "true" : "false");
}

bool JsonBodyHandler::on_null(error_code& error) {
  if (state_ == State::kPayload) {
    payload_.add_value("null");
    return check_payload(error);
  }
  if (state_ == State::kPoint && field_ == PointField::kPayload) return true;  // none
  return wrong(error, "null");
}

}  // namespace roxanne::server
