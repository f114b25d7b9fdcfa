// Files of exact neighbours. gt.bin, little-endian:
//   0  uint32  query count
//   4  uint32  k
//   8  query count * k uint32 row ids, then as many float32 distances
// ivecs (vecs_format.cc): a row of k int32 ids a query. hdf5: "neighbors" and "distances".
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "eval/file_formats.h"
#include "eval/vecs_rows.h"
#include "eval/vector_io.h"

namespace roxanne::eval {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr size_t kEntryBytes = sizeof(uint32_t) + sizeof(float);

template <typename T>
std::span<std::byte> writable_bytes(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

GroundTruthFormat format_of(const std::string& path) {
  if (path.ends_with(".ivecs")) return GroundTruthFormat::kIvecs;
  if (path.ends_with(".hdf5") || path.ends_with(".h5")) return GroundTruthFormat::kHdf5;
  return GroundTruthFormat::kGtBin;
}

std::string shape_text(uint64_t queries, uint64_t k) {
  return std::to_string(queries) + " queries and k " + std::to_string(k);
}

Status write_gt_bin(const std::string& path, const GroundTruth& truth) {
  if (truth.distances.size() != truth.ids.size()) {
    return Status::invalid_argument(path + ": gt.bin needs distances and there are none; ivecs " +
                                    "holds ids alone");
  }
  std::string header;
  base::append(header, static_cast<uint32_t>(truth.queries));
  base::append(header, static_cast<uint32_t>(truth.k));
  ROX_ASSIGN_OR_RETURN(const auto output, OutputFile::create(path));
  ROX_RETURN_IF_ERROR(output->append(std::as_bytes(std::span(header))));
  ROX_RETURN_IF_ERROR(output->append(bytes_of(truth.ids)));
  ROX_RETURN_IF_ERROR(output->append(bytes_of(truth.distances)));
  return output->commit();
}

Status write_ivecs(const std::string& path, const GroundTruth& truth) {
  ROX_ASSIGN_OR_RETURN(const auto output, OutputFile::create(path));
  std::vector<uint32_t> row(truth.k + 1, static_cast<uint32_t>(truth.k));
  for (size_t query = 0; query < truth.queries; query++) {
    for (size_t i = 0; i < truth.k; i++) {
      const uint32_t id = truth.ids[query * truth.k + i];
      if (id > static_cast<uint32_t>(INT32_MAX)) {
        return Status::invalid_argument(path + ": query " + std::to_string(query) +
                                        ": ivecs cannot hold row id " + std::to_string(id));
      }
      row[i + 1] = id;
    }
    ROX_RETURN_IF_ERROR(output->append(bytes_of(row)));
  }
  return output->commit();
}

}  // namespace

Result<GroundTruth> read_gt_bin(const InputFile& input) {
  if (input.bytes < kHeaderBytes) {
    return Status::invalid_argument(
        input.name + ": expected a header of 8 bytes at byte 0, found " +
        (input.bytes == 0 ? "an empty file" : std::to_string(input.bytes) + " bytes"));
  }
  std::array<std::byte, kHeaderBytes> header;
  ROX_RETURN_IF_ERROR(input.read_exactly(0, header, "header"));
  const uint64_t queries = base::load<uint32_t>(header.data());
  const uint64_t k = base::load<uint32_t>(header.data() + 4);
  const uint64_t entries = queries * k;  // below 2^64: both are below 2^32
  const uint64_t found_bytes = input.bytes - kHeaderBytes;
  if (k == 0 || found_bytes % kEntryBytes != 0 || found_bytes / kEntryBytes != entries) {
    return Status::invalid_argument(
        input.name + ": the header at byte 0 says " + shape_text(queries, k) +
        ": expected an id and a distance for each in " + std::to_string(kEntryBytes) +
        " bytes, found " + std::to_string(found_bytes) + " bytes");
  }
  GroundTruth truth{static_cast<size_t>(queries), static_cast<size_t>(k), {}, {}};
  truth.ids.resize(entries);
  truth.distances.resize(entries);
  ROX_RETURN_IF_ERROR(input.read_exactly(kHeaderBytes, writable_bytes(truth.ids), "row ids"));
  ROX_RETURN_IF_ERROR(input.read_exactly(kHeaderBytes + entries * sizeof(uint32_t),
                                         writable_bytes(truth.distances), "distances"));
  return truth;
}

Result<GroundTruth> read_ivecs(InputFile input) {
  ROX_ASSIGN_OR_RETURN(VecsRows rows, VecsRows::open(std::move(input), sizeof(int32_t)));
  GroundTruth truth{static_cast<size_t>(rows.rows()), rows.dim(), {}, {}};
  truth.ids.resize(truth.queries * truth.k);
  ROX_RETURN_IF_ERROR(rows.read(writable_bytes(truth.ids)));
  for (size_t i = 0; i < truth.ids.size(); i++) {
    if (truth.ids[i] <= static_cast<uint32_t>(INT32_MAX)) continue;
    const size_t query = i / truth.k;
    const size_t offset = (query * (truth.k + 1) + 1 + i % truth.k) * sizeof(int32_t);
    return Status::invalid_argument(rows.input().name + ": expected a row id at byte " +
                                    std::to_string(offset) + ", found " +
                                    std::to_string(static_cast<int32_t>(truth.ids[i])));
  }
  return truth;
}

Result<GroundTruth> read_ground_truth(const std::string& path) {
  const GroundTruthFormat format = format_of(path);
  if (format == GroundTruthFormat::kHdf5) return read_hdf5_ground_truth(path);
  ROX_ASSIGN_OR_RETURN(InputFile input, open_input_file(path));
  if (format == GroundTruthFormat::kIvecs) return read_ivecs(std::move(input));
  return read_gt_bin(input);
}

Status write_ground_truth(const std::string& path, const GroundTruth& truth) {
  const bool is_whole = truth.k > 0 && truth.ids.size() == truth.queries * truth.k &&
                        (truth.distances.empty() || truth.distances.size() == truth.ids.size());
  if (!is_whole || truth.queries > UINT32_MAX || truth.k > INT32_MAX) {
    return Status::invalid_argument(path + ": expected ids for " +
                                    shape_text(truth.queries, truth.k) + ", found " +
                                    std::to_string(truth.ids.size()));
  }
  switch (format_of(path)) {
    case GroundTruthFormat::kGtBin:
      return write_gt_bin(path, truth);
    case GroundTruthFormat::kIvecs:
      return write_ivecs(path, truth);
    case GroundTruthFormat::kHdf5:
      break;
  }
  return Status::invalid_argument(path + ": ground truth is written as gt.bin or .ivecs");
}

}  // namespace roxanne::eval
