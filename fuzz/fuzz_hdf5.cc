// hdf5, through the door that everyone uses: libhdf5 in a child process. Crashes of the library are
// errors there, so what is found here are mistakes of ours. Coverage does not see the child: inputs
// are mutated blindly.
#include <unistd.h>

#include <cstdlib>

#include "fuzz/vector_fuzzing.h"

namespace {

// libhdf5 wants a path. The file lies in memory and is written anew for each input.
class InputPath {
 public:
  InputPath() : descriptor_(mkstemp(path_)) { ROX_CHECK(descriptor_ >= 0); }
  InputPath(const InputPath&) = delete;
  InputPath& operator=(const InputPath&) = delete;
  ~InputPath() { unlink(path_); }

  const char* write(const uint8_t* data, size_t size) {
    ROX_CHECK(ftruncate(descriptor_, 0) == 0);
    ROX_CHECK(pwrite(descriptor_, data, size, 0) == static_cast<ssize_t>(size));
    return path_;
  }

 private:
  char path_[32] = "/dev/shm/fuzz_hdf5_XXXXXX";
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static InputPath input;
  const char* path = input.write(data, size);
  roxanne::fuzz::read_all(roxanne::eval::open_hdf5_reader(path, "train"));
  const auto truth = roxanne::eval::read_hdf5_ground_truth(path);
  if (!truth.is_ok()) roxanne::fuzz::check_error(truth.status());
  return 0;
}
