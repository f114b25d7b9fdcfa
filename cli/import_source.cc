#include "cli/import_source.h"

#include <algorithm>

#include "base/key_text.h"
#include "cli/common.h"
#include "cli/failure.h"
#include "cli/units.h"

namespace roxanne::cli {
namespace {

// A batch is this many rows at most, however short they are.
constexpr size_t kImportRowsMax = 65536;
// About, of a batch whose payloads are larger than its vectors.
constexpr uint64_t kBatchPayloadBytes = 32u << 20;
// Before anything is known of the payloads.
constexpr size_t kFirstBatchRows = 1024;

Failure row_failure(const std::string& path, uint64_t row, const std::string& message) {
  return Failure(Status::invalid_argument(path + ": row " + std::to_string(row) + ": " + message));
}

}  // namespace

ImportSource::ImportSource(const ImportSourceOptions& options) : options_(options) {
  reader_ = take(eval::open_vector_reader(options.path, options.reader));
  batch_rows_ = std::min(kFirstBatchRows, full_batch_rows());
  if (!options.keys_path.empty()) {
    if (info().key_type.has_value()) {
      throw UsageError(options.path + " carries keys; --keys would replace them");
    }
    keys_ = take(eval::open_line_reader(options.keys_path));
    std::string line;
    if (take(keys_->next(line))) first_key_line_ = line;
  }
  if (!options.payloads_path.empty()) {
    payloads_ = take(eval::open_line_reader(options.payloads_path));
  }
  key_type_ = natural_key_type();
}

KeyType ImportSource::natural_key_type() const {
  if (keys_ == nullptr) return info().key_type.value_or(KeyType::kU64);
  const bool is_number =
      first_key_line_.has_value() && base::parse_u64(*first_key_line_).has_value();
  return is_number || !first_key_line_.has_value() ? KeyType::kU64 : KeyType::kString;
}

void ImportSource::set_key_type(KeyType key_type) {
  const bool has_keys = keys_ != nullptr || info().key_type.has_value();
  if (!has_keys && key_type == KeyType::kString) {
    throw UsageError("the collection's keys are strings and " + options_.path +
                     " has none; give them with --keys FILE");
  }
  key_type_ = key_type;
}

std::optional<uint64_t> ImportSource::row_count() const {
  if (info().rows.has_value()) return std::min(*info().rows, options_.row_limit);
  return std::nullopt;
}

size_t ImportSource::full_batch_rows() const {
  const size_t row_bytes = info().dim * scalar_bytes(info().type);
  return std::min(kImportRowsMax, rows_of_bytes(options_.batch_bytes, row_bytes));
}

// Sizes the next batch by the payloads of this one, which may be far larger than vectors.
void ImportSource::adapt(const eval::VectorBatch& batch) {
  uint64_t bytes = 1;
  for (const std::string& payload : batch.payloads) bytes += payload.size();
  const double rows = static_cast<double>(batch.rows) *
                      (static_cast<double>(kBatchPayloadBytes) / static_cast<double>(bytes));
  batch_rows_ = static_cast<size_t>(std::clamp(rows, 1.0, static_cast<double>(full_batch_rows())));
}

ImportBatch ImportSource::next() {
  ImportBatch batch;
  batch.rows.first_row = rows_done_;
  const uint64_t left = options_.row_limit - rows_done_;
  if (left > 0) {
    const auto rows = static_cast<size_t>(std::min<uint64_t>(left, batch_rows_));
    require(reader_->read(rows, batch.rows.batch));
  }
  batch.source_row_count = batch.rows.batch.rows;
  batch.bytes_read = reader_->bytes_done();
  if (batch.source_row_count == 0) {
    check_all_used();
    return batch;
  }
  read_keys(batch.rows);
  if (payloads_ != nullptr) read_payloads(batch.rows);
  adapt(batch.rows.batch);
  rows_done_ += batch.source_row_count;
  batch.dropped = take(drop_duplicates(batch.rows, options_.on_duplicate));
  return batch;
}

std::string ImportSource::next_key_line(uint64_t row) {
  std::string line;
  if (first_key_line_.has_value()) {
    line = *std::move(first_key_line_);
    first_key_line_.reset();
  } else if (!take(keys_->next(line))) {
    throw Failure(Status::invalid_argument(options_.keys_path + ": ends after " +
                                           std::to_string(row) + " keys, " + options_.path +
                                           " has more rows"));
  }
  return line;
}

// Fills exactly the key list of the collection's type.
void ImportSource::read_keys(KeyedRows& rows) {
  eval::VectorBatch& batch = rows.batch;
  if (keys_ == nullptr) {
    if (batch.number_keys.empty() && batch.string_keys.empty()) {
      for (size_t row = 0; row < batch.rows; ++row)
        batch.number_keys.push_back(rows.first_row + row);
    } else {
      convert_keys(rows);
    }
    return;
  }
  KeyList keys;
  keys.type = key_type_;
  for (size_t i = 0; i < batch.rows; ++i) {
    const std::string line = next_key_line(rows.first_row + i);
    const auto key = base::parse_key(key_type_, line);
    if (!key) {
      throw row_failure(options_.keys_path, rows.first_row + i, key.status().message());
    }
    keys.add(*key);
  }
  batch.number_keys = std::move(keys.numbers);
  batch.string_keys = std::move(keys.strings);
}

// Number keys of the file become strings where the collection wants these, and the reverse.
void ImportSource::convert_keys(KeyedRows& rows) {
  eval::VectorBatch& batch = rows.batch;
  if (rows.key_type() == key_type_) return;
  KeyList keys;
  keys.type = key_type_;
  for (size_t i = 0; i < batch.rows; ++i) {
    const std::string text = rows.keys().key(i).to_string();
    const auto key = base::parse_key(key_type_, text);
    if (!key) {
      throw row_failure(options_.path, rows.first_row + i, key.status().message());
    }
    keys.add(*key);
  }
  batch.number_keys = std::move(keys.numbers);
  batch.string_keys = std::move(keys.strings);
}

void ImportSource::read_payloads(KeyedRows& rows) {
  std::vector<std::string> payloads(rows.batch.rows);
  for (size_t i = 0; i < payloads.size(); ++i) {
    if (!take(payloads_->next(payloads[i]))) {
      throw Failure(Status::invalid_argument(options_.payloads_path + ": ends after " +
                                             std::to_string(rows.first_row + i) + " payloads, " +
                                             options_.path + " has more rows"));
    }
  }
  rows.batch.payloads = std::move(payloads);
}

// At the end of the rows: lines left over mean that files do not belong together. Not where --limit
// stopped before the end.
void ImportSource::check_all_used() {
  if (rows_done_ >= options_.row_limit) return;
  const auto check = [this](eval::LineReader* lines, const std::string& path) {
    std::string line;
    if (lines == nullptr || !take(lines->next(line))) return;
    throw Failure(Status::invalid_argument(path + ": has more lines than " + options_.path +
                                           " has rows (" + std::to_string(rows_done_) +
                                           "); do the files belong together?"));
  };
  check(keys_.get(), options_.keys_path);
  check(payloads_.get(), options_.payloads_path);
}

}  // namespace roxanne::cli
