// jsonl: a line a row, {"key": 7 or "name", "vector": [0.5, 1], "payload": {"title": ".."}}. The
// key is on every line or on none (then the row numbers serve), and of one type; the payload may be
// missing or null. Blank lines are skipped. A line may be as long as LineReader's.
#include <boost/json/basic_parser_impl.hpp>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/file_formats.h"
#include "eval/json_line.h"
#include "eval/line_splitter.h"
#include "json/json_text.h"

namespace roxanne::eval {
namespace {

constexpr size_t kWriteBytes = 1u << 20;

std::string_view key_kind_name(JsonKey kind) {
  if (kind == JsonKey::kNone) return "no key";
  return kind == JsonKey::kNumber ? "a number as key" : "a string as key";
}

class JsonlReader final : public VectorReader {
 public:
  JsonlReader(std::unique_ptr<ByteSource> source, const std::string& name, ScalarType type)
      : lines_(std::move(source), name), parser_(boost::json::parse_options{}, type) {
    info_.type = type;
  }

  // Parses the first line: it says what the others must be like.
  Status open() {
    reset_batch(first_, info_.type, 0);
    ROX_ASSIGN_OR_RETURN(const bool found, read_row(first_));
    if (!found) {
      return Status::invalid_argument(
          lines_.name() + ": expected at least one line with a JSON object, found none");
    }
    first_.dim = info_.dim;
    return Status::ok();
  }

  const VectorFileInfo& info() const override { return info_; }

  Status read(size_t max_rows, VectorBatch& batch) override {
    reset_batch(batch, info_.type, info_.dim);
    if (max_rows > 0 && first_.rows == 1) std::swap(batch, first_);
    first_.rows = 0;
    while (batch.rows < max_rows) {
      ROX_ASSIGN_OR_RETURN(const bool found, read_row(batch));
      if (!found) break;
    }
    return Status::ok();
  }

  uint64_t bytes_done() const override { return lines_.source().bytes_done(); }
  uint64_t bytes_total() const override { return lines_.source().bytes_total(); }

 private:
  Status invalid(const std::string& problem) const {
    return Status::invalid_argument(lines_.name() + ": line " +
                                    std::to_string(lines_.line_number()) + ": " + problem);
  }

  // Appends one row; false at the end.
  Result<bool> read_row(VectorBatch& batch) {
    std::string_view line;
    do {
      ROX_ASSIGN_OR_RETURN(const bool more, lines_.next(line));
      if (!more) return false;
    } while (line.find_first_not_of(" \t") == std::string_view::npos);
    ROX_RETURN_IF_ERROR(parse(line, batch));
    const bool is_first = info_.dim == 0;
    if (is_first) learn();
    ROX_RETURN_IF_ERROR(check_like_first());
    take_key(batch);
    take_payload(batch);
    batch.rows++;
    return true;
  }

  Status parse(std::string_view line, VectorBatch& batch) {
    JsonLineHandler& handler = parser_.handler();
    handler.start_line(batch.data);
    parser_.reset();
    boost::json::error_code error;
    const size_t used = parser_.write_some(false, line.data(), line.size(), error);
    if (!handler.problem().empty()) return invalid(handler.problem());
    if (error) {
      return invalid("expected a JSON object, found what is not JSON at byte " +
                     std::to_string(used) + " of the line (" + error.message() + ")");
    }
    if (used < line.size()) {
      return invalid("expected one JSON object, found more behind it at byte " +
                     std::to_string(used) + " of the line");
    }
    return handler.has_vector() ? Status::ok() : invalid("expected a vector, found none");
  }

  void learn() {
    const JsonLineHandler& handler = parser_.handler();
    info_.dim = handler.dim();
    key_kind_ = handler.key_kind();
    if (key_kind_ == JsonKey::kNumber) info_.key_type = KeyType::kU64;
    if (key_kind_ == JsonKey::kString) info_.key_type = KeyType::kString;
  }

