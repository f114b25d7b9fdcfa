#include "eval/hdf5_stream.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/status_macros.h"
#include "eval/hdf5_child.h"
#include "eval/input_file.h"
#include "storage/system_error.h"

namespace roxanne::eval {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr uint64_t kFirstUserBlockBytes = 512;
constexpr int kPipeBytes = 1 << 20;
// How many times larger than the file its rows can be: deflate shrinks 1032 times at most, and ids
// of 1 byte are widened to 8.
constexpr uint64_t kExpansionMax = 1032 * 8;

// Looks where the format allows the signature: at 0 and at every power of two from 512. Saves a
// process, and gives the plain answer, for what is not HDF5 at all. Returns the file's size.
Result<uint64_t> check_signature(const std::string& path) {
  ROX_ASSIGN_OR_RETURN(const InputFile input, open_input_file(path));
  if (input.bytes == 0) {
    return Status::invalid_argument(path +
                                    ": expected an HDF5 signature at byte 0, found an empty "
                                    "file");
  }
  uint64_t offset = 0;
  while (offset + kSignature.size() <= input.bytes) {
    std::array<std::byte, kSignature.size()> found;
    ROX_RETURN_IF_ERROR(input.read_exactly(offset, found, "HDF5 signature"));
    if (std::memcmp(found.data(), kSignature.data(), found.size()) == 0) return input.bytes;
    offset = std::max(kFirstUserBlockBytes, offset * 2);
  }
  return Status::invalid_argument(path +
                                  ": expected an HDF5 signature at byte 0, found none: this "
                                  "is not an HDF5 file");
}

// Bytes read; fewer than asked for where the other end closed.
size_t read_pipe(int pipe, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::read(pipe, out.data() + done, out.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 0;
  }
  return status;
}

}  // namespace

Result<std::unique_ptr<Hdf5Stream>> Hdf5Stream::open(const std::string& path,
                                                     const std::string& dataset, Hdf5Kind kind) {
  ROX_ASSIGN_OR_RETURN(const uint64_t file_bytes, check_signature(path));
  const Hdf5Request request{path, dataset, kind};
  int ends[2] = {-1, -1};
  pid_t child = -1;
  {
    const std::lock_guard lock(hdf5_mutex());
    if (pipe2(ends, O_CLOEXEC) != 0) return storage::system_error(errno, "make a pipe");
    child = fork();
    if (child == 0) serve_hdf5_rows(request, ends[1]);
    ::close(ends[1]);
  }
  if (child < 0) {
    const int error_number = errno;
    ::close(ends[0]);
    return storage::system_error(error_number, "start a process to read " + path);
  }
  fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes);  // fewer switches; fine without
  auto stream = std::unique_ptr<Hdf5Stream>(new Hdf5Stream(path, ends[0], child));
  ROX_RETURN_IF_ERROR(stream->receive_shape(file_bytes));
  return stream;
}

Hdf5Stream::~Hdf5Stream() {
  ::close(pipe_);
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  wait_for(child_);
}

Status Hdf5Stream::read(std::span<std::byte> out) {
  while (!out.empty()) {
    if (frame_bytes_left_ == 0) ROX_RETURN_IF_ERROR(next_frame(Hdf5Frame::kRows));
    const size_t bytes = std::min<uint64_t>(out.size(), frame_bytes_left_);
    ROX_RETURN_IF_ERROR(receive(out.first(bytes)));
    out = out.subspan(bytes);
    frame_bytes_left_ -= bytes;
  }
  return Status::ok();
}

// The child may have been made to say anything: its numbers are checked like a file's.
Status Hdf5Stream::receive_shape(uint64_t file_bytes) {
  ROX_RETURN_IF_ERROR(next_frame(Hdf5Frame::kShape));
  if (frame_bytes_left_ != sizeof shape_) return child_ended();
  ROX_RETURN_IF_ERROR(receive(std::as_writable_bytes(std::span(&shape_, 1))));
  frame_bytes_left_ = 0;
  const bool is_sane = shape_.type <= ScalarType::kI8 && shape_.dim >= 1 && shape_.dim <= kDimMax &&
                       shape_.row_bytes % shape_.dim == 0 &&
                       shape_.row_bytes / shape_.dim <= sizeof(int64_t) &&
                       shape_.row_bytes >= shape_.dim * scalar_bytes(shape_.type);
  if (!is_sane) return child_ended();
  if (shape_.rows <= file_bytes * kExpansionMax / shape_.row_bytes) return Status::ok();
  return Status::invalid_argument(
      path_ + ": expected rows that fit into its " + std::to_string(file_bytes) + " bytes, found " +
      std::to_string(shape_.rows) + " rows of " + std::to_string(shape_.row_bytes) + " bytes");
}

Status Hdf5Stream::next_frame(uint32_t wanted_kind) {
  Hdf5Frame frame;
  ROX_RETURN_IF_ERROR(receive(std::as_writable_bytes(std::span(&frame, 1))));
  frame_bytes_left_ = frame.bytes;
  if (frame.bytes <= kHdf5MessageBytesMax) {
    if (frame.kind == Hdf5Frame::kNotFound) return receive_error(StatusCode::kNotFound);
    if (frame.kind == Hdf5Frame::kInvalidArgument) {
      return receive_error(StatusCode::kInvalidArgument);
    }
  }
  return frame.kind == wanted_kind && frame.bytes > 0 ? Status::ok() : child_ended();
}

Status Hdf5Stream::receive_error(StatusCode code) {
  std::string message(frame_bytes_left_, '\0');
  ROX_RETURN_IF_ERROR(receive(std::as_writable_bytes(std::span(message))));
  return {code, std::move(message)};
}

Status Hdf5Stream::receive(std::span<std::byte> out) {
  return read_pipe(pipe_, out) == out.size() ? Status::ok() : child_ended();
}

Status Hdf5Stream::child_ended() {
  std::string how = "gave no answer";
  if (child_ >= 0) {
    ::kill(child_, SIGKILL);  // no effect on one that ended by itself
    const int status = wait_for(std::exchange(child_, -1));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) how = "made no progress";
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGXCPU) {
      how = std::string("crashed (") + strsignal(WTERMSIG(status)) + ")";
    }
  }
  return Status::invalid_argument(path_ + ": the HDF5 library " + how +
                                  " reading it: the file is damaged");
}

}  // namespace roxanne::eval
