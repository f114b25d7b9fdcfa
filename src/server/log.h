// Messages of a server: a JSON object a line, on stderr.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "json/json_object.h"

namespace roxanne::server {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
std::optional<LogLevel> parse_log_level(std::string_view name);  // "debug", "info", ...

// May be used from many threads at once.
class Log {
 public:
  explicit Log(LogLevel level);
  ~Log();

  // Ask first where the fields cost something to make.
  bool has(LogLevel level) const { return level >= level_; }
  // {"time": .., "level": .., "event": .., and the fields}
  void write(LogLevel level, std::string_view event, const json::Object& fields = {});

 private:
  class Sink;  // keeps spdlog out of this header
  LogLevel level_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace roxanne::server
