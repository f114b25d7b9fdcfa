#include "server/transports.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <utility>

namespace roxanne::server {
namespace {

using boost::asio::const_buffer;
using boost::system::error_code;

std::string peer_of(const Socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "unknown" : endpoint.address().to_string();
}

class TcpSession final : public Session {
 public:
  TcpSession(Shared& shared, Socket socket)
      : Session(shared, peer_of(socket)), socket_(std::move(socket)) {}

  void start() override {
    on_read({}, 0);  // nothing is there yet: reads
  }

 private:
  std::shared_ptr<TcpSession> self() {
    return std::static_pointer_cast<TcpSession>(shared_from_this());
  }

  void read_some() override {
    const std::lock_guard lock(mutex_);
    socket_.async_read_some(
        boost::asio::buffer(free_begin(), free_bytes()),
        [self = self()](const error_code& error, size_t bytes) { self->on_read(error, bytes); });
  }

  // From whichever thread has the answer: as a rule the socket takes it at once, and no other
  // thread need be woken.
  bool write_all() override {
    const size_t all = out_.size() + (sends_body_ ? response_.body.size() : 0);
    std::array<iovec, 2> pieces = {
        {{out_.data(), out_.size()}, {response_.body.data(), response_.body.size()}}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = sends_body_ ? 2 : 1;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    const size_t done = sent > 0 ? static_cast<size_t>(sent) : 0;
    if (done == all) return true;
    // What is left, or the error once more.
    const size_t of_head = std::min(done, out_.size());
    const std::array<const_buffer, 2> rest = {
        const_buffer(out_.data() + of_head, out_.size() - of_head),
        const_buffer(response_.body.data() + (done - of_head),
                     sends_body_ ? response_.body.size() - (done - of_head) : 0)};
    const std::lock_guard lock(mutex_);
    boost::asio::async_write(socket_, rest, [self = self()](const error_code& error, size_t) {
      self->on_written(error);
    });
    return false;
  }

  void write_now(std::string_view text) override {
    (void)::send(socket_.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  void end_sending() override {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    read_some();
  }

  void cancel() override {
    const std::lock_guard lock(mutex_);
    error_code ignored;
    socket_.cancel(ignored);
  }

  std::mutex mutex_;  // guards the beginning and the cancelling of operations
  Socket socket_;     // closed when the session ends, and not before
};

// All of it on the thread of its io_context: a TLS stream reads where it writes.
class TlsSession final : public Session {
 public:
  TlsSession(Shared& shared, Socket socket, boost::asio::ssl::context& tls)
      : Session(shared, peer_of(socket)), stream_(std::move(socket), tls) {}

  void start() override {
    stream_.async_handshake(boost::asio::ssl::stream_base::server,
                            [self = self()](const error_code& error) {
                              if (!error) self->on_read({}, 0);
                            });
  }

 private:
  std::shared_ptr<TlsSession> self() {
    return std::static_pointer_cast<TlsSession>(shared_from_this());
  }

  // What is thrown away need not be understood, and after close_notify cannot be.
  void read_some() override {
    const auto to = boost::asio::buffer(free_begin(), free_bytes());
    const auto then = [self = self()](const error_code& error, size_t bytes) {
      self->on_read(error, bytes);
    };
    if (phase() == Phase::kLingering) {
      stream_.next_layer().async_read_some(to, then);
    } else {
      stream_.async_read_some(to, then);
    }
  }

  bool write_all() override {
    boost::asio::post(stream_.get_executor(), [self = self()] {
      // A stream writes one thing at a time.
      self->answer_waits_ = self->writes_interim_;
      if (!self->answer_waits_) self->write_answer();
    });
    return false;
  }

  void write_now(std::string_view text) override {
    if (std::exchange(writes_interim_, true)) return;
    interim_ = text;
    boost::asio::async_write(stream_, boost::asio::buffer(interim_),
                             [self = self()](const error_code&, size_t) {
                               self->writes_interim_ = false;
                               // Where that failed, so does this, and says so.
                               if (std::exchange(self->answer_waits_, false)) self->write_answer();
                             });
  }

  void write_answer() {
    const std::array<const_buffer, 2> all = {
        boost::asio::buffer(out_),
        const_buffer(response_.body.data(), sends_body_ ? response_.body.size() : 0)};
    boost::asio::async_write(stream_, all, [self = self()](const error_code& error, size_t) {
      self->on_written(error);
    });
  }

  void end_sending() override {
    stream_.async_shutdown([self = self()](const error_code& error) {
      // Whoever still sends is told to stop, and read from: else the answer could be lost.
      if (error == boost::asio::error::operation_aborted) return;
      error_code ignored;
      self->stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
      self->read_some();
    });
  }

  void cancel() override {
    boost::asio::post(stream_.get_executor(), [self = self()] {
      error_code ignored;
      self->stream_.next_layer().cancel(ignored);
    });
  }

  boost::asio::ssl::stream<Socket> stream_;
  std::string interim_;          // "100 Continue"
  bool writes_interim_ = false;  // it is under way
  bool answer_waits_ = false;    // for that
};

}  // namespace

std::shared_ptr<Session> make_tcp_session(Shared& shared, Socket socket) {
  return std::make_shared<TcpSession>(shared, std::move(socket));
}

std::shared_ptr<Session> make_tls_session(Shared& shared, Socket socket,
                                          boost::asio::ssl::context& tls) {
  return std::make_shared<TlsSession>(shared, std::move(socket), tls);
}

}  // namespace roxanne::server
