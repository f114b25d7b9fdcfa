// One line of a jsonl file, parsed in one pass without a tree:
// {"key":..,"vector":[..],"payload":..}.
#pragma once

#include <boost/json/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/parser_handler.h"
#include "json/payload_text.h"
#include "json/scalar_text.h"
#include "roxanne/types.h"

namespace roxanne::eval {

enum class JsonKey : uint8_t { kNone, kNumber, kString };

// The parser's handler: takes the vector's numbers as they come and copies the payload's text
// without its spaces. Every callback returns false to stop, with problem() set.
class JsonLineHandler : public json::ParserHandler {
 public:
  explicit JsonLineHandler(ScalarType type);

  // Elements are appended to `elements`, which outlives the line.
  void start_line(std::vector<std::byte>& elements);

  JsonKey key_kind() const { return key_kind_; }
  uint64_t number_key() const { return number_key_; }
  std::string& text_key() { return text_key_; }
  bool has_vector() const { return (seen_ & bit(Member::kVector)) != 0; }
  size_t dim() const { return dim_; }
  std::string& payload() { return payload_.text(); }
  const std::string& problem() const { return problem_; }

  // What boost::json::basic_parser asks of a handler.
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
  enum class Member : uint8_t { kNone, kKey, kVector, kPayload };
  // Where the parser is: outside, in the line's object, in its vector, in its payload.
  enum class Place : uint8_t { kOutside, kLine, kVector, kPayload };

  static constexpr unsigned bit(Member member) { return 1u << static_cast<unsigned>(member); }
  bool fail(error_code& error, std::string problem);
  bool wrong_value(error_code& error, const char* found);
  bool choose_member(error_code& error);
  bool take_number(double number, string_view text, error_code& error);
  bool add_payload_value(string_view text, error_code& error);
  bool check_payload(error_code& error);

  ScalarType type_;
  json::PutNumber put_number_;
  std::vector<std::byte>* elements_ = nullptr;
  size_t dim_ = 0;
  JsonKey key_kind_ = JsonKey::kNone;
  uint64_t number_key_ = 0;
  std::string text_key_;
  json::PayloadText payload_;
  std::string text_;  // the line's member name so far
  std::string problem_;
  Place place_ = Place::kOutside;
  Member member_ = Member::kNone;
  unsigned seen_ = 0;  // a bit a member
};

}  // namespace roxanne::eval
