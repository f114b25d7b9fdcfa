// To which names a server answers.
//
// A page of another site can make a browser send requests to this machine: its name is made to lead
// here (DNS rebinding). They come with that site's name as their Host, and with no key: where none
// is needed, the name is what tells them apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "roxanne/status.h"

namespace roxanne::server {

class Hosts {
 public:
  Hosts() = default;  // all
  // "localhost" and the machine's own addresses (127.0.0.0/8, [::1]), and those of `others`:
  // "NAME,NAME". kInvalidArgument.
  static Result<Hosts> parse(std::string_view others);

  // Of a Host field; its port, if any, may be any.
  bool allow(std::string_view host) const;

 private:
  bool allows_all_ = true;
  std::vector<std::string> others_;  // lower case
};

}  // namespace roxanne::server
