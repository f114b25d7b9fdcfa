// gt.bin and ivecs.
#include "fuzz/vector_fuzzing.h"

namespace {

void check(const roxanne::Result<roxanne::eval::GroundTruth>& truth) {
  if (!truth.is_ok()) return roxanne::fuzz::check_error(truth.status());
  ROX_CHECK(truth->k >= 1);
  ROX_CHECK(truth->ids.size() == truth->queries * truth->k);
  ROX_CHECK(truth->distances.empty() || truth->distances.size() == truth->ids.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check(roxanne::eval::read_gt_bin(roxanne::fuzz::input_of({data, size})));
  check(roxanne::eval::read_ivecs(roxanne::fuzz::input_of({data, size})));
  return 0;
}
