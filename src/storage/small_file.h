// Whole files of a few lines, read and replaced in one step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// kCorruption where the file is longer than `bytes_max`.
Result<std::string> read_small_file(FileSystem& file_system, const std::string& path,
                                    uint64_t bytes_max);

// After a crash the file is the old or the new one, whole. Durable on return.
Status replace_file(FileSystem& file_system, const std::string& directory, const std::string& name,
                    std::string_view text);

}  // namespace roxanne::storage
