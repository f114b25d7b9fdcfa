#include "server/listener.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>

#include "server/problem.h"
#include "server/request_id.h"
#include "server/transports.h"

namespace roxanne::server {
namespace {

using boost::system::error_code;
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kRefusedTime = std::chrono::milliseconds(500);
constexpr size_t kRefusedHeldMax = 256;

Status failed(const Address& address, const error_code& error) {
  return Status::io_error("cannot listen on " + address.host + ":" + std::to_string(address.port) +
                          ": " + error.message());
}

}  // namespace

Listener::Listener(Shared& shared, std::vector<boost::asio::io_context*> contexts,
                   boost::asio::ssl::context* tls)
    : shared_(shared),
      contexts_(std::move(contexts)),
      tls_(tls),
      acceptor_(*contexts_.front()),
      pause_(*contexts_.front()) {}

Status Listener::listen(const Address& address) {
  error_code error;
  const boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::make_address(address.host, error),
                                                address.port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  return error ? failed(address, error) : Status::ok();
}

std::string Listener::address() const {
  error_code error;
  const auto endpoint = acceptor_.local_endpoint(error);
  if (error) return {};
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

void Listener::accept() {
  boost::asio::io_context& context = *contexts_[next_context_++ % contexts_.size()];
  acceptor_.async_accept(context, [this](const error_code& error, Socket socket) {
    on_accepted(error, std::move(socket));
  });
}

void Listener::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void Listener::on_accepted(const error_code& error, Socket socket) {
  // Stopped; what was accepted at that moment is closed with its socket.
  if (error == boost::asio::error::operation_aborted || !acceptor_.is_open()) return;
  if (error) {
    shared_.log.write(LogLevel::kWarning, "accept", json::Object().add("error", error.message()));
    pause_.expires_after(kPause);
    pause_.async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor_.is_open()) accept();
    });
    return;
  }
  begin_session(std::move(socket));
  accept();
}

void Listener::begin_session(Socket socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return;  // gone already
  forget_ended();
  if (sessions_.size() >= shared_.limits.connections_max) {
    refuse(std::move(socket),
           problem(ProblemCode::kOverloaded, "as many connections are open as may be"));
    return;
  }
  if (per_address_[address] >= shared_.limits.connections_per_address_max) {
    refuse(std::move(socket), problem(ProblemCode::kTooManyConnections,
                                      "as many connections are open from this address as may be"));
    return;
  }
  socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
  const auto executor = socket.get_executor();
  auto session = tls_ != nullptr ? make_tls_session(shared_, std::move(socket), *tls_)
                                 : make_tcp_session(shared_, std::move(socket));
  sessions_.push_back({session, address});
  ++per_address_[address];
  boost::asio::post(executor, [session] { session->start(); });
}

// Said at once, and the socket closed a little later: closing it over a request that was not read
// could take the answer away again.
void Listener::refuse(Socket socket, const Response& response) {
  shared_.metrics.connections_refused_total.fetch_add(1);
  if (tls_ != nullptr || refused_count_ == kRefusedHeldMax) return;
  std::string text;
  append_head(response, {.request_id = new_request_id(), .keep_alive = false}, text);
  text += response.body;
  (void)::send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  error_code ignored;
  socket.shutdown(Socket::shutdown_send, ignored);
  struct Held {
    Socket socket;
    boost::asio::steady_timer timer;
  };
  auto held = std::make_shared<Held>(
      Held{std::move(socket), boost::asio::steady_timer(*contexts_.front(), kRefusedTime)});
  ++refused_count_;
  held->timer.async_wait([this, held](const error_code&) { --refused_count_; });
}

void Listener::forget_ended() {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (!at->session.expired()) {
      ++at;
      continue;
    }
    const auto count = per_address_.find(at->address);
    if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
    at = sessions_.erase(at);
  }
}

void Listener::for_each_session(const std::function<void(Session&)>& visit) {
  for (const Open& open : sessions_) {
    if (const auto session = open.session.lock()) visit(*session);
  }
  forget_ended();
}

}  // namespace roxanne::server
