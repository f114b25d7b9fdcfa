#include "server/session.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cstring>
#include <utility>

#include "server/problem.h"
#include "server/request_id.h"

namespace roxanne::server {
namespace {

// The buffer holds the longest header and some of what follows.
constexpr size_t kBufferBytesMore = 8u << 10;
// A refused request's body up to this size is read and thrown away, so that its connection can go
// on.
constexpr uint64_t kThrownAwayBytesMax = 64u << 10;
// Smaller answers are not counted: as many as there may be connections take little.
constexpr uint64_t kCountedAnswerBytesMin = 16u << 10;
constexpr size_t kLingerBytesMax = 4u << 20;
constexpr auto kLingerTime = std::chrono::seconds(2);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Session::Session(Shared& shared, std::string peer)
    : shared_(shared),
      peer_(std::move(peer)),
      reader_(shared.limits),
      buffer_(new char[shared.limits.header_bytes_max + kBufferBytesMore]),
      capacity_(shared.limits.header_bytes_max + kBufferBytesMore) {
  enter(Phase::kStarting);
  shared_.metrics.connections.fetch_add(1);
  shared_.metrics.connections_total.fetch_add(1);
}

Session::~Session() {
  shared_.metrics.body_bytes_in_flight.fetch_sub(body_bytes_counted_);
  shared_.metrics.answer_bytes_in_flight.fetch_sub(answer_bytes_counted_);
  shared_.metrics.connections.fetch_sub(1);
}

void Session::enter(Phase phase) {
  const Limits& limits = shared_.limits;
  auto time = Clock::duration::max();
  switch (phase) {
    case Phase::kStarting:
    case Phase::kReading:
      time = std::chrono::milliseconds(limits.read_timeout_ms);
      break;
    case Phase::kIdle:
      time = std::chrono::milliseconds(limits.idle_timeout_ms);
      break;
    case Phase::kWriting:
      time = std::chrono::milliseconds(limits.write_timeout_ms);
      break;
    case Phase::kLingering:
      time = kLingerTime;
      break;
    case Phase::kAnswering:
      break;
  }
  deadline_ = time == Clock::duration::max() ? Clock::time_point::max().time_since_epoch().count()
                                             : (Clock::now() + time).time_since_epoch().count();
  phase_ = phase;
}

void Session::expire(Clock::time_point now) {
  const Phase phase = phase_;
  if (now.time_since_epoch().count() < deadline_ || phase == Phase::kAnswering) return;
  if (phase != Phase::kIdle && phase != Phase::kLingering) {
    shared_.metrics.timeouts_total.fetch_add(1);
  }
  cancel();
}

void Session::hasten(bool all) {
  const Phase phase = phase_;
  if (phase == Phase::kAnswering || (!all && phase != Phase::kIdle)) return;
  cancel();
}

void Session::pump() {
  while (step()) {
  }
}

bool Session::step() {
  size_t taken = 0;
  const auto progress = reader_.read({buffer_.get() + begin_, end_ - begin_}, taken);
  begin_ += taken;
  switch (progress) {
    case HttpReader::Progress::kNeedsMore:
      return wait_for_bytes();
    case HttpReader::Progress::kHead:
      return on_head();
    case HttpReader::Progress::kRequest:
      return dispatch();
    case HttpReader::Progress::kBroken:
      break;
  }
  Response refusal = reader_.refusal();
  refusal.close = true;
  return answer(std::move(refusal));
}

bool Session::wait_for_bytes() {
  if (!count_body()) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  if (free_bytes() == 0) {
    Response refusal = problem(ProblemCode::kMalformedRequest, "the request cannot be understood");
    refusal.close = true;
    return answer(std::move(refusal));
  }
  if (!reader_.has_begun()) {
    enter(Phase::kIdle);
    if (shared_.is_draining) return false;
  } else if (phase_ != Phase::kReading) {
    enter(Phase::kReading);
  }
  read_some();
  return false;
}

// Bodies of all connections together are bounded, by what has come of them: what a header only
// promises would let few clients shut out all others. False: the request is answered so.
bool Session::count_body() {
  const uint64_t bytes = reader_.request().body.size();
  if (bytes <= body_bytes_counted_) return true;
  const uint64_t more = bytes - body_bytes_counted_;
  const uint64_t before = shared_.metrics.body_bytes_in_flight.fetch_add(more);
  body_bytes_counted_ = bytes;
  if (before + more <= shared_.limits.body_bytes_in_flight_max) return true;
  // Before the answer is out: whoever hears of the refusal may count on the room.
  shared_.metrics.body_bytes_in_flight.fetch_sub(std::exchange(body_bytes_counted_, 0));
  Response refusal =
      problem(ProblemCode::kOverloaded, "the bodies of all requests together take too much memory");
  refusal.close = true;
  answer(std::move(refusal));
  return false;
}

// Answers of all connections together are bounded: one that would be too many is put away. Answers
// to writes are too small to be.
void Session::count_answer() {
  const uint64_t bytes = response_.body.size();
  if (bytes < kCountedAnswerBytesMin) return;
  const uint64_t most = shared_.limits.answer_bytes_in_flight_max;
  const uint64_t before = shared_.metrics.answer_bytes_in_flight.fetch_add(bytes);
  answer_bytes_counted_ = bytes;
  if (before + bytes <= most) return;
  shared_.metrics.answer_bytes_in_flight.fetch_sub(std::exchange(answer_bytes_counted_, 0));
  response_ =
      bytes > most
          ? problem(ProblemCode::kInvalidArgument,
                    "the answer would have " + std::to_string(bytes) + " bytes, more than " +
                        std::to_string(most) +
                        " (--answer-bytes-in-flight-max): ask for less at a time")
          : problem(ProblemCode::kOverloaded,
                    "the answers to all requests together take too much memory: clients are slow "
                    "to take them (--answer-bytes-in-flight-max)");
}

bool Session::on_head() {
  const RequestHead& head = reader_.request().head;
  admission_ = shared_.app.admit(head);
  if (!admission_.refusal.has_value()) {
    if (head.expects_continue && head.has_body()) write_now("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
  }
  const bool reads_on = !head.expects_continue && !head.is_chunked &&
                        head.content_length.value_or(0) <= kThrownAwayBytesMax;
  if (reads_on) return true;
  Response refusal = *admission_.refusal;
  refusal.close = true;
  return answer(std::move(refusal));
}

bool Session::dispatch() {
  if (!count_body()) return false;
  received_ = Clock::now();
  enter(Phase::kAnswering);
  if (Response response = shared_.app.handle_here(admission_, reader_.request());
      response.status != kElsewhere) {
    return answer(std::move(response));
  }
  if (push()) return false;
  shared_.metrics.queue_refused_total.fetch_add(1);
  return answer(problem(ProblemCode::kOverloaded, "too many requests wait already"));
}

bool Session::push() {
  switch (admission_.route->lane) {
    case Lane::kFirst:
      return shared_.searches.push_first(shared_from_this());
    case Lane::kWrite:
      return shared_.writes.push(shared_from_this());
    case Lane::kSearch:
    case Lane::kHere:
      break;
  }
  return shared_.searches.push(shared_from_this());
}

void Session::run() noexcept {
  const auto waited = Clock::now() - received_;
  const bool is_late = waited > std::chrono::milliseconds(shared_.limits.queue_timeout_ms) &&
                       admission_.route->lane != Lane::kFirst;
  const bool goes_on =
      answer(is_late ? problem(ProblemCode::kOverloaded, "the request waited too long in its queue")
                     : shared_.app.handle(admission_, reader_.request()));
  if (goes_on) pump();
}

// True where the answer is out and the connection goes on with what is in the buffer.
bool Session::answer(Response response) {
  const RequestHead& head = reader_.request().head;
  response_ = std::move(response);
  count_answer();
  keeps_alive_ = head.keep_alive && !response_.close && !shared_.is_draining;
  sends_body_ = head.method != Method::kHead;
  request_id_ = is_request_id(head.request_id) ? head.request_id : new_request_id();
  out_.clear();
  append_head(response_,
              {.request_id = request_id_, .keep_alive = keeps_alive_, .says_so = head.is_http_1_0},
              out_);
  const bool was_answering = phase_ == Phase::kAnswering;
  const double seconds = was_answering ? seconds_since(received_) : 0;
  shared_.metrics.add_response(admission_.route, response_.status);
  if (was_answering) shared_.metrics.add_time(admission_.route, seconds);
  if (shared_.log.has(response_.status >= 500 ? LogLevel::kWarning : LogLevel::kDebug)) {
    log_answer(seconds);
  }
  enter(Phase::kWriting);
  return write_all() && after_answer();
}

void Session::log_answer(double seconds) {
  const RequestHead& head = reader_.request().head;
  json::Object fields;
  fields.add("request_id", request_id_).add("peer", peer_);
  if (is_traceparent(head.traceparent)) fields.add("traceparent", head.traceparent);
  fields.add("method", method_name(head.method));
  // Not the target: it may hold keys of points. The route says enough.
  fields.add("route", admission_.route != nullptr ? admission_.route->path : "unknown");
  fields.add("status", static_cast<uint64_t>(response_.status));
  fields.add("request_bytes", uint64_t{reader_.request().body.size()});
  fields.add("response_bytes", uint64_t{response_.body.size()});
  fields.add("duration_us", static_cast<uint64_t>(seconds * 1e6));
  if (response_.status >= 500) fields.raw("problem", response_.body);
  shared_.log.write(response_.status >= 500 ? LogLevel::kWarning : LogLevel::kDebug, "request",
                    fields);
}

bool Session::after_answer() {
  response_ = Response();  // with its memory: connections may be idle for long
  admission_ = Admission();
  shared_.metrics.body_bytes_in_flight.fetch_sub(std::exchange(body_bytes_counted_, 0));
  if (answer_bytes_counted_ > 0) {
    shared_.metrics.answer_bytes_in_flight.fetch_sub(std::exchange(answer_bytes_counted_, 0));
  }
  reader_.start();  // without the body, which is not counted any more
  if (!keeps_alive_) {
    begin_ = end_ = 0;  // all of the buffer is free for what is thrown away
    enter(Phase::kLingering);
    end_sending();
    return false;
  }
  return true;
}

void Session::on_written(const boost::system::error_code& error) {
  if (!error && after_answer()) pump();
}

void Session::on_read(const boost::system::error_code& error, size_t bytes) {
  if (phase_ == Phase::kLingering) {
    lingered_bytes_ += bytes;
    if (!error && lingered_bytes_ <= kLingerBytesMax) read_some();
    return;
  }
  if (error) {
    // Cancelled by expire(): too slow. Whoever hung up gets nothing, nor does an idle one.
    if (error != boost::asio::error::operation_aborted || phase_ != Phase::kReading) return;
    Response refusal = problem(ProblemCode::kRequestTimeout, "the request did not arrive in time");
    refusal.close = true;
    answer(std::move(refusal));
    return;
  }
  end_ += bytes;
  pump();
}

}  // namespace roxanne::server
