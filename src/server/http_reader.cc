#include "server/http_reader.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <charconv>
#include <utility>

#include "base/ascii.h"
#include "server/gzip.h"

namespace roxanne::server {

namespace http = boost::beast::http;

namespace {

// A field's value as far as it is kept; none that is longer means anything here.
constexpr size_t kFieldBytesMax = 1024;
// Chunk headers and trailers are read with what is around them in the buffer.
constexpr size_t kChunkHeaderBytesMax = 1024;
constexpr size_t kBodyReserveBytesMax = 1u << 20;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::put:
      return Method::kPut;
    case http::verb::post:
      return Method::kPost;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

}  // namespace

void HttpReader::start() {
  request_.clear();
  parser_.emplace(*this);
  parser_->header_limit(limits_.header_bytes_max);
  parser_->body_limit(boost::none);  // checked here, with a message of its own
  has_begun_ = head_told_ = has_transfer_encoding_ = is_broken_ = false;
  header_bytes_seen_ = host_count_ = 0;
}

HttpReader::Progress HttpReader::broken(ProblemCode code, std::string detail) {
  is_broken_ = true;
  problem_ = code;
  detail_ = std::move(detail);
  return Progress::kBroken;
}

HttpReader::Progress HttpReader::refuse(const boost::beast::error_code& error) {
  if (is_broken_) return Progress::kBroken;
  if (error == http::error::header_limit) {
    return broken(ProblemCode::kHeaderTooLarge, "the header is longer than " +
                                                    std::to_string(limits_.header_bytes_max) +
                                                    " bytes (--header-bytes-max)");
  }
  if (error == http::error::bad_version) {
    return broken(ProblemCode::kHttpVersion, "this is neither HTTP/1.1 nor HTTP/1.0");
  }
  return broken(ProblemCode::kMalformedRequest, error.message());
}

// What Beast forgives and others do not. `bytes` begin where the header does, or a line of it.
bool HttpReader::is_strict(std::string_view bytes) {
  const std::string_view header = bytes.substr(0, bytes.find("\r\n\r\n"));
  if (header.starts_with(' ') || header.starts_with('\t')) {
    broken(ProblemCode::kMalformedRequest, "a header line begins with a space");
    return false;
  }
  for (size_t at = header.find('\n', header_bytes_seen_ > 0 ? header_bytes_seen_ - 1 : 0);
       at != std::string_view::npos; at = header.find('\n', at + 1)) {
    if (at == 0 || header[at - 1] != '\r') {
      broken(ProblemCode::kMalformedRequest, "a header line ends without a carriage return");
      return false;
    }
    if (at + 1 < header.size() && (header[at + 1] == ' ' || header[at + 1] == '\t')) {
      broken(ProblemCode::kMalformedRequest, "a header field goes on over several lines");
      return false;
    }
  }
  header_bytes_seen_ = header.size();
  return true;
}

HttpReader::Progress HttpReader::read(std::string_view bytes, size_t& taken) {
  taken = 0;
  if (is_broken_) return Progress::kBroken;
  if (!bytes.empty()) has_begun_ = true;
  while (true) {
    if (parser_->is_header_done() && !std::exchange(head_told_, true)) return Progress::kHead;
    if (parser_->is_done()) return Progress::kRequest;
    const std::string_view left = bytes.substr(taken);
    if (left.empty()) return Progress::kNeedsMore;
    if (!parser_->is_header_done() && !is_strict(left)) return Progress::kBroken;
    boost::beast::error_code error;
    const size_t used = parser_->put(boost::asio::const_buffer(left.data(), left.size()), error);
    taken += used;
    header_bytes_seen_ -= std::min(header_bytes_seen_, used);
    if (is_broken_) return Progress::kBroken;
    if (error == http::error::need_more) {
      if (parser_->is_header_done() && left.size() - used > kChunkHeaderBytesMax) {
        return broken(ProblemCode::kMalformedRequest, "the header of a chunk is too long");
      }
      return Progress::kNeedsMore;
    }
    if (error) return refuse(error);
  }
}

void HttpReader::Parser::on_request_impl(http::verb method, Text, Text target, int version,
                                         Error&) {
  reader_.request_.head.method = method_of(method);
  reader_.request_.head.target = view(target);
  reader_.version_ = version;
  reader_.request_.head.is_http_1_0 = version < 11;
}

void HttpReader::Parser::on_field_impl(http::field name, Text name_text, Text value, Error& error) {
  if (is_header_done()) return;  // trailers of a chunked body mean nothing here
  if (!reader_.take_field(name, view(name_text), view(value))) error = http::error::bad_value;
}

bool HttpReader::take_field(http::field name, std::string_view name_text, std::string_view value) {
  RequestHead& head = request_.head;
  std::string* kept = nullptr;
  switch (name) {
    case http::field::host:
      ++host_count_;
      head.host = value.substr(0, kFieldBytesMax);
      return true;
    case http::field::content_length:
      return take_length(value);
    case http::field::transfer_encoding:
      return take_transfer_encoding(value);
    case http::field::expect:
      // Older clients do not know what it is that comes then (RFC 9110, section 10.1.1).
      head.expects_continue = version_ >= 11 && base::same_word(value, "100-continue");
      return true;
    case http::field::accept_encoding:
      head.accepts_gzip = head.accepts_gzip || accepts_gzip(value);
      return true;
    case http::field::accept:
      kept = &head.accept;
      break;
    case http::field::authorization:
      kept = &head.authorization;
      break;
    case http::field::content_encoding:
      kept = &head.content_encoding;
      break;
    case http::field::content_type:
      kept = &head.content_type;
      break;
    case http::field::unknown:
      if (base::same_word(name_text, "x-request-id")) kept = &head.request_id;
      if (base::same_word(name_text, "traceparent")) kept = &head.traceparent;
      break;
    default:
      break;
  }
  if (kept == nullptr) return true;
  if (!kept->empty() && name != http::field::accept) {
    broken(ProblemCode::kMalformedRequest, "a header field that may be there once is there twice");
    return false;
  }
  if (!kept->empty()) *kept += ',';
  kept->append(value.substr(0, kFieldBytesMax));
  return true;
}

bool HttpReader::take_length(std::string_view value) {
  uint64_t length = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, length);
  if (error != std::errc() || stop != end || request_.head.content_length.has_value()) {
    broken(ProblemCode::kMalformedRequest, "Content-Length must be there once, and be a number");
    return false;
  }
  request_.head.content_length = length;
  return true;
}

