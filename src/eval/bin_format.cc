// u8bin, i8bin, fbin, f16bin, the layout of big-ann-benchmarks and DiskANN, little-endian:
//   0  uint32  row count
//   4  uint32  dimension
//   8  rows, each of `dimension` elements
// Both numbers are int32 in other programs; those are the same bytes up to 2^31 - 1.
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/file_formats.h"

namespace roxanne::eval {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr uint64_t kRowsMax = std::numeric_limits<uint32_t>::max();

using Header = std::array<std::byte, kHeaderBytes>;

Header make_header(uint64_t rows, uint64_t dim) {
  const uint32_t numbers[] = {static_cast<uint32_t>(rows), static_cast<uint32_t>(dim)};
  Header header;
  std::memcpy(header.data(), numbers, sizeof numbers);
  return header;
}

class BinWriter final : public VectorWriter {
 public:
  BinWriter(std::unique_ptr<OutputFile> output, const WriterOptions& options)
      : output_(std::move(output)), options_(options) {}

  Status append(const VectorBatch& batch) override {
    ROX_RETURN_IF_ERROR(check_batch(batch, options_));
    rows_ += batch.rows;
    if (rows_ > kRowsMax) {
      return Status::invalid_argument(output_->path() + ": this format holds at most " +
                                      std::to_string(kRowsMax) + " rows");
    }
    return output_->append(batch.data);
  }

  Status finish() override {
    ROX_RETURN_IF_ERROR(output_->patch(0, make_header(rows_, options_.dim)));
    return output_->commit();
  }

 private:
  std::unique_ptr<OutputFile> output_;
  WriterOptions options_;
  uint64_t rows_ = 0;
};

}  // namespace

ReaderResult open_bin_reader(InputFile input, FileFormat format) {
  if (input.bytes < kHeaderBytes) {
    return Status::invalid_argument(
        input.name + ": expected a header of 8 bytes at byte 0, found " +
        (input.bytes == 0 ? "an empty file" : std::to_string(input.bytes) + " bytes"));
  }
  Header header;
  ROX_RETURN_IF_ERROR(input.read_exactly(0, header, "header"));
  const DenseShape shape{*scalar_type_of(format), base::load<uint32_t>(header.data()),
                         base::load<uint32_t>(header.data() + 4), kHeaderBytes};
  return open_dense_reader(std::move(input), shape);
}

WriterResult open_bin_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options) {
  ROX_RETURN_IF_ERROR(output->append(make_header(0, options.dim)));
  return std::unique_ptr<VectorWriter>(std::make_unique<BinWriter>(std::move(output), options));
}

}  // namespace roxanne::eval
