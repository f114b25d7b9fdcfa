// Text of protocols, file names and flags, whose case and blanks mean nothing. Other bytes than
// ASCII letters are left as they are.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace roxanne::base {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

// Whether they differ in case at most. `word` is in lower case.
inline bool same_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower(a) == b; });
}

// Without the blanks around it.
inline std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  const size_t last = text.find_last_not_of(kBlanks);
  return text.substr(begin, last == std::string_view::npos ? 0 : last + 1 - begin);
}

}  // namespace roxanne::base
