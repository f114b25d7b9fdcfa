#include "database/seal.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/checksum.h"
#include "base/status_macros.h"
#include "storage/small_file.h"

namespace roxanne::database {
namespace {

constexpr uint64_t kSealBytesMax = 16u << 20;
constexpr size_t kReadBytes = 1u << 20;

bool ends_with(const std::string& text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// Sorted files carry checksums of their own; lock and option files say nothing about the data.
bool is_sealed(const std::string& name) {
  return name == "CURRENT" || name.starts_with("MANIFEST-") || ends_with(name, ".log") ||
         ends_with(name, ".sst");
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Result<uint64_t> file_checksum(storage::FileSystem& file_system, const std::string& path) {
  ROX_ASSIGN_OR_RETURN(const auto file, file_system.open(path, storage::OpenMode::kRead));
  std::vector<std::byte> buffer(kReadBytes);
  uint64_t checksum = 0;
  uint64_t offset = 0;
  while (true) {
    ROX_ASSIGN_OR_RETURN(const size_t got, file->read(offset, buffer));
    if (got == 0) return checksum;
    checksum = base::checksum64(buffer.data(), got, checksum);
    offset += got;
  }
}

// One line a file: name, size, checksum ("-" for sorted files); then one over the lines before.
Result<std::string> describe(storage::FileSystem& file_system, const std::string& path) {
  const std::string folder = path + "/kv";
  ROX_ASSIGN_OR_RETURN(std::vector<std::string> names, file_system.list(folder));
  std::sort(names.begin(), names.end());
  std::string text = "roxanne seal 1\n";
  for (const std::string& name : names) {
    if (!is_sealed(name)) continue;
    ROX_ASSIGN_OR_RETURN(const uint64_t size, file_system.file_size(folder + "/" + name));
    std::string checksum = "-";
    if (!ends_with(name, ".sst")) {
      ROX_ASSIGN_OR_RETURN(const uint64_t sum, file_checksum(file_system, folder + "/" + name));
      checksum = hex(sum);
    }
    text += "kv/" + name + " " + std::to_string(size) + " " + checksum + "\n";
  }
  text += "end " + hex(base::checksum64(text.data(), text.size())) + "\n";
  return text;
}

bool is_whole(const std::string& seal) {
  const size_t end = seal.rfind("end ");
  return end != std::string::npos &&
         seal.substr(end) == "end " + hex(base::checksum64(seal.data(), end)) + "\n";
}

// The first line that the two do not share.
std::string first_difference(const std::string& expected, const std::string& found) {
  size_t begin = 0;
  while (begin < expected.size()) {
    const size_t end = expected.find('\n', begin);
    const std::string line = expected.substr(begin, end - begin + 1);
    if (found.find(line) == std::string::npos) return line.substr(0, line.size() - 1);
    begin = end + 1;
  }
  return "an unexpected file in kv/";
}

}  // namespace

Status write_seal(storage::FileSystem& file_system, const std::string& path) {
  // Files that the store removed must not come back after a power cut: the seal does not name them.
  ROX_RETURN_IF_ERROR(file_system.sync_directory(path + "/kv"));
  ROX_ASSIGN_OR_RETURN(const std::string text, describe(file_system, path));
  return storage::replace_file(file_system, path, "SEAL", text);
}

std::string read_seal(storage::FileSystem& file_system, const std::string& path) {
  const auto seal = storage::read_small_file(file_system, path + "/SEAL", kSealBytesMax);
  return seal.is_ok() ? *seal : std::string();
}

Result<std::string> check_seal(storage::FileSystem& file_system, const std::string& path) {
  const std::string seal_path = path + "/SEAL";
  ROX_ASSIGN_OR_RETURN(const bool there, file_system.exists(seal_path));
  if (!there) return std::string();
  auto seal = storage::read_small_file(file_system, seal_path, kSealBytesMax);
  auto found = describe(file_system, path);
  // A writer that has just opened the folder removes the seal before it changes anything, and puts
  // a new one there when it closes: what was read counts only if the seal stayed as it was.
  while (true) {
    ROX_ASSIGN_OR_RETURN(const bool still_there, file_system.exists(seal_path));
    if (!still_there) return std::string();
    const auto again = storage::read_small_file(file_system, seal_path, kSealBytesMax);
    ROX_RETURN_IF_ERROR(again.status());
    if (seal.is_ok() && *again == *seal) break;
    seal = again;
    found = describe(file_system, path);
  }
  ROX_RETURN_IF_ERROR(found.status());
  if (!is_whole(*seal)) {
    return Status::corruption(seal_path +
                              ": the seal itself is damaged; if `verify` of a copy "
                              "without this file finds nothing wrong, delete it");
  }
  if (*seal == *found) return *seal;
  return Status::corruption(path + ": changed since the database was closed: expected \"" +
                            first_difference(*seal, *found) + "\" (name, size, checksum)");
}

Status remove_seal(storage::FileSystem& file_system, const std::string& path) {
  ROX_ASSIGN_OR_RETURN(const bool there, file_system.exists(path + "/SEAL"));
  if (!there) return Status::ok();
  ROX_RETURN_IF_ERROR(file_system.remove(path + "/SEAL"));
  return file_system.sync_directory(path);
}

}  // namespace roxanne::database
