#include "storage/small_file.h"

#include "base/status_macros.h"

namespace roxanne::storage {

Result<std::string> read_small_file(FileSystem& file_system, const std::string& path,
                                    uint64_t bytes_max) {
  ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path, OpenMode::kRead));
  ROX_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  if (size > bytes_max) {
    return Status::corruption(path + ": " + std::to_string(size) + " bytes long, at most " +
                              std::to_string(bytes_max) + " expected");
  }
  std::string text(size, '\0');
  ROX_ASSIGN_OR_RETURN(const size_t got,
                       file->read(0, std::as_writable_bytes(std::span(text.data(), size))));
  text.resize(got);
  return text;
}

Status replace_file(FileSystem& file_system, const std::string& directory, const std::string& name,
                    std::string_view text) {
  const std::string path = directory + "/" + name;
  {
    ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path + ".tmp", OpenMode::kCreate));
    ROX_RETURN_IF_ERROR(file->write(0, std::as_bytes(std::span(text.data(), text.size()))));
    ROX_RETURN_IF_ERROR(file->sync());
  }
  ROX_RETURN_IF_ERROR(file_system.rename(path + ".tmp", path));
  return file_system.sync_directory(directory);
}

}  // namespace roxanne::storage
