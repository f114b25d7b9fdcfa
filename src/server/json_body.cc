#include "server/json_body.h"

#include <boost/json/basic_parser_impl.hpp>

#include "server/json_body_handler.h"

namespace roxanne::server {
namespace {

// The body, its list of points, one of them, and what the engine lets its payload nest.
constexpr size_t kDepthMax = 3 + 32;

}  // namespace

Status read_json_body(std::string_view body, std::span<const Member> members) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::json::basic_parser<JsonBodyHandler> parser(options, members);
  boost::json::error_code error;
  const size_t parsed = parser.write_some(false, body.data(), body.size(), error);
  if (!parser.handler().problem().empty()) {
    return Status::invalid_argument(parser.handler().problem());
  }
  if (!error && parsed == body.size()) return parser.handler().check_required();
  if (error == boost::json::error::too_deep) {
    return Status::invalid_argument("the body nests too deep at byte " + std::to_string(parsed));
  }
  return Status::invalid_argument("the body is no JSON object from byte " + std::to_string(parsed) +
                                  " on");
}

}  // namespace roxanne::server
