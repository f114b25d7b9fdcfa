// What several handlers read from a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/roxanne.h"
#include "server/answer_json.h"
#include "server/call.h"
#include "server/response.h"

namespace roxanne::server {

// "payload", "vector". kInvalidArgument.
Result<WithFields> parse_with(const std::vector<std::string>& names);

// When a read that begins now is stopped.
Deadline deadline_of(const Limits& limits);
// A failure of such a read: says of one that was stopped which limit that was.
Response read_problem(const Status& status, const Limits& limits);

// The parameters behind "?", each known, each once.
class Parameters {
 public:
  explicit Parameters(const Call& call) : call_(call) {}
  std::optional<std::string_view> text(std::string_view name);
  Result<std::optional<uint64_t>> number(std::string_view name);
  Result<bool> flag(std::string_view name);              // "true", "false"; absent: false
  Result<WithFields> with(const WithFields& otherwise);  // "with=payload,vector"
  // After all that a handler knows were asked for: kInvalidArgument where others, or one twice,
  // are there.
  Status check_rest() const;

 private:
  const Call& call_;
  std::vector<std::string_view> known_;
};

}  // namespace roxanne::server
