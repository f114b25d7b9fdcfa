#include "server/binary_body.h"

#include <bit>
#include <cstring>

#include "base/status_macros.h"

namespace roxanne::server {
namespace {

static_assert(std::endian::native == std::endian::little, "bodies are taken as they are");

template <typename T>
T number_at(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void put(std::string& out, size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

Status too_many(uint64_t count, size_t count_max, const char* what) {
  return Status::invalid_argument("the body has " + std::to_string(count) + " " + what +
                                  "; one request may have " + std::to_string(count_max));
}

Status short_body(const char* where) {
  return Status::invalid_argument(std::string("the body ends within ") + where);
}

// Takes the keys from the front of `bytes`.
Status read_keys(std::string_view& bytes, uint64_t count, Keys& keys) {
  if (keys.type == KeyType::kU64) {
    if (bytes.size() / sizeof(uint64_t) < count) return short_body("the keys");
    keys.numbers.resize(count);
    if (count > 0) std::memcpy(keys.numbers.data(), bytes.data(), count * sizeof(uint64_t));
    bytes.remove_prefix(count * sizeof(uint64_t));
    return Status::ok();
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes.size() < sizeof(uint16_t)) return short_body("the keys");
    const size_t size = number_at<uint16_t>(bytes.data());
    bytes.remove_prefix(sizeof(uint16_t));
    if (bytes.size() < size) return short_body("the keys");
    keys.strings.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return Status::ok();
}

}  // namespace

Result<BinaryPoints> read_binary_points(std::string_view body, const RowShape& shape,
                                        size_t count_max) {
  if (body.size() < sizeof(uint64_t)) return short_body("the number of points");
  const auto count = number_at<uint64_t>(body.data());
  if (count > count_max) return too_many(count, count_max, "points");
  body.remove_prefix(sizeof(uint64_t));
  BinaryPoints points{{.type = shape.key_type, .count_max = count_max},
                      MatrixView(shape.type, nullptr, 0, shape.dim)};
  ROX_RETURN_IF_ERROR(read_keys(body, count, points.keys));
  const size_t expected = count * shape.dim * scalar_bytes(shape.type);
  if (body.size() != expected) {
    return Status::invalid_argument(
        "behind the keys there are " + std::to_string(body.size()) + " bytes; " +
        std::to_string(count) + " vectors of " + std::to_string(shape.dim) + " " +
        std::string(scalar_type_name(shape.type)) + " have " + std::to_string(expected));
  }
  points.rows = MatrixView(shape.type, body.data(), count, shape.dim);
  return points;
}

Result<MatrixView> read_binary_queries(std::string_view body, const RowShape& shape,
                                       size_t count_max) {
  const size_t row_bytes = shape.dim * scalar_bytes(shape.type);
  if (body.empty() || body.size() % row_bytes != 0) {
    return Status::invalid_argument("the body has " + std::to_string(body.size()) +
                                    " bytes, which is no multiple of a vector's " +
                                    std::to_string(row_bytes));
  }
  const size_t count = body.size() / row_bytes;
  if (count > count_max) return too_many(count, count_max, "queries");
  return MatrixView(shape.type, body.data(), count, shape.dim);
}

void append_binary_answer(const std::vector<std::vector<Neighbor>>& answers,
                          const BinaryAnswerShape& shape, std::string& out) {
  const size_t places = answers.size() * shape.k;
  const bool numbered = shape.key_type == KeyType::kU64;
  const size_t keys_at = 2 * sizeof(uint32_t);
  const size_t distances_at = keys_at + (numbered ? places * sizeof(uint64_t) : 0);
  const size_t counts_at = distances_at + places * sizeof(float);
  out.assign(counts_at + answers.size() * sizeof(uint32_t), '\0');
  put(out, 0, static_cast<uint32_t>(answers.size()));
  put(out, sizeof(uint32_t), static_cast<uint32_t>(shape.k));
  for (size_t q = 0; q < answers.size(); ++q) {
    put(out, counts_at + q * sizeof(uint32_t), static_cast<uint32_t>(answers[q].size()));
    for (size_t i = 0; i < answers[q].size(); ++i) {
      const size_t place = q * shape.k + i;
      if (numbered) put(out, keys_at + place * sizeof(uint64_t), answers[q][i].key.u64());
      put(out, distances_at + place * sizeof(float), answers[q][i].distance);
    }
  }
  if (numbered) return;
  for (const auto& neighbors : answers) {
    for (const Neighbor& neighbor : neighbors) {
      const std::string& key = neighbor.key.str();
      const auto size = static_cast<uint16_t>(key.size());
      out.append(reinterpret_cast<const char*>(&size), sizeof size);
      out += key;
    }
  }
}

}  // namespace roxanne::server
