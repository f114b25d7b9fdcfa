// Files of vectors: one reader and one writer interface over every format, streaming.
//
// Formats, chosen by suffix or by name: u8bin i8bin fbin f16bin, fvecs bvecs, npy, hdf5, jsonl.
// Memory is bounded by the batch asked for, whatever the file's length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::eval {

enum class FileFormat : uint8_t {
  kU8bin,
  kI8bin,
  kFbin,
  kF16bin,  // int32 n, int32 d, n*d elements (uint32 n, d accepted)
  kFvecs,
  kBvecs,  // a row: int32 d, then d elements (f32, u8)
  kNpy,    // 2-d C-order array: <f4 <f2 |u1 |i1, also uint8 etc. v1.0-3.0
  kHdf5,   // a 2-d dataset: ann-benchmarks' "train", "test"
  kJsonl,  // {"key": .., "vector": [..], "payload": {..}} a line
};
std::optional<FileFormat> parse_file_format(std::string_view name);
std::string_view file_format_name(FileFormat format);
// All names, for help and error messages: "u8bin, i8bin, ...".
std::string file_format_names();
// By suffix (.u8bin, .bin is refused as ambiguous, .hdf5 and .h5, .jsonl and .ndjson ...);
// kInvalidArgument that lists the formats.
Result<FileFormat> format_of_path(const std::string& path);

// Rows read together. Keys are empty where the file has none (then row numbers serve), else one a
// row in exactly one of the two lists; payloads are empty or one a row ("" = none).
struct VectorBatch {
  ScalarType type = ScalarType::kF32;
  size_t dim = 0;
  size_t rows = 0;
  std::vector<std::byte> data;  // rows * dim elements, row-major
  std::vector<uint64_t> number_keys;
  std::vector<std::string> string_keys;
  std::vector<std::string> payloads;

  MatrixView view() const { return {type, data.data(), rows, dim}; }
};

struct VectorFileInfo {
  ScalarType type = ScalarType::kF32;
  size_t dim = 0;
  std::optional<uint64_t> rows;  // unknown for streams
  // Keys come with the vectors (jsonl): their type. Decided by the first line.
  std::optional<KeyType> key_type;
};

struct ReaderOptions {
  std::optional<FileFormat> format;  // by suffix where absent
  std::string dataset = "train";     // hdf5
  // jsonl has no scalar type of its own: numbers are read as this one, checked for range and (for
  // integers) wholeness.
  ScalarType jsonl_type = ScalarType::kF32;
  std::optional<size_t> dim;  // where given, a file of another dimension is kInvalidArgument
};

// One thread at a time. Every error names the file, the byte offset (or line, or row) and what was
// expected there. Headers are checked against the file's size before anything is allocated.
class VectorReader {
 public:
  virtual ~VectorReader() = default;
  virtual const VectorFileInfo& info() const = 0;
  // Replaces `batch` by the next 1..max_rows rows; 0 rows at the end. Values are not checked for
  // NaN: the database's door does that.
  virtual Status read(size_t max_rows, VectorBatch& batch) = 0;
  // Input bytes consumed and in all (0 where unknown), for progress.
  virtual uint64_t bytes_done() const = 0;
  virtual uint64_t bytes_total() const = 0;
};

// `path` "-" is standard input (jsonl only).
Result<std::unique_ptr<VectorReader>> open_vector_reader(const std::string& path,
                                                         const ReaderOptions& options = {});

struct WriterOptions {
  std::optional<FileFormat> format;
  ScalarType type = ScalarType::kF32;  // of the rows that will come
  size_t dim = 0;
  std::string dataset = "train";  // hdf5
};

// Writes to `path`.tmp and renames in finish(): a file that is there is never half-replaced. "-" is
// standard output (jsonl only). Destroyed without finish(), it leaves nothing behind.
class VectorWriter {
 public:
  virtual ~VectorWriter() = default;
  // A format without keys or payloads drops them; jsonl writes row numbers where there are none.
  virtual Status append(const VectorBatch& batch) = 0;
  virtual Status finish() = 0;
};

// kInvalidArgument where the format cannot hold the type (fvecs holds f32, bvecs u8, ...).
Result<std::unique_ptr<VectorWriter>> open_vector_writer(const std::string& path,
                                                         const WriterOptions& options);

// Element-wise conversion for `convert`: to narrower types values must fit (integers: whole and in
// range; f16: finite), else kInvalidArgument with row and column.
Status convert_batch(const VectorBatch& in, ScalarType type, VectorBatch& out);

// Exact neighbours of queries: row ids and distances, nearest first.
struct GroundTruth {
  size_t queries = 0;
  size_t k = 0;
  std::vector<uint32_t> ids;     // queries * k
  std::vector<float> distances;  // queries * k, or empty where the format has none (ivecs)
};
enum class GroundTruthFormat : uint8_t { kGtBin, kIvecs, kHdf5 };
// By suffix: .ivecs, .hdf5/.h5 (datasets "neighbors" and, where there, "distances"), else gt.bin.
Result<GroundTruth> read_ground_truth(const std::string& path);
Status write_ground_truth(const std::string& path, const GroundTruth& truth);  // gt.bin or .ivecs

// One line a key (--keys FILE): decimal u64 or text. Streaming; `.zst` accepted.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // False at the end. A line longer than `kLineBytesMax` is kInvalidArgument with its number.
  virtual Result<bool> next(std::string& line) = 0;
  static constexpr size_t kLineBytesMax = 16u << 20;
};
Result<std::unique_ptr<LineReader>> open_line_reader(const std::string& path);  // "-", ".zst"

}  // namespace roxanne::eval
