#include "cli/query_source.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>

#include "cli/common.h"
#include "cli/failure.h"
#include "cli/row_message.h"

namespace roxanne::cli {
namespace {

constexpr uint64_t kQueryBytesMax = 2ull << 30;
constexpr uint64_t kReadBytes = 8u << 20;

class FileQueries final : public QuerySource {
 public:
  FileQueries(const QueryOptions& options, const QueryShape& shape)
      : options_(options), shape_(shape), left_(options.row_limit) {
    eval::ReaderOptions reader;
    reader.format = options.format;
    reader.dataset = options.dataset;
    reader.jsonl_type = shape.type;
    reader.dim = shape.dim;
    reader_ = take(eval::open_vector_reader(options.path, reader));
    skip();
  }

  void next(size_t max_rows, eval::VectorBatch& batch) override {
    const size_t rows = static_cast<size_t>(std::min<uint64_t>(max_rows, left_));
    batch = eval::VectorBatch();
    if (rows == 0) return;
    if (reader_->info().type == shape_.type) {
      require(reader_->read(rows, batch));
    } else {
      eval::VectorBatch raw;
      require(reader_->read(rows, raw));
      const Status converted = eval::convert_batch(raw, shape_.type, batch);
      if (!converted.is_ok()) {
        throw Failure(Status::invalid_argument(
            options_.path + ": " +
            renumber_row(converted.message(), [this](uint64_t row) { return next_row_ + row; })));
      }
    }
    left_ -= batch.rows;
    next_row_ += batch.rows;
  }

 private:
  void skip() {
    const size_t row_bytes = shape_.dim * scalar_bytes(reader_->info().type);
    eval::VectorBatch skipped;
    while (next_row_ < options_.skip_rows) {
      const uint64_t wanted = options_.skip_rows - next_row_;
      const size_t rows = rows_of_bytes(kReadBytes, row_bytes);
      require(reader_->read(static_cast<size_t>(std::min<uint64_t>(wanted, rows)), skipped));
      if (skipped.rows == 0) {
        throw Failure(Status::invalid_argument(options_.path + ": has only " +
                                               std::to_string(next_row_) + " rows"));
      }
      next_row_ += skipped.rows;
    }
  }

  const QueryOptions options_;
  const QueryShape shape_;
  std::unique_ptr<eval::VectorReader> reader_;
  uint64_t left_;
  uint64_t next_row_ = 0;
};

// Lines as they come: a person or a program waits for the answer to each.
class LineQueries final : public QuerySource {
 public:
  LineQueries(const QueryOptions& options, const QueryShape& shape)
      : shape_(shape),
        left_(options.row_limit),
        lines_(take(eval::open_line_reader(options.path))) {
    std::string line;
    for (uint64_t i = 0; i < options.skip_rows && take(next_line(line)); ++i) {
    }
  }

  void next(size_t max_rows, eval::VectorBatch& batch) override {
    batch = eval::VectorBatch();
    batch.type = shape_.type;
    batch.dim = shape_.dim;
    std::string line;
    while (batch.rows < max_rows && left_ > 0 && take(next_line(line))) {
      const eval::VectorBatch row = parse(line);
      batch.data.insert(batch.data.end(), row.data.begin(), row.data.end());
      ++batch.rows;
      --left_;
    }
  }

 private:
  // Skips empty lines.
  Result<bool> next_line(std::string& line) {
    do {
      const auto more = lines_->next(line);
      if (!more.is_ok() || !*more) return more;
      ++line_number_;
    } while (line.find_first_not_of(" \t\r") == std::string::npos);
    return true;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Failure(
        Status::invalid_argument("query on line " + std::to_string(line_number_) + ": " + why));
  }

  eval::VectorBatch parse(const std::string& line) const {
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(line, error);
    if (error) refuse("not valid JSON: " + error.message());
    const boost::json::value* vector = &value;
    if (value.is_object()) vector = value.as_object().if_contains("vector");
    if (vector == nullptr || !vector->is_array()) {
      refuse("expected {\"vector\": [..]} or [..]");
    }
    const boost::json::array& numbers = vector->as_array();
    if (numbers.size() != shape_.dim) {
      refuse("the vector has " + std::to_string(numbers.size()) + " dimensions, expected " +
             std::to_string(shape_.dim));
    }
    return to_row(numbers);
  }

  eval::VectorBatch to_row(const boost::json::array& numbers) const {
    std::vector<float> floats;
    floats.reserve(numbers.size());
    for (const boost::json::value& number : numbers) {
      boost::json::error_code error;
      const auto real = number.to_number<double>(error);
      const auto narrow = static_cast<float>(real);
      if (error || !std::isfinite(narrow)) {
        refuse("element " + std::to_string(floats.size()) + " is not a finite number");
      }
      floats.push_back(narrow);
    }
    eval::VectorBatch row;
    row.dim = floats.size();
    row.rows = 1;
    row.data.resize(floats.size() * sizeof(float));
    std::memcpy(row.data.data(), floats.data(), row.data.size());
    if (shape_.type == ScalarType::kF32) return row;
    eval::VectorBatch converted;
    const Status status = eval::convert_batch(row, shape_.type, converted);
    if (!status.is_ok()) refuse(status.message());
    return converted;
  }

  const QueryShape shape_;
  uint64_t left_;
  uint64_t line_number_ = 0;
  std::unique_ptr<eval::LineReader> lines_;
};

}  // namespace

std::unique_ptr<QuerySource> open_queries(const QueryOptions& options, const QueryShape& shape) {
  if (options.path == "-") return std::make_unique<LineQueries>(options, shape);
  const auto format = options.format.has_value() ? Result<eval::FileFormat>(*options.format)
                                                 : eval::format_of_path(options.path);
  if (format.is_ok() && *format == eval::FileFormat::kJsonl) {
    return std::make_unique<LineQueries>(options, shape);
  }
  return std::make_unique<FileQueries>(options, shape);
}

eval::VectorBatch read_all_queries(const QueryOptions& options, const QueryShape& shape) {
  const auto source = open_queries(options, shape);
  const size_t row_bytes = shape.dim * scalar_bytes(shape.type);
  eval::VectorBatch all;
  all.type = shape.type;
  all.dim = shape.dim;
  eval::VectorBatch batch;
  while (true) {
    source->next(rows_of_bytes(kReadBytes, row_bytes), batch);
    if (batch.rows == 0) return all;
    if (all.data.size() + batch.data.size() > kQueryBytesMax) {
      throw Failure(Status::invalid_argument(options.path + ": more than 2 GiB of queries"),
                    "--limit takes the first N");
    }
    all.data.insert(all.data.end(), batch.data.begin(), batch.data.end());
    all.rows += batch.rows;
  }
}

}  // namespace roxanne::cli
