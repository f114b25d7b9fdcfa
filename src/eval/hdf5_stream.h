// The rows of an HDF5 dataset, read by libhdf5 in a child process and passed through a pipe.
//
// libhdf5 1.10.8 does not withstand damaged files: of 240,000 small ones with 1 to 4 bytes changed,
// 12 crashed it, and others made it loop or ask for 25 GB (fuzz/corpus/fuzz_hdf5 keeps examples).
// In a child, that is an error message here. The child gets limits on memory and on processor time
// without progress.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "eval/hdf5_dataset.h"
#include "roxanne/status.h"

namespace roxanne::eval {

// One thread at a time.
class Hdf5Stream {
 public:
  // Fails as Hdf5Dataset::open does.
  static Result<std::unique_ptr<Hdf5Stream>> open(const std::string& path,
                                                  const std::string& dataset, Hdf5Kind kind);
  Hdf5Stream(const Hdf5Stream&) = delete;
  Hdf5Stream& operator=(const Hdf5Stream&) = delete;
  ~Hdf5Stream();  // ends the child

  const Hdf5Shape& shape() const { return shape_; }
  // Fills `out` with the next rows; there must be so many.
  Status read(std::span<std::byte> out);

 private:
  Hdf5Stream(std::string path, int pipe, pid_t child)
      : path_(std::move(path)), pipe_(pipe), child_(child) {}
  Status receive_shape(uint64_t file_bytes);
  Status receive(std::span<std::byte> out);
  Status receive_error(StatusCode code);
  // Reads the next frame's head; an error frame, or the child's end, as a Status.
  Status next_frame(uint32_t wanted_kind);
  // Why the pipe ended early.
  Status child_ended();

  std::string path_;
  int pipe_;
  pid_t child_;  // -1 once waited for
  Hdf5Shape shape_;
  uint64_t frame_bytes_left_ = 0;
};

}  // namespace roxanne::eval
