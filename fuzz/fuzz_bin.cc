// u8bin, i8bin, fbin, f16bin.
#include "fuzz/vector_fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roxanne::eval::FileFormat;
  for (const FileFormat format :
       {FileFormat::kU8bin, FileFormat::kI8bin, FileFormat::kFbin, FileFormat::kF16bin}) {
    roxanne::fuzz::read_all(
        roxanne::eval::open_bin_reader(roxanne::fuzz::input_of({data, size}), format));
  }
  return 0;
}
