#include "database/door.h"

#include <algorithm>
#include <bit>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "base/status_macros.h"
#include "kernels/distance.h"

namespace roxanne::database {
namespace {

// Above it, sums of two norms and a product could overflow a float.
constexpr float kNormMax = std::numeric_limits<float>::max() / 8;
constexpr size_t kPayloadDepthMax = 32;

std::string row_text(size_t row) { return "row " + std::to_string(row); }

// Accepts any JSON, remembers nothing but whether the outermost value is an object.
struct ObjectHandler {
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_key_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_string_size = std::numeric_limits<size_t>::max();
  using Error = boost::json::error_code;
  using Text = boost::json::string_view;

  bool is_object = false;
  size_t depth = 0;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) {
    if (depth++ == 0) is_object = true;
    return true;
  }
  bool on_object_end(size_t, Error&) {
    --depth;
    return true;
  }
  bool on_array_begin(Error&) {
    ++depth;
    return true;
  }
  bool on_array_end(size_t, Error&) {
    --depth;
    return true;
  }
  bool on_key_part(Text, size_t, Error&) { return true; }
  bool on_key(Text, size_t, Error&) { return true; }
  bool on_string_part(Text, size_t, Error&) { return true; }
  bool on_string(Text, size_t, Error&) { return true; }
  bool on_number_part(Text, Error&) { return true; }
  bool on_int64(int64_t, Text, Error&) { return true; }
  bool on_uint64(uint64_t, Text, Error&) { return true; }
  bool on_double(double, Text, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }
};

Status check_payload(const std::string& payload, size_t row) {
  if (payload.empty()) return Status::ok();
  if (payload.size() > kPayloadBytesMax) {
    return Status::invalid_argument("payload of " + row_text(row) + ": " +
                                    std::to_string(payload.size()) + " bytes, at most " +
                                    std::to_string(kPayloadBytesMax) + " are allowed");
  }
  boost::json::parse_options options;
  options.max_depth = kPayloadDepthMax;
  boost::json::basic_parser<ObjectHandler> parser(options);
  boost::json::error_code error;
  const size_t parsed = parser.write_some(false, payload.data(), payload.size(), error);
  if (error || parsed != payload.size()) {
    return Status::invalid_argument("payload of " + row_text(row) + ": not valid JSON at byte " +
                                    std::to_string(parsed));
  }
  if (!parser.handler().is_object) {
    return Status::invalid_argument("payload of " + row_text(row) + ": must be a JSON object");
  }
  return Status::ok();
}

Status check_finite(const MatrixView& vectors) {
  const kernels::KernelTable& table = kernels::kernels();
  std::vector<std::byte> aligned(vectors.row_bytes());
  for (size_t row = 0; row < vectors.rows(); ++row) {
    std::memcpy(aligned.data(), vectors.row(row), aligned.size());
    const bool finite =
        vectors.type() == ScalarType::kF32
            ? table.all_finite_f32(reinterpret_cast<const float*>(aligned.data()), vectors.dim())
            : table.all_finite_f16(reinterpret_cast<const uint16_t*>(aligned.data()),
                                   vectors.dim());
    if (!finite) {
      return Status::invalid_argument(row_text(row) +
                                      " has a NaN or an infinity; every element "
                                      "must be finite");
    }
  }
  return Status::ok();
}

Status check_norms(const std::vector<uint32_t>& norms, const CollectionOptions& options) {
  const bool is_float = options.type == ScalarType::kF32 || options.type == ScalarType::kF16;
  const bool is_cosine = options.metric == Metric::kCosine;
  for (size_t row = 0; row < norms.size(); ++row) {
    if (is_float) {
      const float norm = std::bit_cast<float>(norms[row]);
      if (!(norm <= kNormMax)) {
        return Status::invalid_argument(row_text(row) +
                                        " is too long: its squared norm overflows "
                                        "a float");
      }
      if (is_cosine && norm < std::numeric_limits<float>::min()) {
        return Status::invalid_argument(row_text(row) +
                                        " is a zero vector, which has no angle: "
                                        "not possible under the cosine metric");
      }
    } else if (is_cosine && norms[row] == 0) {
      return Status::invalid_argument(row_text(row) +
                                      " is a zero vector, which has no angle: "
                                      "not possible under the cosine metric");
    }
  }
  return Status::ok();
}

Status check_shape(const MatrixView& vectors, const CollectionOptions& options) {
  if (vectors.type() != options.type) {
    return Status::invalid_argument("vectors are " + std::string(scalar_type_name(vectors.type())) +
                                    "; the collection's are " +
                                    std::string(scalar_type_name(options.type)));
  }
  if (vectors.dim() != options.dim) {
    return Status::invalid_argument("vectors have " + std::to_string(vectors.dim()) +
                                    " dimensions; the collection's have " +
                                    std::to_string(options.dim));
  }
  return Status::ok();
}

}  // namespace

