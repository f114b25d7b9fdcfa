#include "server/json_body_handler.h"

#include <charconv>
#include <utility>

#include "base/status_macros.h"

namespace roxanne::server {
namespace {

constexpr size_t kShownBytesMax = 40;

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return std::string(text);
  return std::string(text.substr(0, kShownBytesMax)) + "...";
}

std::string_view view(boost::json::string_view text) { return {text.data(), text.size()}; }

std::string key_words(KeyType type) {
  return type == KeyType::kU64 ? "a whole number: the collection's keys are u64"
                               : "a string: the collection's keys are strings";
}

}  // namespace

bool JsonBodyHandler::fail(error_code& error, std::string problem) {
  problem_ = std::move(problem);
  // Any error stops the parser; what it was is in problem_.
  error = boost::json::make_error_code(boost::json::error::syntax);
  return false;
}

Status JsonBodyHandler::check_required() const {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (!members_[i].is_required || (seen_ >> i & 1) != 0) continue;
    return Status::invalid_argument(std::string(members_[i].name) + ": is missing");
  }
  return Status::ok();
}

std::string JsonBodyHandler::where() const {
  if (member_ == nullptr) return "the body";
  std::string text(member_->name);
  const State state = state_ == State::kHexKey ? key_within_ : state_;
  const bool in_list = state == State::kList || state == State::kPoint ||
                       state == State::kPayload ||
                       (state == State::kRow && row_within_ != State::kTop);
  if (in_list) text += "[" + std::to_string(index_) + "]";
  const bool in_point = state == State::kPoint || state == State::kPayload ||
                        (state == State::kRow && row_within_ == State::kPoint);
  if (in_point && field_ != PointField::kNone) {
    text += field_ == PointField::kKey      ? ".key"
            : field_ == PointField::kVector ? ".vector"
                                            : ".payload";
  }
  if (state == State::kRow) text += "[" + std::to_string(column_) + "]";
  return text;
}

// What may stand here.
std::string JsonBodyHandler::expected() const {
  if (state_ == State::kOutside) return "an object";
  if (state_ == State::kRow) return "a number";
  if (state_ == State::kHexKey) return "a string of two digits a byte";
  if (state_ == State::kPoint) {
    if (field_ == PointField::kVector) return "an array of numbers";
    if (field_ == PointField::kPayload) return "an object or null";
    return key_words((*place<Points*>())->keys.type);
  }
  const bool in_list = state_ == State::kList;
  if (place<std::optional<uint64_t>*>() != nullptr) return "a whole number";
  if (place<std::optional<bool>*>() != nullptr) return "true or false";
  if (place<std::optional<std::string>*>() != nullptr) return "a string";
  if (place<std::vector<std::string>*>() != nullptr) {
    return in_list ? "a string" : "an array of strings";
  }
  if (const auto* key = place<OneKey>()) return key_words(key->type);
  if (const auto* keys = place<Keys*>()) {
    return in_list ? key_words((*keys)->type) : "an array of keys";
  }
  if (place<OneRow>() != nullptr) return "an array of numbers";
  if (place<ManyRows>() != nullptr) {
    return in_list ? "an array of numbers" : "an array of arrays of numbers";
  }
  return in_list ? "an object with key and vector" : "an array of points";
}

bool JsonBodyHandler::wrong(error_code& error, std::string_view found) {
  return fail(error, where() + ": expected " + expected() + ", found " + std::string(found));
}

bool JsonBodyHandler::choose_member(error_code& error) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].name != text_) continue;
    if ((seen_ >> i & 1) != 0) return fail(error, text_ + ": is there twice");
    seen_ |= uint64_t{1} << i;
    member_ = &members_[i];
    text_.clear();
    return true;
  }
  std::string names;
  for (const Member& member : members_) {
    names += (names.empty() ? "" : ", ") + std::string(member.name);
  }
  return fail(error, "\"" + shown(text_) + "\" is not known here; there may be " +
                         (names.empty() ? "nothing" : names));
}

bool JsonBodyHandler::choose_point_field(error_code& error) {
  field_ = text_ == "key"       ? PointField::kKey
           : text_ == "vector"  ? PointField::kVector
           : text_ == "payload" ? PointField::kPayload
                                : PointField::kNone;
  const std::string name = std::exchange(text_, {});
  if (field_ == PointField::kNone) {
    return fail(error, where() + ": \"" + shown(name) +
                           "\" is not known here; a point has key, vector and payload");
  }
  const unsigned bit = 1u << static_cast<unsigned>(field_);
  if ((fields_seen_ & bit) != 0) return fail(error, where() + ": is there twice");
  fields_seen_ |= bit;
  return true;
}

bool JsonBodyHandler::begin_row(Rows& rows, error_code& error) {
  if (rows.count == rows.count_max) {
    return fail(error, where() + ": more than the " + std::to_string(rows.count_max) +
                           " vectors that one request may have");
  }
  rows_ = &rows;
  put_number_ = json::put_number_of(rows.type);
  column_ = 0;
  row_within_ = state_;
  state_ = State::kRow;
  return true;
}

bool JsonBodyHandler::end_row(error_code& error) {
  state_ = row_within_;
  if (column_ != rows_->dim) {
    return fail(error, where() + ": " + std::to_string(column_) +
                           " numbers, but the collection's vectors have " +
                           std::to_string(rows_->dim));
  }
  ++rows_->count;
  if (state_ == State::kList) ++index_;
  return true;
}

