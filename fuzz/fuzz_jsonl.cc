// jsonl, read as every scalar type. Payloads must be JSON objects for another parser too.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "fuzz/vector_fuzzing.h"

namespace {

void check_payloads(const roxanne::eval::VectorBatch& batch) {
  for (const std::string& payload : batch.payloads) {
    if (payload.empty()) continue;
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(payload, error);
    ROX_CHECK(!error);
    ROX_CHECK(value.is_object());
    ROX_CHECK(payload.size() <= roxanne::kPayloadBytesMax);
  }
  for (const std::string& key : batch.string_keys) ROX_CHECK(key.size() <= roxanne::kKeyBytesMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roxanne::ScalarType;
  for (const ScalarType type :
       {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    auto source = roxanne::eval::file_source(roxanne::fuzz::input_of({data, size}));
    roxanne::fuzz::read_all(roxanne::eval::open_jsonl_reader(std::move(source), "input", type),
                            check_payloads);
  }
  return 0;
}