  Status check_like_first() const {
    const JsonLineHandler& handler = parser_.handler();
    if (handler.dim() != info_.dim) {
      return invalid("vector: expected " + std::to_string(info_.dim) +
                     " numbers as in the first row, found " + std::to_string(handler.dim()));
    }
    if (handler.key_kind() != key_kind_) {
      return invalid("expected " + std::string(key_kind_name(key_kind_)) +
                     " as in the first row, found " +
                     std::string(key_kind_name(handler.key_kind())));
    }
    return Status::ok();
  }

  void take_key(VectorBatch& batch) {
    JsonLineHandler& handler = parser_.handler();
    if (key_kind_ == JsonKey::kNumber) batch.number_keys.push_back(handler.number_key());
    if (key_kind_ == JsonKey::kString) batch.string_keys.push_back(std::move(handler.text_key()));
  }

  // Payloads stay empty until a row has one.
  void take_payload(VectorBatch& batch) {
    std::string& payload = parser_.handler().payload();
    if (batch.payloads.empty() && payload.empty()) return;
    batch.payloads.resize(batch.rows);
    batch.payloads.push_back(std::move(payload));
  }

  LineSplitter lines_;
  boost::json::basic_parser<JsonLineHandler> parser_;
  VectorFileInfo info_;
  JsonKey key_kind_ = JsonKey::kNone;
  VectorBatch first_;  // the first line's row until it is asked for
};

class JsonlWriter final : public VectorWriter {
 public:
  JsonlWriter(std::unique_ptr<TextSink> sink, const WriterOptions& options)
      : sink_(std::move(sink)), options_(options) {}

  Status append(const VectorBatch& batch) override {
    ROX_RETURN_IF_ERROR(check_batch(batch, options_));
    for (size_t row = 0; row < batch.rows; row++) {
      ROX_RETURN_IF_ERROR(append_row(batch, row));
      if (text_.size() >= kWriteBytes) ROX_RETURN_IF_ERROR(flush());
    }
    return Status::ok();
  }

  Status finish() override {
    ROX_RETURN_IF_ERROR(flush());
    return sink_->commit();
  }

 private:
  Status flush() {
    const Status status = sink_->append(text_);
    text_.clear();
    return status;
  }

  Status append_row(const VectorBatch& batch, size_t row) {
    text_ += "{\"key\":";
    if (!batch.string_keys.empty()) {
      const std::string& key = batch.string_keys[row];
      if (!json::is_utf8(key)) return invalid("the key is not UTF-8, which jsonl cannot hold");
      json::append_json_string(text_, key);
    } else {
      text_ += std::to_string(batch.number_keys.empty() ? row_ : batch.number_keys[row]);
    }
    text_ += ",\"vector\":";
    size_t column = 0;
    const VectorView vector(batch.type, batch.view().row(row), batch.dim);
    if (!json::append_json_vector(text_, vector, column)) {
      return invalid("column " + std::to_string(column) +
                     " is not a finite number, which jsonl cannot hold");
    }
    if (!batch.payloads.empty() && !batch.payloads[row].empty())
      append_payload(batch.payloads[row]);
    text_ += "}\n";
    row_++;
    return Status::ok();
  }

  // Line ends between the payload's tokens (there are none within) would end our line.
  void append_payload(const std::string& payload) {
    text_ += ",\"payload\":";
    for (const char c : payload) text_ += c == '\n' || c == '\r' ? ' ' : c;
  }

  Status invalid(const std::string& problem) const {
    return Status::invalid_argument("row " + std::to_string(row_) + ": " + problem);
  }

  std::unique_ptr<TextSink> sink_;
  WriterOptions options_;
  std::string text_;
  uint64_t row_ = 0;
};

}  // namespace

ReaderResult open_jsonl_reader(std::unique_ptr<ByteSource> source, const std::string& name,
                               ScalarType type) {
  auto reader = std::make_unique<JsonlReader>(std::move(source), name, type);
  ROX_RETURN_IF_ERROR(reader->open());
  return std::unique_ptr<VectorReader>(std::move(reader));
}

WriterResult open_jsonl_writer(std::unique_ptr<TextSink> sink, const WriterOptions& options) {
  return std::unique_ptr<VectorWriter>(std::make_unique<JsonlWriter>(std::move(sink), options));
}

}  // namespace roxanne::eval
