#include "eval/vector_io.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/status_macros.h"
#include "eval/file_formats.h"

namespace roxanne::eval {
namespace {

struct FormatName {
  std::string_view name;
  FileFormat format;
};
// In the order of help texts.
constexpr FormatName kFormats[] = {
    {"u8bin", FileFormat::kU8bin},   {"i8bin", FileFormat::kI8bin}, {"fbin", FileFormat::kFbin},
    {"f16bin", FileFormat::kF16bin}, {"fvecs", FileFormat::kFvecs}, {"bvecs", FileFormat::kBvecs},
    {"npy", FileFormat::kNpy},       {"hdf5", FileFormat::kHdf5},   {"jsonl", FileFormat::kJsonl},
};
// Suffixes that are not names.
constexpr FormatName kOtherSuffixes[] = {
    {"h5", FileFormat::kHdf5}, {"hdf", FileFormat::kHdf5}, {"ndjson", FileFormat::kJsonl}};

// What follows the last dot of the file's name, in lower case; empty where there is none.
std::string suffix_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string() : base::lower(name.substr(dot + 1));
}

std::string why_unknown(const std::string& suffix) {
  if (suffix.empty()) return "it has no suffix";
  if (suffix == "bin") return "\".bin\" does not say which scalar type it holds";
  if (suffix == "ivecs") return "ivecs files hold ids (ground truth), not vectors";
  return "\"." + suffix + "\" is not a suffix of vectors";
}

Result<FileFormat> format_of(const std::string& path, std::optional<FileFormat> format) {
  if (format.has_value()) return *format;
  if (path == "-") return FileFormat::kJsonl;
  return format_of_path(path);
}

Status check_standard_stream(const std::string& path, FileFormat format) {
  if (path != "-" || format == FileFormat::kJsonl) return Status::ok();
  return Status::invalid_argument("- (standard input or output) carries jsonl only, not " +
                                  std::string(file_format_name(format)));
}

// ".zst" is read and only as jsonl.
Status check_compression(const std::string& path, FileFormat format) {
  if (suffix_of(path) != "zst" || format == FileFormat::kJsonl) return Status::ok();
  return Status::invalid_argument(path + ": only jsonl is read compressed: run zstd -d first");
}

ReaderResult open_reader(const std::string& path, FileFormat format, const ReaderOptions& options) {
  if (format == FileFormat::kHdf5) return open_hdf5_reader(path, options.dataset);
  if (format == FileFormat::kJsonl) {
    ROX_ASSIGN_OR_RETURN(auto source, open_byte_source(path));
    return open_jsonl_reader(std::move(source), path == "-" ? "standard input" : path,
                             options.jsonl_type);
  }
  ROX_ASSIGN_OR_RETURN(InputFile input, open_input_file(path));
  if (format == FileFormat::kNpy) return open_npy_reader(std::move(input));
  if (format == FileFormat::kFvecs || format == FileFormat::kBvecs) {
    return open_vecs_reader(std::move(input), format);
  }
  return open_bin_reader(std::move(input), format);
}

Status check_writer(const std::string& path, FileFormat format, const WriterOptions& options) {
  const std::optional<ScalarType> type = scalar_type_of(format);
  if (type.has_value() && *type != options.type) {
    return Status::invalid_argument(path + ": " + std::string(file_format_name(format)) +
                                    " holds " + std::string(scalar_type_name(*type)) + ", not " +
                                    std::string(scalar_type_name(options.type)));
  }
  if (options.dim >= 1 && options.dim <= kDimMax) return Status::ok();
  return Status::invalid_argument(path + ": expected a dimension of 1 to " +
                                  std::to_string(kDimMax) + ", found " +
                                  std::to_string(options.dim));
}

}  // namespace

std::optional<FileFormat> parse_file_format(std::string_view name) {
  for (const FormatName& known : kFormats) {
    if (name == known.name) return known.format;
  }
  return std::nullopt;
}

std::string_view file_format_name(FileFormat format) {
  for (const FormatName& known : kFormats) {
    if (format == known.format) return known.name;
  }
  return "unknown";
}

std::string file_format_names() {
  std::string names;
  for (const FormatName& known : kFormats) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

std::optional<ScalarType> scalar_type_of(FileFormat format) {
  switch (format) {
    case FileFormat::kU8bin:
    case FileFormat::kBvecs:
      return ScalarType::kU8;
    case FileFormat::kI8bin:
      return ScalarType::kI8;
    case FileFormat::kFbin:
    case FileFormat::kFvecs:
      return ScalarType::kF32;
    case FileFormat::kF16bin:
      return ScalarType::kF16;
    default:
      return std::nullopt;
  }
}

Result<FileFormat> format_of_path(const std::string& path) {
  std::string suffix = suffix_of(path);
  const bool is_compressed = suffix == "zst";
  if (is_compressed) suffix = suffix_of(path.substr(0, path.size() - 4));
  std::optional<FileFormat> format = parse_file_format(suffix);
  for (const FormatName& other : kOtherSuffixes) {
    if (suffix == other.name) format = other.format;
  }
  if (format.has_value()) return *format;
  return Status::invalid_argument("cannot tell the format of " + path + ": " + why_unknown(suffix) +
                                  "; name one of " + file_format_names());
}

ReaderResult open_vector_reader(const std::string& path, const ReaderOptions& options) {
  ROX_ASSIGN_OR_RETURN(const FileFormat format, format_of(path, options.format));
  ROX_RETURN_IF_ERROR(check_standard_stream(path, format));
  ROX_RETURN_IF_ERROR(check_compression(path, format));
  ROX_ASSIGN_OR_RETURN(auto reader, open_reader(path, format, options));
  const size_t dim = reader->info().dim;
  if (!options.dim.has_value() || dim == *options.dim) return reader;
  return Status::invalid_argument(path + ": expected vectors of dimension " +
                                  std::to_string(*options.dim) + ", found " + std::to_string(dim));
}

WriterResult open_vector_writer(const std::string& path, const WriterOptions& options) {
  ROX_ASSIGN_OR_RETURN(const FileFormat format, format_of(path, options.format));
  ROX_RETURN_IF_ERROR(check_standard_stream(path, format));
  if (suffix_of(path) == "zst") {
    return Status::invalid_argument(path + ": compressed files are read, not written");
  }
  ROX_RETURN_IF_ERROR(check_writer(path, format, options));
  if (format == FileFormat::kJsonl) {
    ROX_ASSIGN_OR_RETURN(auto sink, open_text_sink(path));
    return open_jsonl_writer(std::move(sink), options);
  }
  ROX_ASSIGN_OR_RETURN(auto output, OutputFile::create(path));
  if (format == FileFormat::kHdf5) return open_hdf5_writer(std::move(output), options);
  if (format == FileFormat::kNpy) return open_npy_writer(std::move(output), options);
  if (format == FileFormat::kFvecs || format == FileFormat::kBvecs) {
    return open_vecs_writer(std::move(output), options);
  }
  return open_bin_writer(std::move(output), options);
}

}  // namespace roxanne::eval