bool JsonBodyHandler::end_point(error_code& error) {
  state_ = State::kList;
  field_ = PointField::kNone;
  Points& points = **place<Points*>();
  if (points.keys.size() != points.rows.count || points.keys.size() != index_ + 1) {
    return fail(error, where() + ": a point needs both key and vector");
  }
  points.payloads.resize(points.keys.size());
  ++index_;
  return true;
}

bool JsonBodyHandler::take_number(double number, string_view text, error_code& error) {
  if (state_ == State::kPayload) {
    payload_.add_value(view(text));
    return check_payload(error);
  }
  if (state_ != State::kRow) return wrong(error, shown(view(text)));
  if (column_ == rows_->dim) {
    return fail(error, where() + ": one number too many; the collection's vectors have " +
                           std::to_string(rows_->dim));
  }
  std::byte element[sizeof(float)];
  if (!put_number_(number, view(text), element)) {
    return fail(error, where() + ": expected " + std::string(scalar_type_name(rows_->type)) +
                           " values, found " + shown(view(text)));
  }
  rows_->bytes.insert(rows_->bytes.end(), element, element + scalar_bytes(rows_->type));
  ++column_;
  return true;
}

bool JsonBodyHandler::take_key(Keys& keys, uint64_t number, error_code& error) {
  if (keys.type != KeyType::kU64) return wrong(error, std::to_string(number));
  if (keys.size() == keys.count_max) {
    return fail(error, where() + ": more than the " + std::to_string(keys.count_max) +
                           " keys that one request may have");
  }
  keys.numbers.push_back(number);
  return true;
}

bool JsonBodyHandler::take_key(Keys& keys, std::string text, error_code& error) {
  if (keys.type != KeyType::kString) return wrong(error, "a string");
  if (text.empty() || text.size() > kKeyBytesMax) {
    return fail(error, where() + ": a key has 1 to " + std::to_string(kKeyBytesMax) + " bytes");
  }
  if (keys.size() == keys.count_max) {
    return fail(error, where() + ": more than the " + std::to_string(keys.count_max) +
                           " keys that one request may have");
  }
  keys.strings.push_back(std::move(text));
  return true;
}

// A number that is no element of a vector.
bool JsonBodyHandler::whole_number(uint64_t number, error_code& error) {
  if (state_ == State::kPoint && field_ == PointField::kKey) {
    return take_key((*place<Points*>())->keys, number, error);
  }
  if (state_ == State::kList) {
    const auto* keys = place<Keys*>();
    if (keys == nullptr) return wrong(error, std::to_string(number));
    if (!take_key(**keys, number, error)) return false;
    ++index_;
    return true;
  }
  if (state_ == State::kTop) {
    if (const auto* out = place<std::optional<uint64_t>*>()) {
      **out = number;
      return true;
    }
    if (const auto* key = place<OneKey>(); key != nullptr && key->type == KeyType::kU64) {
      key->key->emplace(number);
      return true;
    }
  }
  return wrong(error, std::to_string(number));
}

// The string in text_ has ended.
bool JsonBodyHandler::whole_text(error_code& error) {
  std::string text = std::exchange(text_, {});
  if (state_ == State::kPoint && field_ == PointField::kKey) {
    return take_key((*place<Points*>())->keys, std::move(text), error);
  }
  if (state_ == State::kList) {
    if (const auto* keys = place<Keys*>()) {
      if (!take_key(**keys, std::move(text), error)) return false;
      ++index_;
      return true;
    }
    if (const auto* names = place<std::vector<std::string>*>()) {
      if ((*names)->size() == kNamesMax) return fail(error, where() + ": too many strings");
      (*names)->push_back(std::move(text));
      ++index_;
      return true;
    }
  }
  if (state_ == State::kTop) {
    if (const auto* out = place<std::optional<std::string>*>()) {
      **out = std::move(text);
      return true;
    }
    if (const auto* key = place<OneKey>(); key != nullptr && key->type == KeyType::kString) {
      key->key->emplace(std::move(text));
      return true;
    }
  }
  return wrong(error, "a string");
}

// Whether a string that stands here is a key.
bool JsonBodyHandler::may_be_string_key() const {
  if (state_ == State::kPoint) {
    return field_ == PointField::kKey && (*place<Points*>())->keys.type == KeyType::kString;
  }
  if (state_ == State::kList) {
    const auto* keys = place<Keys*>();
    return keys != nullptr && (*keys)->type == KeyType::kString;
  }
  const auto* key = place<OneKey>();
  return state_ == State::kTop && key != nullptr && key->type == KeyType::kString;
}

// text_ has a key's bytes, two digits each.
bool JsonBodyHandler::take_hex(error_code& error) {
  const std::string digits = std::exchange(text_, {});
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = digits.data() + i + 2;
    const auto [stop, code] = std::from_chars(digits.data() + i, end, byte, 16);
    if (code != std::errc() || stop != end) break;
    bytes += static_cast<char>(byte);
  }
  if (digits.empty() || 2 * bytes.size() != digits.size()) {
    return fail(error, where() + ": hex: expected two digits a byte, found " + shown(digits));
  }
  hex_key_ = std::move(bytes);
  return true;
}

bool JsonBodyHandler::end_hex_key(error_code& error) {
  state_ = key_within_;
  if (!hex_key_.has_value()) return wrong(error, "an object without hex");
  text_ = *std::exchange(hex_key_, std::nullopt);
  return whole_text(error);
}

bool JsonBodyHandler::check_payload(error_code& error) {
  if (payload_.text().size() <= kPayloadBytesMax) return true;
  return fail(error, where() + ": more than " + std::to_string(kPayloadBytesMax) + " bytes");
}

}  // namespace roxanne::server
