// Accepts connections, within limits, and knows those that are open.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "server/config.h"
#include "server/session.h"

namespace roxanne::server {

// All of it on the first context's thread.
class Listener {
 public:
  // `contexts` take turns; `tls` may be null.
  Listener(Shared& shared, std::vector<boost::asio::io_context*> contexts,
           boost::asio::ssl::context* tls);

  Status listen(const Address& address);
  std::string address() const;
  void accept();
  void stop();
  void for_each_session(const std::function<void(Session&)>& visit);

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp,
                                                      boost::asio::io_context::executor_type>;
  struct Open {
    std::weak_ptr<Session> session;
    boost::asio::ip::address address;
  };
  void on_accepted(const boost::system::error_code& error, Socket socket);
  void begin_session(Socket socket);
  void refuse(Socket socket, const Response& response);
  void forget_ended();

  Shared& shared_;
  std::vector<boost::asio::io_context*> contexts_;
  boost::asio::ssl::context* tls_;
  Acceptor acceptor_;
  boost::asio::steady_timer pause_;  // after what only time mends: no descriptors left
  size_t next_context_ = 0;
  size_t refused_count_ = 0;
  std::list<Open> sessions_;
  std::map<boost::asio::ip::address, size_t> per_address_;
};

}  // namespace roxanne::server
