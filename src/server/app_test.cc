// Routes, keys and configuration: all that needs no socket.
#include "server/app.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "server/config.h"
#include "server/metrics.h"
#include "server/quick_searches.h"
#include "server/request_id.h"

namespace roxanne::server {
namespace {

Target target_of(std::string_view text) {
  const auto target = parse_target(text);
  EXPECT_TRUE(target.has_value()) << text;
  return target.value_or(Target());
}

TEST(Target, SegmentsAreCutBeforeTheyAreDecoded) {
  const Target target = target_of("/v1/a%2Fb/%C3%A4?x=1&y=a%26b&z");
  EXPECT_EQ(target.segments, (std::vector<std::string>{"v1", "a/b", "\xc3\xa4"}));
  ASSERT_EQ(target.parameters.size(), 3u);
  EXPECT_EQ(target.parameters[1].second, "a&b");
  EXPECT_EQ(target.parameters[2].second, "");
  EXPECT_EQ(target_of("/").segments.size(), 0u);
  EXPECT_EQ(target_of("/a/").segments, (std::vector<std::string>{"a"}));
  for (const char* wrong : {"", "a", "*", "http://x/", "/%", "/%0", "/%0g", "/%00", "/?%00"}) {
    EXPECT_FALSE(parse_target(wrong).has_value()) << wrong;
  }
}

TEST(Routes, EachFindsItselfAndNamesTheMethodsOfItsPath) {
  for (const Route& route : routes()) {
    const RouteMatch match = find_route(route.method, target_of(route.path));
    EXPECT_EQ(match.route, &route) << route.path;
  }
  EXPECT_EQ(find_route(Method::kPost, target_of("/v1/collections/a")).allowed,
            "PUT, GET, HEAD, DELETE");
  EXPECT_EQ(find_route(Method::kHead, target_of("/metrics")).route->path, "/metrics");
  const RouteMatch match = find_route(Method::kGet, target_of("/v1/collections/a/points/b%2Fc"));
  EXPECT_EQ(match.collection, "a");
  EXPECT_EQ(match.key, "b/c");
  for (const char* wrong : {"/v1", "/v1/collections/a/b", "/v1/collections/a/points/b/c", "/V1"}) {
    const RouteMatch none = find_route(Method::kGet, target_of(wrong));
    EXPECT_EQ(none.route, nullptr) << wrong;
    EXPECT_EQ(none.allowed, "") << wrong;
  }
}

TEST(KeyRing, TellsKeysApart) {
  const auto ring =
      KeyRing::parse("# keys\n\nread-only  0123456789abcdef\r\nread-write abcdefghijklmnop");
  ASSERT_TRUE(ring.is_ok()) << ring.status().to_string();
  EXPECT_EQ(ring->allowed("Bearer 0123456789abcdef"), Access::kRead);
  EXPECT_EQ(ring->allowed("bEARER   abcdefghijklmnop "), Access::kWrite);
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Basic abcdefghijklmnop",
        "Bearer 0123456789abcdef0", "abcdefghijklmnop"}) {
    EXPECT_FALSE(ring->allowed(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(KeyRing().allowed(""), Access::kWrite);
  for (const char* wrong : {"", "# none", "read-only", "read-only short", "admin 0123456789abcdef",
                            "read-only 0123456789 abcdef"}) {
    EXPECT_FALSE(KeyRing::parse(wrong).is_ok()) << wrong;
  }
}

TEST(Config, RefusesWhatOthersReachWithoutKeysOrTls) {
  const auto check = [](const char* listen, bool tls, bool keys, bool insecure) {
    Config config;
    config.listen = listen;
    if (tls) config.tls_cert = config.tls_key = "x";
    if (keys) config.keys = "x";
    config.allow_insecure = insecure;
    return check_config(config).is_ok();
  };
  for (const char* here : {"127.0.0.1:1", "localhost:1", "[::1]:0", "127.9.9.9:80"}) {
    EXPECT_TRUE(check(here, false, false, false)) << here;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1"}) {
    EXPECT_FALSE(check(open, false, false, false)) << open;
    EXPECT_FALSE(check(open, true, false, false)) << open;
    EXPECT_FALSE(check(open, false, true, false)) << open;
    EXPECT_TRUE(check(open, true, true, false)) << open;
    EXPECT_TRUE(check(open, false, false, true)) << open;
  }
  for (const char* wrong : {"", "127.0.0.1", ":80", "example.com:80",
                            "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x"}) {
    EXPECT_FALSE(check(wrong, true, true, true)) << wrong;
  }
}

TEST(RequestId, TakesOverOnlyWhatIsHarmless) {
  EXPECT_TRUE(is_request_id("a-B_9.x"));
  for (const std::string& wrong :
       {std::string(), std::string("a b"), std::string("a\r\nX: y"), std::string(129, 'a')}) {
    EXPECT_FALSE(is_request_id(wrong)) << wrong;
  }
  EXPECT_TRUE(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_FALSE(is_traceparent("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  EXPECT_NE(new_request_id(), new_request_id());
  EXPECT_TRUE(is_request_id(new_request_id()));
}

TEST(App, AnswersWithoutSockets) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("app_test_" + new_request_id());
  {
    auto database = Database::open(folder, {.create_if_missing = true});
    ASSERT_TRUE(database.is_ok()) << database.status().to_string();
    const Limits limits;
    Metrics metrics;
    QuickSearches quick_searches;
    Operations operations;
    const App app(
        {*database, limits, metrics, quick_searches, "", operations},
        KeyRing::parse("read-only 0123456789abcdef\nread-write abcdefghijklmnop").value());
    const auto status = [&](Method method, const char* target, const char* key, std::string body) {
      Request request;
      request.head.method = method;
      request.head.target = target;
      request.head.authorization = std::string("Bearer ") + key;
      request.head.content_type = "Application/JSON; charset=utf-8";
      request.head.content_length = body.size();
      request.body = std::move(body);
      const Admission admission = app.admit(request.head);
      return admission.refusal.has_value() ? admission.refusal->status
                                           : app.handle(admission, request).status;
    };
    const char* write_key = "abcdefghijklmnop";
    const char* read_key = "0123456789abcdef";
    EXPECT_EQ(status(Method::kPut, "/v1/collections/a", "no", R"({"dim":1})"), 401);
    EXPECT_EQ(status(Method::kPut, "/v1/collections/a", read_key, R"({"dim":1})"), 403);
    EXPECT_EQ(status(Method::kPut, "/v1/collections/a", write_key, R"({"dim":1})"), 201);
    EXPECT_EQ(status(Method::kPut, "/v1/collections/a", write_key, R"({"dim":1})"), 200);
    EXPECT_EQ(status(Method::kPut, "/v1/collections/a", write_key, R"({"dim":2})"), 409);
    EXPECT_EQ(status(Method::kPost, "/v1/collections/a/search", read_key, R"({"vector":[1]})"),
              200);
    EXPECT_EQ(status(Method::kPost, "/v1/collections/b/search", read_key, R"({"vector":[1]})"),
              404);
    // Short searches are answered where they are read once some were, others are not.
    Request request;
    request.head.method = Method::kPost;
    request.head.target = "/v1/collections/a/search";
    request.head.authorization = std::string("Bearer ") + read_key;
    request.head.content_type = "application/json";
    request.body = R"({"vector":[1]})";
    request.head.content_length = request.body.size();
    const Admission admission = app.admit(request.head);
    EXPECT_EQ(app.handle_here(admission, request).status, kElsewhere);
    for (int i = 0; i < 60; ++i) quick_searches.note("a", 20, 10);
    EXPECT_EQ(app.handle_here(admission, request).status, 200);
    // Nor do a few whose thread lost its processor say anything of the others.
    for (int i = 0; i < 3; ++i) quick_searches.note("a", 20'000, 10);
    EXPECT_EQ(app.handle_here(admission, request).status, 200);
    // One that computed much does.
    quick_searches.note("a", 20'000, 1'000'000);
    EXPECT_EQ(app.handle_here(admission, request).status, kElsewhere);
    for (int i = 0; i < 60; ++i) quick_searches.note("a", 20, 10);
    EXPECT_EQ(app.handle_here(admission, request).status, 200);
    request.body = R"({"vector":[1],"exact":true})";
    EXPECT_EQ(app.handle_here(admission, request).status, kElsewhere);
    EXPECT_EQ(app.handle(admission, request).status, 200);
    for (int i = 0; i < 60; ++i) quick_searches.note("a", 20'000, 10);
    request.body = R"({"vector":[1]})";
    EXPECT_EQ(app.handle_here(admission, request).status, kElsewhere);
    EXPECT_EQ(status(Method::kOther, "/healthz", read_key, ""), 405);
    EXPECT_EQ(status(Method::kGet, "/healthz", "", ""), 200);
    EXPECT_EQ(status(Method::kGet, "/readyz", "", ""), 503);
    ASSERT_TRUE(database->close());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace roxanne::server
