// A folder that goes away with its owner.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace roxanne::testing_support {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/roxanne_test_XXXXXX";
    path_ = mkdtemp(pattern.data()) != nullptr ? pattern : "";
    if (path_.empty()) std::abort();
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/test.rox"; }

 private:
  std::string path_;
};

}  // namespace roxanne::testing_support
