// From a request to its answer, without sockets: who may, which route, and what it says.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/auth.h"
#include "server/call.h"
#include "server/hosts.h"
#include "server/request.h"
#include "server/response.h"
#include "server/routes.h"

namespace roxanne::server {

// What a request's head leads to: a route, or a refusal.
struct Admission {
  const Route* route = nullptr;
  std::optional<Response> refusal;
  std::string collection;
  std::string key;
  std::vector<std::pair<std::string, std::string>> parameters;
  bool has_binary_body = false;
  bool has_gzip_body = false;
  bool accepts_gzip = false;
  bool wants_binary = false;
};

// All calls may run at once from many threads.
class App {
 public:
  App(Context context, KeyRing keys, Hosts hosts = {})
      : context_(std::move(context)), keys_(std::move(keys)), hosts_(std::move(hosts)) {}

  // Before the body is there, so that nobody uploads what is refused anyway.
  Admission admit(const RequestHead& head) const;
  // An admitted request's answer. Throws nothing.
  Response handle(const Admission& admission, const Request& request) const noexcept;
  // The same where sockets are served, if it is certain to be short; else kElsewhere.
  Response handle_here(const Admission& admission, const Request& request) const noexcept;

  const Context& context() const { return context_; }

 private:
  Response call(const Admission& admission, const Request& request, bool is_here) const noexcept;
  Response call_unpacked(const Admission& admission, const Request& request) const;
  std::optional<Response> refuse_access(const Route* route, const RequestHead& head) const;

  Context context_;
  KeyRing keys_;
  Hosts hosts_;
};

}  // namespace roxanne::server
