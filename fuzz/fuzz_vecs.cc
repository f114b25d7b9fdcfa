// fvecs and bvecs.
#include "fuzz/vector_fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roxanne::eval::FileFormat;
  for (const FileFormat format : {FileFormat::kFvecs, FileFormat::kBvecs}) {
    roxanne::fuzz::read_all(
        roxanne::eval::open_vecs_reader(roxanne::fuzz::input_of({data, size}), format));
  }
  return 0;
}
