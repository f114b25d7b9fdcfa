// The C++ example of README.md: make a collection, put points in, search, read, delete.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "roxanne/roxanne.h"

namespace {

using roxanne::Collection;
using roxanne::Database;
using roxanne::MatrixView;
using roxanne::Metric;
using roxanne::ScalarType;
using roxanne::Status;
using roxanne::StatusCode;
using roxanne::VectorView;

constexpr size_t kDim = 4;

roxanne::Result<Collection> open_photos(Database& db) {
  auto photos = db.collection("photos");
  if (photos || photos.status().code() != StatusCode::kNotFound) return photos;
  return db.create_collection("photos",
                              {.dim = kDim, .type = ScalarType::kU8, .metric = Metric::kL2});
}

Status run(const std::string& path) {
  auto db = Database::open(path, {.create_if_missing = true});
  if (!db) return db.status();
  auto photos = open_photos(*db);
  if (!photos) return photos.status();

  // One atomic, durable batch: when upsert returns, a power cut takes nothing of it away.
  const std::vector<uint64_t> keys = {1, 2, 3};
  const std::vector<uint8_t> vectors = {10, 0, 0, 0, 0, 20, 0, 0, 0, 0, 30, 0};
  const std::vector<std::string> payloads = {R"({"title":"harbour"})", R"({"title":"forest"})", ""};
  auto counts = photos->upsert(keys, MatrixView::u8(vectors.data(), keys.size(), kDim),
                               {.payloads = payloads});
  if (!counts) return counts.status();

  const std::vector<uint8_t> query = {0, 20, 0, 0};
  auto found = photos->search(VectorView::u8(query), {.k = 2, .with_payload = true});
  if (!found) return found.status();
  for (const roxanne::Neighbor& neighbor : *found) {
    std::printf("photo %s at distance %g %s\n", neighbor.key.to_string().c_str(),
                static_cast<double>(neighbor.distance), neighbor.payload.value_or("").c_str());
  }

  auto erased = photos->erase(std::vector<uint64_t>{3});
  if (!erased) return erased.status();
  return db->close();
}

}  // namespace

int main(int argc, char** argv) {
  const Status status = run(argc > 1 ? argv[1] : "photos.rox");
  if (!status) std::fprintf(stderr, "quickstart: %s\n", status.to_string().c_str());
  return status ? 0 : 1;
}