bool HttpReader::take_transfer_encoding(std::string_view value) {
  if (std::exchange(has_transfer_encoding_, true) || !base::same_word(value, "chunked")) {
    broken(ProblemCode::kMalformedRequest,
           "the only Transfer-Encoding that is read is \"chunked\"");
    return false;
  }
  request_.head.is_chunked = true;
  return true;
}

void HttpReader::Parser::on_header_impl(Error& error) {
  reader_.request_.head.keep_alive = keep_alive();
  if (!reader_.check_head()) error = http::error::bad_value;
}

bool HttpReader::check_head() {
  const RequestHead& head = request_.head;
  if (head.is_chunked && (head.content_length.has_value() || version_ < 11)) {
    broken(ProblemCode::kMalformedRequest,
           "a chunked body has no Content-Length and needs HTTP/1.1");
    return false;
  }
  if (host_count_ > 1 || (host_count_ == 0 && version_ >= 11)) {
    broken(ProblemCode::kMalformedRequest, "HTTP/1.1 needs one Host field");
    return false;
  }
  if (!body_fits(head.content_length.value_or(0))) return false;
  request_.body.reserve(std::min<uint64_t>(head.content_length.value_or(0), kBodyReserveBytesMax));
  return true;
}

bool HttpReader::body_fits(uint64_t bytes) {
  if (bytes <= limits_.body_bytes_max) return true;
  broken(ProblemCode::kBodyTooLarge, "the body is longer than " +
                                         std::to_string(limits_.body_bytes_max) +
                                         " bytes (--body-bytes-max): send several requests");
  return false;
}

bool HttpReader::add_body(std::string_view bytes) {
  if (!body_fits(request_.body.size() + bytes.size())) return false;
  request_.body.append(bytes);
  return true;
}

size_t HttpReader::Parser::on_body_impl(Text body, Error& error) {
  if (!reader_.add_body(view(body))) error = http::error::body_limit;
  return body.size();
}

void HttpReader::Parser::on_chunk_header_impl(uint64_t size, Text extensions, Error& error) {
  if (!reader_.body_fits(size)) {
    error = http::error::body_limit;
  } else if (extensions.size() > kChunkHeaderBytesMax) {
    reader_.broken(ProblemCode::kMalformedRequest, "the extension of a chunk is too long");
    error = http::error::bad_chunk_extension;
  }
}

size_t HttpReader::Parser::on_chunk_body_impl(uint64_t, Text body, Error& error) {
  if (!reader_.add_body(view(body))) error = http::error::body_limit;
  return body.size();
}

}  // namespace roxanne::server