Status check_collection_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty() || name.size() > kCollectionNameBytesMax ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return Status::invalid_argument("a collection name is 1 to " +
                                    std::to_string(kCollectionNameBytesMax) +
                                    " letters, digits, '_', '-' and '.'");
  }
  return Status::ok();
}

Status check_collection_options(const CollectionOptions& options) {
  if (options.dim == 0 || options.dim > kDimMax) {
    return Status::invalid_argument("dim is " + std::to_string(options.dim) + "; it must be 1 to " +
                                    std::to_string(kDimMax));
  }
  if (options.type > ScalarType::kI8) return Status::invalid_argument("unknown scalar type");
  if (options.metric > Metric::kCosine) return Status::invalid_argument("unknown metric");
  if (options.key_type > KeyType::kString) return Status::invalid_argument("unknown key type");
  return Status::ok();
}

Status check_search_options(const SearchOptions& options) {
  if (options.k == 0 || options.k > kSearchKMax) {
    return Status::invalid_argument("k is " + std::to_string(options.k) + "; it must be 1 to " +
                                    std::to_string(kSearchKMax));
  }
  if (options.search_list_size > kSearchListSizeMax) {
    return Status::invalid_argument("search_list_size is " +
                                    std::to_string(options.search_list_size) +
                                    "; it must be at most " + std::to_string(kSearchListSizeMax));
  }
  return Status::ok();
}

Status check_key(KeyType type, const Key& key) {
  if (key.type() != type) {
    return Status::invalid_argument(
        "key " + key.to_string() + " is a " + std::string(key_type_name(key.type())) +
        "; the collection's keys are " + std::string(key_type_name(type)));
  }
  if (type == KeyType::kString && (key.str().empty() || key.str().size() > kKeyBytesMax)) {
    return Status::invalid_argument("a key of " + std::to_string(key.str().size()) +
                                    " bytes; string keys are 1 to " + std::to_string(kKeyBytesMax));
  }
  return Status::ok();
}

Status check_keys(const KeysView& keys, const KeyRules& rules) {
  if (keys.size() > kBatchRowsMax) {
    return Status::invalid_argument(std::to_string(keys.size()) + " keys in one batch; at most " +
                                    std::to_string(kBatchRowsMax) + " are allowed");
  }
  if (keys.size() == 0) return Status::ok();
  if (keys.type() != rules.type) {
    return Status::invalid_argument("keys are " + std::string(key_type_name(keys.type())) +
                                    "; the collection's are " +
                                    std::string(key_type_name(rules.type)));
  }
  if (keys.type() == KeyType::kString) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const size_t bytes = keys.str(i).size();
      if (bytes == 0 || bytes > kKeyBytesMax) {
        return Status::invalid_argument("key of " + row_text(i) + " has " + std::to_string(bytes) +
                                        " bytes; string keys are 1 to " +
                                        std::to_string(kKeyBytesMax));
      }
    }
  }
  if (rules.repeats_allowed) return Status::ok();
  const auto repeated = [](size_t row, const std::string& key) {
    return Status::invalid_argument("key " + key + " is in the batch twice (again at " +
                                    row_text(row) + ")");
  };
  if (keys.type() == KeyType::kU64) {
    std::unordered_set<uint64_t> seen;
    bool ascending = true;  // the common case needs no set
    for (size_t i = 1; i < keys.size() && ascending; ++i) ascending = keys.u64(i) > keys.u64(i - 1);
    for (size_t i = 0; i < keys.size() && !ascending; ++i) {
      if (!seen.insert(keys.u64(i)).second) return repeated(i, std::to_string(keys.u64(i)));
    }
  } else {
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (!seen.insert(keys.str(i)).second) return repeated(i, std::string(keys.str(i)));
    }
  }
  return Status::ok();
}

