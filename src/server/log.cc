#include "server/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace roxanne::server {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

class Log::Sink {
 public:
  Sink() : logger_("roxanne", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(spdlog::level::trace);
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc));
    logger_.flush_on(spdlog::level::debug);
  }
  void write(spdlog::level::level_enum level, std::string_view text) {
    logger_.log(level, spdlog::string_view_t(text.data(), text.size()));
  }

 private:
  spdlog::logger logger_;
};

std::optional<LogLevel> parse_log_level(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  if (name == "off") return LogLevel::kOff;
  return std::nullopt;
}

Log::Log(LogLevel level) : level_(level), sink_(std::make_unique<Sink>()) {}
Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, const json::Object& fields) {
  if (!has(level)) return;
  std::string text = "\"event\":" + json::quoted(event);
  const std::string more = fields.text();  // with its braces
  if (more.size() > 2) text += "," + more.substr(1, more.size() - 2);
  sink_->write(spdlog_level(level), text);
}

}  // namespace roxanne::server
