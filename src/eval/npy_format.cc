// NumPy's .npy, versions 1.0 to 3.0:
//   0  6 bytes   "\x93NUMPY"
//   6  uint8     major version, uint8 minor version
//   8  uint16 (version 1) or uint32 (2 and 3), little-endian: bytes of the text that follows
//      text      a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//      rows, C order
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/file_formats.h"
#include "eval/npy_header.h"

namespace roxanne::eval {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kTextBytesMax = 64u << 10;  // what version 1 can say
// The whole header we write; a multiple of 64, as NumPy aligns it. Room for any shape.
constexpr size_t kWrittenHeaderBytes = 128;

struct HeaderPlace {
  size_t text_offset = 0;
  size_t text_bytes = 0;
};

Status invalid(const InputFile& input, const std::string& problem) {
  return Status::invalid_argument(input.name + ": " + problem);
}

Result<HeaderPlace> find_header(const InputFile& input) {
  if (input.bytes == 0)
    return invalid(input, "expected an npy header at byte 0, found an empty file");
  std::array<std::byte, 8> start;
  ROX_RETURN_IF_ERROR(input.read_exactly(0, start, "npy header"));
  if (std::memcmp(start.data(), kMagic.data(), kMagic.size()) != 0) {
    return invalid(input, "expected \"\\x93NUMPY\" at byte 0: this is not an npy file");
  }
  const unsigned major = std::to_integer<unsigned>(start[6]);
  const unsigned minor = std::to_integer<unsigned>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return invalid(input, "expected npy version 1.0, 2.0 or 3.0 at byte 6, found " +
                              std::to_string(major) + "." + std::to_string(minor));
  }
  std::array<std::byte, 4> length{};
  const size_t length_bytes = major == 1 ? 2 : 4;
  ROX_RETURN_IF_ERROR(
      input.read_exactly(8, std::span(length).first(length_bytes), "npy header length"));
  const HeaderPlace place{8 + length_bytes, base::load<uint32_t>(length.data())};
  if (place.text_bytes > kTextBytesMax) {
    return invalid(input, "expected a header of at most " + std::to_string(kTextBytesMax) +
                              " bytes at byte 8, found " + std::to_string(place.text_bytes));
  }
  return place;
}

Result<DenseShape> read_shape(const InputFile& input) {
  ROX_ASSIGN_OR_RETURN(const HeaderPlace place, find_header(input));
  if (place.text_offset + place.text_bytes > input.bytes) {
    return invalid(input, "expected a header of " + std::to_string(place.text_bytes) +
                              " bytes at byte " + std::to_string(place.text_offset) +
                              ", found the end of the file at " + std::to_string(input.bytes));
  }
  std::string text(place.text_bytes, '\0');
  ROX_RETURN_IF_ERROR(
      input.read_exactly(place.text_offset, std::as_writable_bytes(std::span(text)), "npy header"));
  const Result<NpyHeader> header = parse_npy_header(text);
  if (!header.is_ok()) {
    return invalid(input, "npy header at byte " + std::to_string(place.text_offset) + ": " +
                              header.status().message());
  }
  return DenseShape{header->type, header->rows, header->dim, place.text_offset + place.text_bytes};
}

std::string make_header(ScalarType type, uint64_t rows, uint64_t dim) {
  std::string header(kMagic);
  header += std::string_view("\x01\x00", 2);
  base::append(header, static_cast<uint16_t>(kWrittenHeaderBytes - header.size() - 2));
  header += "{'descr': '" + std::string(npy_type_name(type)) + "', 'fortran_order': False, " +
            "'shape': (" + std::to_string(rows) + ", " + std::to_string(dim) + "), }";
  ROX_CHECK(header.size() < kWrittenHeaderBytes);
  header.resize(kWrittenHeaderBytes - 1, ' ');
  return header + '\n';
}

class NpyWriter final : public VectorWriter {
 public:
  NpyWriter(std::unique_ptr<OutputFile> output, const WriterOptions& options)
      : output_(std::move(output)), options_(options) {}

  Status append(const VectorBatch& batch) override {
    ROX_RETURN_IF_ERROR(check_batch(batch, options_));
    rows_ += batch.rows;
    return output_->append(batch.data);
  }

  Status finish() override {
    const std::string header = make_header(options_.type, rows_, options_.dim);
    ROX_RETURN_IF_ERROR(output_->patch(0, std::as_bytes(std::span(header))));
    return output_->commit();
  }

 private:
  std::unique_ptr<OutputFile> output_;
  WriterOptions options_;
  uint64_t rows_ = 0;
};

}  // namespace

ReaderResult open_npy_reader(InputFile input) {
  ROX_ASSIGN_OR_RETURN(const DenseShape shape, read_shape(input));
  return open_dense_reader(std::move(input), shape);
}

WriterResult open_npy_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options) {
  const std::string header = make_header(options.type, 0, options.dim);
  ROX_RETURN_IF_ERROR(output->append(std::as_bytes(std::span(header))));
  return std::unique_ptr<VectorWriter>(std::make_unique<NpyWriter>(std::move(output), options));
}

}  // namespace roxanne::eval
