#include "server/http_reader.h"

#include <gtest/gtest.h>

namespace roxanne::server {
namespace {

using Progress = HttpReader::Progress;

// What becomes of bytes that come in pieces of `piece`.
struct ReadOutcome {
  std::vector<Request> requests;
  std::string problem;  // the code's name; empty: none
};

// `first`: how long the first piece is; 0: as the others.
ReadOutcome read_all(const std::string& bytes, size_t piece, const Limits& limits = {},
                     size_t first = 0) {
  HttpReader reader(limits);
  ReadOutcome outcome;
  size_t begin = 0, end = 0;
  while (true) {
    size_t taken = 0;
    const Progress progress =
        reader.read(std::string_view(bytes).substr(begin, end - begin), taken);
    begin += taken;
    if (progress == Progress::kBroken) {
      const std::string body = reader.refusal().body;
      const size_t at = body.find("\"code\":\"") + 8;
      outcome.problem = body.substr(at, body.find('"', at) - at);
      return outcome;
    }
    if (progress == Progress::kRequest) {
      outcome.requests.push_back(reader.request());
      reader.start();
    } else if (progress == Progress::kNeedsMore) {
      if (end == bytes.size()) return outcome;
      end = std::min(end == 0 && first != 0 ? first : end + piece, bytes.size());
    }
  }
}

TEST(HttpReader, ReadsRequestsHoweverTheyAreCut) {
  const std::string bytes =
      "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
      "AUTHORIZATION: Bearer k\r\nx-request-id: id\r\n\r\nhello"
      "PUT /b HTTP/1.1\r\nhost:x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
      "DELETE /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    const ReadOutcome outcome = read_all(bytes, piece);
    ASSERT_EQ(outcome.problem, "") << piece;
    ASSERT_EQ(outcome.requests.size(), 3u) << piece;
    const RequestHead& first = outcome.requests[0].head;
    EXPECT_EQ(first.method, Method::kPost);
    EXPECT_EQ(first.target, "/a?b=c");
    EXPECT_EQ(first.content_type, "application/json");
    EXPECT_EQ(first.authorization, "Bearer k");
    EXPECT_EQ(first.request_id, "id");
    EXPECT_EQ(first.content_length, 5u);
    EXPECT_TRUE(first.keep_alive);
    EXPECT_EQ(outcome.requests[0].body, "hello");
    EXPECT_TRUE(outcome.requests[1].head.is_chunked);
    EXPECT_EQ(outcome.requests[1].body, "abcde");
    EXPECT_FALSE(outcome.requests[2].head.keep_alive);
  }
}

TEST(HttpReader, RefusesWhatTwoReadersCouldReadDifferently) {
  // Longer than what follows: a position in the one must not be taken for one in the other.
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\nY: " + std::string(100, 'a') + "\r\n";
  for (const std::string rest :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5, 5\r\n\r\n",
        "Content-Length: +5\r\n\r\n", "Content-Length: 5 5\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding: chunked, chunked\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n", "Host: y\r\n\r\n", "X: a\r\n b\r\n\r\n",
        "Transfer-Encoding:\r\n chunked\r\n\r\n", "X: a\nY: b\r\n\r\n", "X : a\r\n\r\n",
        "Content-Type: a\r\nContent-Type: b\r\n\r\n"}) {
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
      const ReadOutcome outcome = read_all(start + rest + "hello", piece);
      EXPECT_EQ(outcome.problem, "malformed_request") << rest << piece;
      EXPECT_TRUE(outcome.requests.empty()) << rest;
    }
    for (size_t cut = 1; cut < start.size() + rest.size(); ++cut) {
      const ReadOutcome outcome = read_all(start + rest + "hello", 1000, {}, cut);
      EXPECT_EQ(outcome.problem, "malformed_request") << rest << cut;
      EXPECT_TRUE(outcome.requests.empty()) << rest << cut;
    }
  }
}

TEST(HttpReader, BoundsHeaderAndBody) {
  const Limits limits = {.header_bytes_max = 1024, .body_bytes_max = 10};
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (const size_t piece : {size_t{1}, size_t{100}, size_t{5000}}) {
    EXPECT_EQ(read_all(start + "X: " + std::string(2000, 'a'), piece, limits).problem,
              "header_too_large");
    EXPECT_EQ(read_all(start + "Content-Length: 11\r\n\r\n", piece, limits).problem,
              "body_too_large");
    const std::string chunks = start + "Transfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(read_all(chunks + "b\r\n", piece, limits).problem, "body_too_large");
    EXPECT_EQ(read_all(chunks + "6\r\n123456\r\n6\r\n123456\r\n", piece, limits).problem,
              "body_too_large");
    EXPECT_EQ(read_all(chunks + "a\r\n1234567890\r\n0\r\n\r\n", piece, limits).problem, "");
  }
}

}  // namespace
}  // namespace roxanne::server
