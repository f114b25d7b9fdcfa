// Everything a client can send: the bytes of a connection, through the parser, the routes and the
// JSON and binary bodies, to a database with collections of each kind. Responses must be whole, and
// problems have their form.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/status_macros.h"
#include "server/app.h"
#include "server/http_reader.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/quick_searches.h"

namespace {

using namespace roxanne;

struct World {
  World() {
    char name[] = "/tmp/roxanne_fuzz_XXXXXX";
    ROX_CHECK(mkdtemp(name) != nullptr);
    folder = name;
    auto opened = Database::open(folder + "/x.rox", {.create_if_missing = true,
                                                     .durability = Durability::kNone,
                                                     .memory_limit_bytes = 32u << 20,
                                                     .thread_count = 1,
                                                     .automatic_index = false});
    ROX_CHECK(opened.is_ok());
    database.emplace(std::move(opened).value());
    limits.body_bytes_max = 64u << 10;
    limits.points_per_batch_max = 64;
    make("f", {.dim = 2, .type = ScalarType::kF32});
    make("h", {.dim = 3, .type = ScalarType::kF16, .metric = Metric::kInnerProduct});
    make("u", {.dim = 4, .type = ScalarType::kU8, .metric = Metric::kCosine});
    make("i", {.dim = 1, .type = ScalarType::kI8, .key_type = KeyType::kString});
    app.emplace(server::Context{*database, limits, metrics, quick_searches, "", operations},
                server::KeyRing::parse("read-write 0123456789abcdef\n").value());
  }
  ~World() {
    (void)database->close();
    std::filesystem::remove_all(folder);
  }
  void make(const char* name, const CollectionOptions& options) {
    ROX_CHECK(database->create_collection(name, options).is_ok());
  }
  // Inputs must find the same collections, and not fill the disk.
  void tidy() {
    for (const std::string& name : database->collection_names()) {
      const auto collection = database->collection(name);
      if (!collection.is_ok() || name.size() > 1 || collection->size() > 1000) {
        (void)database->drop_collection(name);
      }
    }
    const auto names = database->collection_names();
    if (names.size() == 4) return;
    for (const auto& name : names) (void)database->drop_collection(name);
    make("f", {.dim = 2, .type = ScalarType::kF32});
    make("h", {.dim = 3, .type = ScalarType::kF16, .metric = Metric::kInnerProduct});
    make("u", {.dim = 4, .type = ScalarType::kU8, .metric = Metric::kCosine});
    make("i", {.dim = 1, .type = ScalarType::kI8, .key_type = KeyType::kString});
  }

  std::string folder;
  server::Limits limits;
  server::Metrics metrics;
  server::QuickSearches quick_searches;
  server::Operations operations;
  std::optional<Database> database;
  std::optional<server::App> app;
};

void check(const server::Response& response) {
  ROX_CHECK(response.status >= 200 && response.status < 600);
  ROX_CHECK(server::reason_phrase(response.status) != "Unknown");
  ROX_CHECK(response.status != 500);
  if (response.status >= 400) {
    ROX_CHECK(response.content_type == server::kProblemType);
    ROX_CHECK(response.body.find("\"code\":\"") != std::string::npos);
  }
  std::string head;
  server::append_head(response, {.request_id = "x"}, head);
  ROX_CHECK(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size < 1) return 0;
  // In pieces, as a network might bring it.
  const size_t piece = data[0] == 0 ? size : data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  server::HttpReader reader(world.limits);
  server::Admission admission;
  size_t begin = 0, end = 0;
  while (true) {
    size_t taken = 0;
    const auto progress = reader.read(bytes.substr(begin, end - begin), taken);
    ROX_CHECK(taken <= end - begin);
    begin += taken;
    if (progress == server::HttpReader::Progress::kBroken) {
      check(reader.refusal());
      break;
    }
    if (progress == server::HttpReader::Progress::kHead) {
      admission = world.app->admit(reader.request().head);
      continue;
    }
    if (progress == server::HttpReader::Progress::kRequest) {
      check(world.app->handle(admission, reader.request()));
      reader.start();
      continue;
    }
    if (end == bytes.size()) break;
    end = std::min(end + piece, bytes.size());
  }
  static size_t runs = 0;
  if (++runs % 256 == 0) world.tidy();
  return 0;
}
