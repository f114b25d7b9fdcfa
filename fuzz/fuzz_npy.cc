// npy.
#include "fuzz/vector_fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  roxanne::fuzz::read_all(roxanne::eval::open_npy_reader(roxanne::fuzz::input_of({data, size})));
  return 0;
}
