// Sessions over TCP, and over TLS over TCP.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "server/session.h"

namespace roxanne::server {

std::shared_ptr<Session> make_tcp_session(Shared& shared, Socket socket);
// `tls` outlives it.
std::shared_ptr<Session> make_tls_session(Shared& shared, Socket socket,
                                          boost::asio::ssl::context& tls);

}  // namespace roxanne::server
