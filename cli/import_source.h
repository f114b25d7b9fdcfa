// What an import reads: rows, with the keys and payloads that lie in the same file or beside it.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "cli/duplicates.h"
#include "eval/vector_io.h"

namespace roxanne::cli {

struct ImportSourceOptions {
  std::string path;  // "-" is standard input
  eval::ReaderOptions reader;
  std::string keys_path;      // empty: keys of the file, else row numbers
  std::string payloads_path;  // empty: payloads of the file, if any
  uint64_t row_limit = std::numeric_limits<uint64_t>::max();
  OnDuplicate on_duplicate = OnDuplicate::kError;
  uint64_t batch_bytes = 0;  // of vectors, about
};

struct ImportBatch {
  KeyedRows rows;
  uint64_t source_row_count = 0;  // read from the source; 0 at its end
  uint64_t dropped = 0;           // of these, as duplicates within the batch
  uint64_t bytes_read = 0;        // of the source so far
};

// One thread at a time. Every call throws Failure.
class ImportSource {
 public:
  explicit ImportSource(const ImportSourceOptions& options);

  const eval::VectorFileInfo& info() const { return reader_->info(); }
  // The type its keys have by themselves: u64 where every line could be a number, by the first one.
  KeyType natural_key_type() const;
  // The collection's; keys are converted to it or refused. Before next().
  void set_key_type(KeyType key_type);

  ImportBatch next();

  // Rows there are to import; absent where that is not known.
  std::optional<uint64_t> row_count() const;
  uint64_t bytes_total() const { return reader_->bytes_total(); }

 private:
  std::string next_key_line(uint64_t row);
  void read_keys(KeyedRows& rows);
  void convert_keys(KeyedRows& rows);
  void read_payloads(KeyedRows& rows);
  void check_all_used();
  size_t full_batch_rows() const;
  void adapt(const eval::VectorBatch& batch);

  const ImportSourceOptions options_;
  std::unique_ptr<eval::VectorReader> reader_;
  std::unique_ptr<eval::LineReader> keys_;
  std::unique_ptr<eval::LineReader> payloads_;
  std::optional<std::string> first_key_line_;  // read to learn the type, not yet used
  KeyType key_type_ = KeyType::kU64;
  uint64_t rows_done_ = 0;
  size_t batch_rows_ = 0;  // of the next batch
};

}  // namespace roxanne::cli
