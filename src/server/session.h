// A connection: reads requests, has them answered, one after the other, and keeps its times.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "server/app.h"
#include "server/http_reader.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/work_queue.h"

namespace roxanne::server {

using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
using Clock = std::chrono::steady_clock;

// What all connections share. Outlives them.
struct Shared {
  const App& app;
  const Limits& limits;
  Metrics& metrics;
  Log& log;
  WorkQueue& searches;
  WorkQueue& writes;
  std::atomic<bool> is_draining{false};  // answers end their connection
};

// Has one owner at a time: the thread of its io_context, or, while a request is answered, the
// worker that answers it. Only expire() and hasten() come from elsewhere.
class Session : public Job, public std::enable_shared_from_this<Session> {
 public:
  Session(Shared& shared, std::string peer);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  virtual void start() = 0;
  void run() noexcept override;  // on a worker: answers request()

  // Ends what waits for the client longer than it may.
  void expire(Clock::time_point now);
  // Ends what waits for another request; with `all` also what waits for anything of the client.
  void hasten(bool all);

 protected:
  enum class Phase : uint8_t {
    kStarting,   // TLS' handshake
    kIdle,       // between requests
    kReading,    // within one
    kAnswering,  // in a queue, or with a worker
    kWriting,    // the client takes its answer
    kLingering,  // the answer is out; what the client still sends is thrown away
  };
  void enter(Phase phase);
  Phase phase() const { return phase_; }

  // What transports do.
  virtual void read_some() = 0;  // then on_read()
  virtual bool write_all() = 0;  // of out_ and response_.body; false: on_written() follows
  virtual void write_now(std::string_view text) = 0;  // a few bytes, or nothing
  virtual void end_sending() = 0;  // then read_some() where the client may go on sending
  virtual void cancel() = 0;       // operations under way; from any thread

  void on_read(const boost::system::error_code& error, size_t bytes);
  void on_written(const boost::system::error_code& error);

  // Where read_some() reads to.
  char* free_begin() { return buffer_.get() + end_; }
  size_t free_bytes() const { return capacity_ - end_; }

  Shared& shared_;
  std::string out_;  // the answer's head
  Response response_;
  bool sends_body_ = true;  // not to a HEAD

 private:
  // Whether there is more to do now; else an operation under way, or a worker, goes on.
  bool step();
  void pump();
  bool on_head();
  bool dispatch();
  bool push();
  bool answer(Response response);
  bool after_answer();
  bool wait_for_bytes();
  bool count_body();
  void count_answer();
  void log_answer(double seconds);

  const std::string peer_;
  HttpReader reader_;
  Admission admission_;
  std::unique_ptr<char[]> buffer_;
  const size_t capacity_;
  size_t begin_ = 0, end_ = 0;  // bytes of it that are not taken yet
  uint64_t body_bytes_counted_ = 0;
  uint64_t answer_bytes_counted_ = 0;
  size_t lingered_bytes_ = 0;
  bool keeps_alive_ = true;
  std::string request_id_;
  Clock::time_point received_;  // the request's last byte
  std::atomic<Phase> phase_{Phase::kStarting};
  std::atomic<Clock::time_point::rep> deadline_;
};

}  // namespace roxanne::server
