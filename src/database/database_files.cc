#include "database/database_files.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/status_macros.h"
#include "storage/row_file.h"
#include "storage/small_file.h"

namespace roxanne::database {
namespace {

constexpr std::string_view kFormatText = "roxanne database, format ";
constexpr uint64_t kFormatBytesMax = 4096;
constexpr std::string_view kGraphFile = "graph-";

std::string six_digits(uint32_t number) {
  std::string digits = std::to_string(number);
  return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

std::string format_text(uint32_t version) {
  return std::string(kFormatText) + std::to_string(version) + "\n";
}

// The number in the name of a graph file; absent for any other file.
std::optional<uint32_t> graph_number(const std::string& name) {
  if (!name.starts_with(kGraphFile)) return std::nullopt;
  uint32_t number = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kGraphFile.size(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return std::nullopt;
  return number;
}

}  // namespace

std::string DatabaseFiles::collection_path(uint32_t collection) const {
  return collections_path() + "/" + six_digits(collection);
}

std::string DatabaseFiles::vectors_path(uint32_t collection) const {
  return collection_path(collection) + "/vectors.dat";
}

GraphPaths DatabaseFiles::graph_paths(uint32_t collection, uint32_t number) const {
  const std::string stem =
      collection_path(collection) + "/" + std::string(kGraphFile) + six_digits(number);
  return {stem + ".dat", {stem + ".pages", stem + ".codes"}};
}

Status DatabaseFiles::make_folder() const {
  const size_t slash = path_.rfind('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path_.substr(0, slash);
  ROX_ASSIGN_OR_RETURN(const bool parent_exists, file_system_.exists(parent));
  if (!parent_exists) return Status::not_found(parent + ": no such folder to make a database in");
  ROX_RETURN_IF_ERROR(file_system_.create_directory(path_));
  ROX_RETURN_IF_ERROR(file_system_.sync_directory(parent));
  ROX_RETURN_IF_ERROR(file_system_.create_directory(collections_path()));
  ROX_RETURN_IF_ERROR(file_system_.create_directory(store_path()));
  ROX_RETURN_IF_ERROR(
      file_system_.open(path_ + "/READERS", storage::OpenMode::kReadWrite).status());
  return file_system_.sync_directory(path_);
}

Status DatabaseFiles::write_format() const {
  return storage::replace_file(file_system_, path_, "FORMAT", format_text(kFormatVersion));
}

Result<uint32_t> DatabaseFiles::read_format() const {
  ROX_ASSIGN_OR_RETURN(const std::string text,
                       storage::read_small_file(file_system_, path_ + "/FORMAT", kFormatBytesMax));
  for (uint32_t version = kFormatVersionMin; version <= kFormatVersion; ++version) {
    if (text == format_text(version)) return version;
  }
  if (text.starts_with(kFormatText)) {
    return Status::unsupported(path_ + "/FORMAT: \"" + text.substr(0, text.find('\n')) +
                               "\"; this build reads formats " + std::to_string(kFormatVersionMin) +
                               " to " + std::to_string(kFormatVersion));
  }
  return Status::corruption(path_ + "/FORMAT: not what a Roxanne database begins with");
}

Status DatabaseFiles::create_collection(uint32_t collection, size_t row_bytes) const {
  ROX_RETURN_IF_ERROR(file_system_.create_directory(collection_path(collection)));
  ROX_RETURN_IF_ERROR(file_system_.sync_directory(collections_path()));
  ROX_RETURN_IF_ERROR(storage::RowFile::create(file_system_, vectors_path(collection),
                                               static_cast<uint32_t>(row_bytes))
                          .status());
  return file_system_.sync_directory(collection_path(collection));
}

Status DatabaseFiles::remove_collection(uint32_t collection) const {
  const std::string folder = collection_path(collection);
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(folder));
  for (const std::string& name : names)
    ROX_RETURN_IF_ERROR(file_system_.remove(folder + "/" + name));
  ROX_RETURN_IF_ERROR(file_system_.remove_directory(folder));
  return file_system_.sync_directory(collections_path());
}

Status DatabaseFiles::remove_collections_but(
    const std::function<bool(uint32_t collection)>& is_known) const {
  // Tools that copy folders may drop an empty one.
  ROX_RETURN_IF_ERROR(file_system_.create_directory(collections_path()));
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(collections_path()));
  for (const std::string& name : names) {
    const bool is_number =
        !name.empty() && name.size() <= 10 &&
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) continue;
    const uint32_t id = static_cast<uint32_t>(std::stoull(name));
    if (six_digits(id) != name) continue;  // not a folder of ours
    if (!is_known(id)) ROX_RETURN_IF_ERROR(remove_collection(id));
  }
  return Status::ok();
}

Result<uint32_t> DatabaseFiles::next_graph_number(uint32_t collection, uint32_t highest) const {
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(collection_path(collection)));
  for (const std::string& name : names) {
    highest = std::max(highest, graph_number(name).value_or(0));
  }
  if (highest == std::numeric_limits<uint32_t>::max()) {
    return Status::unsupported(collection_path(collection) + ": no number is left for a graph");
  }
  return highest + 1;
}

bool DatabaseFiles::is_graph_file(uint32_t collection, const schema::GraphRecord& record,
                                  const std::string& path) const {
  const GraphPaths paths = graph_paths(collection, record.file_number);
  return (record.resident.exists() && path == paths.resident) ||
         (record.disk.exists() && paths.disk.include(path));
}

uint64_t DatabaseFiles::graph_bytes_on_disk(uint32_t collection,
                                            const schema::GraphRecord& record) const {
  const std::string folder = collection_path(collection);
  const auto names = file_system_.list(folder);
  if (!names.is_ok()) return 0;  // dropped just now
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    const std::string path = folder + "/" + name;
    if (!is_graph_file(collection, record, path)) continue;
    // Pages that are free may have given their space back.
    const auto file = file_system_.open(path, storage::OpenMode::kRead);
    if (!file.is_ok()) continue;
    const Result<uint64_t> size = (*file)->size();
    const Result<uint64_t> allocated = (*file)->allocated_bytes();
    if (size.is_ok() && allocated.is_ok()) bytes += std::min(*size, *allocated);
  }
  return bytes;
}

Status DatabaseFiles::remove_graphs_but(uint32_t collection,
                                        const std::optional<schema::GraphRecord>& record) const {
  const std::string folder = collection_path(collection);
  ROX_ASSIGN_OR_RETURN(const auto names, file_system_.list(folder));
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    if (!name.starts_with(kGraphFile)) continue;
    if (record.has_value() && is_graph_file(collection, *record, path)) continue;
    ROX_RETURN_IF_ERROR(file_system_.remove(path));
  }
  return Status::ok();
}

}  // namespace roxanne::database
