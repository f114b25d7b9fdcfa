#include "cli/key_file.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cli/failure.h"

namespace roxanne::cli {

KeyFile::KeyFile(std::string path)
    : path_(std::move(path)),
      unfinished_path_(path_ + ".tmp"),
      file_(std::fopen(unfinished_path_.c_str(), "wb")) {
  if (file_ == nullptr) fail();
}

KeyFile::~KeyFile() {
  file_.reset();
  if (!unfinished_path_.empty()) std::remove(unfinished_path_.c_str());
}

void KeyFile::fail() const {
  const int error = errno;
  throw Failure(Status(error == ENOSPC ? StatusCode::kDiskFull : StatusCode::kIoError,
                       path_ + ": " + std::generic_category().message(error)));
}

void KeyFile::append(const Key& key) {
  const std::string line = key.to_string() + "\n";
  if (line.find('\n') + 1 != line.size()) {
    throw Failure(
        Status::invalid_argument(path_ + ": a key with a line end in it has no place in a "
                                         "file of one key a line"),
        "export to jsonl keeps such keys");
  }
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) fail();
}

void KeyFile::finish() {
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) fail();
  if (std::fclose(file_.release()) != 0) fail();
  if (std::rename(unfinished_path_.c_str(), path_.c_str()) != 0) fail();
  unfinished_path_.clear();
}

}  // namespace roxanne::cli
