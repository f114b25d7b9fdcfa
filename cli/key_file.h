// Keys, one a line: what import reads back with --keys.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "roxanne/types.h"

namespace roxanne::cli {

// Writes beside `path` and renames in finish(): a file that is there is never half-replaced.
// Destroyed without finish(), it leaves nothing behind. Throws Failure.
class KeyFile {
 public:
  explicit KeyFile(std::string path);
  ~KeyFile();
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;

  void append(const Key& key);  // refuses one with a line end in it
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail() const;  // with errno's reason

  std::string path_;
  std::string unfinished_path_;  // empty once renamed
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace roxanne::cli
