#include "json/payload_text.h"

#include <utility>

#include "json/json_text.h"

namespace roxanne::json {

void PayloadText::start() {
  text_.clear();
  depth_ = 0;
  needs_comma_ = false;
  inside_text_ = false;
}

void PayloadText::separate() {
  if (needs_comma_) text_ += ',';
}

void PayloadText::open(char bracket) {
  separate();
  text_ += bracket;
  ++depth_;
  needs_comma_ = false;
}

size_t PayloadText::close(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
  return --depth_;
}

void PayloadText::add_text_part(std::string_view text) {
  if (!std::exchange(inside_text_, true)) {
    separate();
    text_ += '"';
  }
  append_json_escaped(text_, text);
}

void PayloadText::end_text() {
  text_ += '"';
  inside_text_ = false;
  needs_comma_ = true;
}

void PayloadText::end_name() {
  text_ += "\":";
  inside_text_ = false;
  needs_comma_ = false;
}

void PayloadText::add_value(std::string_view text) {
  separate();
  text_ += text;
  needs_comma_ = true;
}

}  // namespace roxanne::json
