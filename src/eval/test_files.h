// For tests: files made from bytes, random batches, and readers run to their end.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/f16.h"
#include "eval/vector_io.h"
#include "storage/test_directory.h"

namespace roxanne::eval {

inline constexpr ScalarType kAllScalarTypes[] = {ScalarType::kF32, ScalarType::kF16,
                                                 ScalarType::kU8, ScalarType::kI8};

inline void write_bytes(const std::string& path, const std::string& bytes) {
  // Some file systems wait for the disk where a file is emptied and written again.
  std::filesystem::remove(path);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good());
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

template <typename T>
std::string bytes_of_values(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Finite values of all sizes, whatever their type.
inline VectorBatch random_batch(ScalarType type, size_t rows, size_t dim, std::mt19937_64& random) {
  VectorBatch batch{type, dim, rows, {}, {}, {}, {}};
  batch.data.resize(rows * dim * scalar_bytes(type));
  for (size_t i = 0; i < rows * dim; i++) {
    std::byte* at = batch.data.data() + i * scalar_bytes(type);
    uint32_t bits = static_cast<uint32_t>(random());
    if (type == ScalarType::kF32 && (bits & 0x7f800000u) == 0x7f800000u) bits ^= 0x40000000u;
    if (type == ScalarType::kF16 && (bits & 0x7c00u) == 0x7c00u) bits ^= 0x4000u;
    std::memcpy(at, &bits, scalar_bytes(type));
  }
  return batch;
}

inline Status write_file(const std::string& path, const WriterOptions& options,
                         const std::vector<VectorBatch>& batches) {
  auto writer = open_vector_writer(path, options);
  if (!writer.is_ok()) return writer.status();
  for (const VectorBatch& batch : batches) {
    const Status status = (*writer)->append(batch);
    if (!status.is_ok()) return status;
  }
  return (*writer)->finish();
}

// All rows, read `max_rows` at a time.
inline Result<VectorBatch> read_file(const std::string& path, const ReaderOptions& options = {},
                                     size_t max_rows = 3) {
  auto reader = open_vector_reader(path, options);
  if (!reader.is_ok()) return reader.status();
  VectorBatch all{(*reader)->info().type, (*reader)->info().dim, 0, {}, {}, {}, {}};
  VectorBatch batch;
  for (;;) {
    const Status status = (*reader)->read(max_rows, batch);
    if (!status.is_ok()) return status;
    if (batch.rows == 0) break;
    EXPECT_LE(batch.rows, max_rows);
    EXPECT_EQ(batch.data.size(), batch.rows * batch.dim * scalar_bytes(batch.type));
    all.payloads.resize(all.payloads.empty() && batch.payloads.empty() ? 0 : all.rows);
    all.rows += batch.rows;
    all.data.insert(all.data.end(), batch.data.begin(), batch.data.end());
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(all.number_keys, batch.number_keys);
    append(all.string_keys, batch.string_keys);
    append(all.payloads, batch.payloads);
    if (!all.payloads.empty()) all.payloads.resize(all.rows);
  }
  EXPECT_EQ((*reader)->bytes_done(), (*reader)->bytes_total());
  return all;
}

inline Status read_status(const std::string& path, const ReaderOptions& options = {}) {
  return read_file(path, options).status();
}

// The whole of `bytes` as a file called `name`, read to its end: kInvalidArgument naming the file
// and saying `expected`.
inline void expect_invalid(const storage::TestDirectory& directory, const std::string& name,
                           const std::string& bytes, const std::string& expected,
                           const ReaderOptions& options = {}) {
  const std::string path = directory.path(name);
  write_bytes(path, bytes);
  const Status status = read_status(path, options);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name << ": " << status.to_string();
  EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(expected), std::string::npos)
      << "expected \"" << expected << "\" in: " << status.message();
}

}  // namespace roxanne::eval
