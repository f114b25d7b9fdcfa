// A JSON value put together again from a parser's events, without its spaces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace roxanne::json {

class PayloadText {
 public:
  void start();
  void open(char bracket);     // '{' or '['
  size_t close(char bracket);  // '}' or ']'; how many are open after it
  // A string or a name may come in parts; the end closes it.
  void add_text_part(std::string_view text);
  void end_text();
  void end_name();
  void add_value(std::string_view text);  // a number, true, false or null

  std::string& text() { return text_; }
  const std::string& text() const { return text_; }

 private:
  void separate();

  std::string text_;
  size_t depth_ = 0;          // objects and arrays open
  bool needs_comma_ = false;  // before the next value or name
  bool inside_text_ = false;  // a string has begun
};

}  // namespace roxanne::json
