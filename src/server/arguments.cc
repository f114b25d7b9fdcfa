#include "server/arguments.h"

#include <algorithm>

#include "base/key_text.h"
#include "base/status_macros.h"
#include "server/problem.h"

namespace roxanne::server {

Deadline deadline_of(const Limits& limits) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(limits.search_timeout_ms);
}

Response read_problem(const Status& status, const Limits& limits) {
  if (status.code() != StatusCode::kCancelled) return problem(status);
  return problem(ProblemCode::kCancelled, "it was not done within " +
                                              std::to_string(limits.search_timeout_ms) +
                                              " ms (--search-timeout-ms): ask for less at a time");
}

Result<WithFields> parse_with(const std::vector<std::string>& names) {
  WithFields with;
  for (const std::string& name : names) {
    if (name == "payload") {
      with.payload = true;
    } else if (name == "vector") {
      with.vector = true;
    } else {
      return Status::invalid_argument("with: " + base::quoted(name) +
                                      " is not one of payload, vector");
    }
  }
  return with;
}

std::optional<std::string_view> Parameters::text(std::string_view name) {
  known_.push_back(name);
  for (const auto& [found, value] : call_.parameters) {
    if (found == name) return value;
  }
  return std::nullopt;
}

Result<std::optional<uint64_t>> Parameters::number(std::string_view name) {
  const auto value = text(name);
  if (!value.has_value()) return std::optional<uint64_t>();
  const auto number = base::parse_u64(*value);
  if (number.has_value()) return number;
  return Status::invalid_argument(std::string(name) + ": expected a whole number, found " +
                                  base::quoted(*value));
}

Result<bool> Parameters::flag(std::string_view name) {
  const auto value = text(name);
  if (!value.has_value() || *value == "false") return false;
  if (*value == "true") return true;
  return Status::invalid_argument(std::string(name) + ": expected true or false, found " +
                                  base::quoted(*value));
}

Result<WithFields> Parameters::with(const WithFields& otherwise) {
  const auto value = text("with");
  if (!value.has_value()) return otherwise;
  std::vector<std::string> names;
  for (std::string_view rest = *value; !rest.empty();) {
    const size_t end = std::min(rest.find(','), rest.size());
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return parse_with(names);
}

Status Parameters::check_rest() const {
  for (size_t i = 0; i < call_.parameters.size(); ++i) {
    const std::string& name = call_.parameters[i].first;
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      return Status::invalid_argument("the parameter " + base::quoted(name) + " is not known here");
    }
    for (size_t j = 0; j < i; ++j) {
      if (call_.parameters[j].first == name) {
        return Status::invalid_argument("the parameter " + base::quoted(name) + " is there twice");
      }
    }
  }
  return Status::ok();
}

}  // namespace roxanne::server
