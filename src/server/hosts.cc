#include "server/hosts.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/ascii.h"
#include "base/key_text.h"

namespace roxanne::server {
namespace {

constexpr size_t kHostBytesMax = 253;  // of a name (RFC 1035)

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(std::string_view text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= kHostBytesMax &&
         std::all_of(text.begin(), text.end(), is_fine);
}

// An address in brackets, or none.
std::string_view in_brackets(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return {};
  return text.substr(1, text.size() - 2);
}

bool is_v6(std::string_view text) {
  boost::system::error_code error;
  boost::asio::ip::make_address_v6(std::string(in_brackets(text)), error);
  return !error;
}

bool is_of_this_machine(std::string_view host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  if (const std::string_view v6 = in_brackets(host); !v6.empty()) {
    return boost::asio::ip::make_address_v6(std::string(v6), error).is_loopback() && !error;
  }
  return boost::asio::ip::make_address_v4(std::string(host), error).is_loopback() && !error;
}

std::string_view without_port(std::string_view host) {
  size_t end = host.size();
  while (end > 0 && is_digit(host[end - 1])) --end;
  return end > 0 && host[end - 1] == ':' ? host.substr(0, end - 1) : host;
}

}  // namespace

Result<Hosts> Hosts::parse(std::string_view others) {
  Hosts hosts;
  hosts.allows_all_ = false;
  while (!others.empty()) {
    const size_t end = std::min(others.find(','), others.size());
    const std::string name = base::lower(others.substr(0, end));
    others.remove_prefix(std::min(end + 1, others.size()));
    if (!is_name(name) && !is_v6(name)) {
      return Status::invalid_argument("allowed-hosts: " + base::quoted(name) +
                                      " is no name of a host; write NAME,NAME without schemes, "
                                      "ports and spaces");
    }
    hosts.others_.push_back(name);
  }
  return hosts;
}

bool Hosts::allow(std::string_view host) const {
  if (allows_all_) return true;
  // Browsers always name one.
  if (host.empty()) return true;
  const std::string name = base::lower(without_port(host));
  return is_of_this_machine(name) ||
         std::find(others_.begin(), others_.end(), name) != others_.end();
}

}  // namespace roxanne::server
