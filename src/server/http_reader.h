// Bytes to requests: HTTP/1.1 as Beast parses it, and stricter where two readers of the same bytes
// could see two different requests (RFC 9112, section 11.2).
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "server/limits.h"
#include "server/problem.h"
#include "server/request.h"

namespace roxanne::server {

class HttpReader {
 public:
  explicit HttpReader(const Limits& limits) : limits_(limits) { start(); }

  enum class Progress : uint8_t {
    kNeedsMore,  // all of the bytes that it can use are taken
    kHead,       // request().head is there; the body, if any, is to come: read on
    kRequest,    // request() is whole: start() before reading on
    kBroken,     // refusal() says why; nothing after it can be understood
  };
  // Takes bytes from the front and says in `taken` how many; those left come first the next time.
  Progress read(std::string_view bytes, size_t& taken);

  Request& request() { return request_; }
  bool has_begun() const { return has_begun_; }  // of the request: a byte was seen
  Response refusal() const { return problem(problem_, detail_); }

  void start();

 private:
  // Keeps of a request what RequestHead has.
  class Parser final : public boost::beast::http::basic_parser<true> {
   public:
    explicit Parser(HttpReader& reader) : reader_(reader) {}

   private:
    using Text = boost::beast::string_view;
    using Error = boost::beast::error_code;
    void on_request_impl(boost::beast::http::verb method, Text method_text, Text target,
                         int version, Error& error) override;
    void on_response_impl(int, Text, int, Error&) override {}
    void on_field_impl(boost::beast::http::field name, Text name_text, Text value,
                       Error& error) override;
    void on_header_impl(Error& error) override;
    void on_body_init_impl(const boost::optional<uint64_t>&, Error&) override {}
    size_t on_body_impl(Text body, Error& error) override;
    void on_chunk_header_impl(uint64_t size, Text extensions, Error& error) override;
    size_t on_chunk_body_impl(uint64_t remain, Text body, Error& error) override;
    void on_finish_impl(Error&) override {}
    HttpReader& reader_;
  };

  Progress broken(ProblemCode code, std::string detail);
  Progress refuse(const boost::beast::error_code& error);
  bool take_length(std::string_view value);
  bool take_transfer_encoding(std::string_view value);
  bool take_field(boost::beast::http::field name, std::string_view name_text,
                  std::string_view value);
  bool check_head();
  bool body_fits(uint64_t bytes);
  bool add_body(std::string_view bytes);
  bool is_strict(std::string_view bytes);

  const Limits& limits_;
  Request request_;
  std::optional<Parser> parser_;
  bool has_begun_ = false;
  bool head_told_ = false;
  size_t header_bytes_seen_ = 0;  // of the header's lines that are not taken yet
  bool has_transfer_encoding_ = false;
  size_t host_count_ = 0;
  int version_ = 11;
  bool is_broken_ = false;
  ProblemCode problem_ = ProblemCode::kMalformedRequest;
  std::string detail_;
};

}  // namespace roxanne::server
