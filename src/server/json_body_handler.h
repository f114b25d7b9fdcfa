// What boost::json::basic_parser calls while it reads a body: see json_body.h.
#pragma once

#include <boost/json/basic_parser.hpp>
#include <string>

#include "json/parser_handler.h"
#include "json/payload_text.h"
#include "json/scalar_text.h"
#include "server/json_body.h"

namespace roxanne::server {

// Every callback returns false to stop, with problem() set.
class JsonBodyHandler : public json::ParserHandler {
 public:
  explicit JsonBodyHandler(std::span<const Member> members) : members_(members) {}
  const std::string& problem() const { return problem_; }
  // At the end.
  Status check_required() const;

  bool on_object_begin(error_code& error);
  bool on_object_end(size_t, error_code& error);
  bool on_array_begin(error_code& error);
  bool on_array_end(size_t, error_code& error);
  bool on_key_part(string_view text, size_t, error_code& error);
  bool on_key(string_view text, size_t, error_code& error);
  bool on_string_part(string_view text, size_t, error_code& error);
  bool on_string(string_view text, size_t, error_code& error);
  bool on_int64(int64_t number, string_view text, error_code& error);
  bool on_uint64(uint64_t number, string_view text, error_code& error);
  bool on_double(double number, string_view text, error_code& error);
  bool on_bool(bool value, error_code& error);
  bool on_null(error_code& error);

 private:
  // Where the parser is.
  enum class State : uint8_t { kOutside, kTop, kList, kRow, kPoint, kPayload, kHexKey };
  enum class PointField : uint8_t { kNone, kKey, kVector, kPayload };

  template <typename T>
  T* place() const {
    return member_ == nullptr ? nullptr : const_cast<T*>(std::get_if<T>(&member_->place));
  }
  bool fail(error_code& error, std::string problem);
  bool wrong(error_code& error, std::string_view found);
  std::string where() const;
  std::string expected() const;
  bool choose_member(error_code& error);
  bool choose_point_field(error_code& error);
  bool begin_row(Rows& rows, error_code& error);
  bool end_row(error_code& error);
  bool end_point(error_code& error);
  bool take_number(double number, string_view text, error_code& error);
  bool take_key(Keys& keys, uint64_t number, error_code& error);
  bool take_key(Keys& keys, std::string text, error_code& error);
  bool whole_number(uint64_t number, error_code& error);
  bool whole_text(error_code& error);
  bool may_be_string_key() const;
  bool take_hex(error_code& error);
  bool end_hex_key(error_code& error);
  bool check_payload(error_code& error);

  std::span<const Member> members_;
  const Member* member_ = nullptr;
  uint64_t seen_ = 0;  // a bit a member
  State state_ = State::kOutside;
  State row_within_ = State::kTop;  // where a row's end leads back to
  State key_within_ = State::kTop;  // the same of {"hex": ..}
  std::optional<std::string> hex_key_;
  size_t index_ = 0;  // of the list's item
  PointField field_ = PointField::kNone;
  unsigned fields_seen_ = 0;
  Rows* rows_ = nullptr;  // of the row that is read
  size_t column_ = 0;
  json::PutNumber put_number_ = nullptr;
  std::string text_;
  json::PayloadText payload_;
  std::string problem_;
};

}  // namespace roxanne::server
