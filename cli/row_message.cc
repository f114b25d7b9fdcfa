#include "cli/row_message.h"

#include "base/key_text.h"
#include "cli/units.h"

namespace roxanne::cli {

std::string renumber_row(const std::string& message,
                         const std::function<uint64_t(uint64_t)>& source_row) {
  constexpr std::string_view kWord = "row ";
  const size_t found = message.rfind(kWord);
  if (found == std::string::npos) return message;
  const size_t first = found + kWord.size();
  size_t last = first;
  while (last < message.size() && message[last] >= '0' && message[last] <= '9') ++last;
  const auto row = base::parse_u64(std::string_view(message).substr(first, last - first));
  if (!row.has_value()) return message;
  return message.substr(0, first) + std::to_string(source_row(*row)) + message.substr(last);
}

}  // namespace roxanne::cli