Status check_payloads(std::span<const std::string> payloads, size_t rows) {
  if (payloads.empty()) return Status::ok();
  if (payloads.size() != rows) {
    return Status::invalid_argument(std::to_string(payloads.size()) + " payloads for " +
                                    std::to_string(rows) + " rows");
  }
  size_t bytes = 0;
  for (size_t row = 0; row < rows; ++row) {
    ROX_RETURN_IF_ERROR(check_payload(payloads[row], row));
    bytes += payloads[row].size();
  }
  if (bytes > kBatchPayloadBytesMax) {
    return Status::invalid_argument(std::to_string(bytes) + " bytes of payloads in one batch; at " +
                                    "most " + std::to_string(kBatchPayloadBytesMax) +
                                    " are allowed: send smaller batches");
  }
  return Status::ok();
}

Result<std::vector<uint32_t>> check_vectors(const MatrixView& vectors,
                                            const CollectionOptions& options) {
  ROX_RETURN_IF_ERROR(check_shape(vectors, options));
  const kernels::KernelTable& table = kernels::kernels();
  std::vector<uint32_t> norms(vectors.rows());
  if (norms.empty()) return norms;
  if (options.type == ScalarType::kF32 || options.type == ScalarType::kF16) {
    ROX_RETURN_IF_ERROR(check_finite(vectors));
    std::vector<float> floats(norms.size());
    (options.type == ScalarType::kF32 ? table.norms_f32 : table.norms_f16)(
        vectors.data(), vectors.rows(), vectors.dim(), floats.data());
    std::memcpy(norms.data(), floats.data(), norms.size() * sizeof(float));
  } else {
    std::vector<int32_t> ints(norms.size());
    (options.type == ScalarType::kU8 ? table.norms_u8 : table.norms_i8)(
        vectors.data(), vectors.rows(), vectors.dim(), ints.data());
    std::memcpy(norms.data(), ints.data(), norms.size() * sizeof(int32_t));
  }
  ROX_RETURN_IF_ERROR(check_norms(norms, options));
  return norms;
}

// A norm that is a number, and not too large, is that of finite elements: what is wrong in detail
// is looked at only where something is.
Status check_queries(const MatrixView& queries, const CollectionOptions& options) {
  ROX_RETURN_IF_ERROR(check_shape(queries, options));
  const bool is_float = options.type == ScalarType::kF32 || options.type == ScalarType::kF16;
  if (!is_float && options.metric != Metric::kCosine) return Status::ok();
  if (!is_float) return check_vectors(queries, options).status();
  const kernels::KernelTable& table = kernels::kernels();
  const auto norm_of = options.type == ScalarType::kF32 ? table.norms_f32 : table.norms_f16;
  const float norm_min =
      options.metric == Metric::kCosine ? std::numeric_limits<float>::min() : 0.0f;
  for (size_t row = 0; row < queries.rows(); ++row) {
    float norm = 0;
    norm_of(queries.row(row), 1, queries.dim(), &norm);
    if (!(norm >= norm_min && norm <= kNormMax)) return check_vectors(queries, options).status();
  }
  return Status::ok();
}

}  // namespace roxanne::database
