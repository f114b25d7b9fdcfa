// hdf5: a 2-d dataset of f32, f16, u8 or i8, as ann-benchmarks' "train" and "test". Ground truth is
// "neighbors" (row ids) and, where there, "distances".
#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "eval/dense_rows.h"
#include "eval/file_formats.h"
#include "eval/hdf5_dataset.h"
#include "eval/hdf5_stream.h"

namespace roxanne::eval {
namespace {

// Also the least a file takes; readers hold one row of chunks.
constexpr size_t kWrittenChunkBytes = 64u << 10;
// Ground truth is read through a buffer of about this size.
constexpr size_t kIdBlockBytes = 1u << 20;

class Hdf5Reader final : public VectorReader {
 public:
  explicit Hdf5Reader(std::unique_ptr<Hdf5Stream> stream) : stream_(std::move(stream)) {
    const Hdf5Shape& shape = stream_->shape();
    info_ = {shape.type, static_cast<size_t>(shape.dim), shape.rows, std::nullopt};
  }

  const VectorFileInfo& info() const override { return info_; }

  Status read(size_t max_rows, VectorBatch& batch) override {
    reset_batch(batch, info_.type, info_.dim);
    const size_t rows = static_cast<size_t>(std::min<uint64_t>(max_rows, *info_.rows - rows_done_));
    batch.data.resize(rows * row_bytes());
    ROX_RETURN_IF_ERROR(stream_->read(batch.data));
    rows_done_ += rows;
    batch.rows = rows;
    return Status::ok();
  }

  uint64_t bytes_done() const override { return rows_done_ * row_bytes(); }
  uint64_t bytes_total() const override { return *info_.rows * row_bytes(); }

 private:
  size_t row_bytes() const { return info_.dim * scalar_bytes(info_.type); }

  std::unique_ptr<Hdf5Stream> stream_;
  VectorFileInfo info_;
  uint64_t rows_done_ = 0;
};

class Hdf5Writer final : public VectorWriter {
 public:
  Hdf5Writer(std::unique_ptr<OutputFile> output, const WriterOptions& options)
      : output_(std::move(output)), options_(options) {}
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;
  ~Hdf5Writer() override {
    const std::lock_guard lock(hdf5_mutex());
    dataset_ = Hdf5Handle();
    file_ = Hdf5Handle();
  }

  Status open() {
    const std::lock_guard lock(hdf5_mutex());
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    file_ = Hdf5Handle(
        H5Fcreate(output_->temporary_path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
        H5Fclose);
    if (!file_.is_open()) return failure("create");
    const size_t row_bytes = options_.dim * scalar_bytes(options_.type);
    const hsize_t chunk[2] = {std::max<hsize_t>(1, kWrittenChunkBytes / row_bytes), options_.dim};
    const hsize_t none[2] = {0, options_.dim};
    const hsize_t most[2] = {H5S_UNLIMITED, options_.dim};
    const Hdf5Handle space(H5Screate_simple(2, none, most), H5Sclose);
    const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(properties.id(), 2, chunk);
    const Hdf5Handle link_properties(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(link_properties.id(), 1);
    type_ = hdf5_type(options_.type);
    dataset_ = Hdf5Handle(H5Dcreate2(file_.id(), options_.dataset.c_str(), type_.id(), space.id(),
                                     link_properties.id(), properties.id(), H5P_DEFAULT),
                          H5Dclose);
    return dataset_.is_open() ? Status::ok() : failure("create a dataset in");
  }

  Status append(const VectorBatch& batch) override {
    ROX_RETURN_IF_ERROR(check_batch(batch, options_));
    if (batch.rows == 0) return Status::ok();
    const std::lock_guard lock(hdf5_mutex());
    const hsize_t start[2] = {rows_, 0};
    const hsize_t count[2] = {batch.rows, batch.dim};
    const hsize_t extent[2] = {rows_ + batch.rows, batch.dim};
    if (H5Dset_extent(dataset_.id(), extent) < 0) return failure("grow");
    const Hdf5Handle file_space(H5Dget_space(dataset_.id()), H5Sclose);
    const Hdf5Handle memory_space(H5Screate_simple(2, count, nullptr), H5Sclose);
    if (H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr) < 0 ||
        H5Dwrite(dataset_.id(), type_.id(), memory_space.id(), file_space.id(), H5P_DEFAULT,
                 batch.data.data()) < 0) {
      return failure("write");
    }
    rows_ += batch.rows;
    return Status::ok();
  }

  Status finish() override {
    {
      const std::lock_guard lock(hdf5_mutex());
      if (!dataset_.close() || !file_.close()) return failure("write");
    }
    return output_->commit();
  }

 private:
  Status failure(const std::string& doing) const {
    const std::string complaint = hdf5_complaint();
    const std::string message = doing + " " + output_->temporary_path() + ": " + complaint;
    // How the library tells of ENOSPC.
    const bool is_full = complaint.find("errno = 28,") != std::string::npos;
    return is_full ? Status::disk_full(message) : Status::io_error(message);
  }

  std::unique_ptr<OutputFile> output_;  // outlives the handles: it removes the file
  WriterOptions options_;
  Hdf5Handle type_;
  Hdf5Handle file_;
  Hdf5Handle dataset_;
  uint64_t rows_ = 0;
};

// A missing dataset is the caller's mistake: the file was found.
Result<std::unique_ptr<Hdf5Stream>> open_stream(const std::string& path, const std::string& dataset,
                                                Hdf5Kind kind) {
  if (dataset.empty()) return Status::invalid_argument(path + ": expected the name of a dataset");
  ROX_ASSIGN_OR_RETURN(const bool exists, storage::posix_file_system().exists(path));
  auto stream = Hdf5Stream::open(path, dataset, kind);
  if (stream.is_ok() || !exists || stream.status().code() != StatusCode::kNotFound) return stream;
  return Status::invalid_argument(stream.status().message());
}

// Ids come as int64, whatever integers the file has.
Status read_ids(const std::string& path, Hdf5Stream& stream, std::vector<uint32_t>& ids) {
  const Hdf5Shape& shape = stream.shape();
  const uint64_t block_rows = std::max<uint64_t>(1, kIdBlockBytes / shape.row_bytes);
  std::vector<int64_t> block;
  for (uint64_t row = 0; row < shape.rows; row += block_rows) {
    block.resize(std::min(block_rows, shape.rows - row) * shape.dim);
    ROX_RETURN_IF_ERROR(stream.read(std::as_writable_bytes(std::span(block))));
    for (const int64_t id : block) {
      if (id < 0 || id > std::numeric_limits<uint32_t>::max()) {
        return Status::invalid_argument(
            path + ": dataset \"neighbors\": expected row ids below 2^32, found " +
            std::to_string(id) + " at query " + std::to_string(ids.size() / shape.dim));
      }
      ids.push_back(static_cast<uint32_t>(id));
    }
  }
  return Status::ok();
}

}  // namespace

ReaderResult open_hdf5_reader(const std::string& path, const std::string& dataset) {
  ROX_ASSIGN_OR_RETURN(auto stream, open_stream(path, dataset, Hdf5Kind::kVectors));
  return std::unique_ptr<VectorReader>(std::make_unique<Hdf5Reader>(std::move(stream)));
}

WriterResult open_hdf5_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options) {
  auto writer = std::make_unique<Hdf5Writer>(std::move(output), options);
  ROX_RETURN_IF_ERROR(writer->open());
  return std::unique_ptr<VectorWriter>(std::move(writer));
}

Result<GroundTruth> read_hdf5_ground_truth(const std::string& path) {
  ROX_ASSIGN_OR_RETURN(auto ids, open_stream(path, "neighbors", Hdf5Kind::kIds));
  GroundTruth truth{
      static_cast<size_t>(ids->shape().rows), static_cast<size_t>(ids->shape().dim), {}, {}};
  ROX_RETURN_IF_ERROR(read_ids(path, *ids, truth.ids));
  auto distances = Hdf5Stream::open(path, "distances", Hdf5Kind::kDistances);
  if (!distances.is_ok()) {
    if (distances.status().code() == StatusCode::kNotFound) return truth;
    return distances.status();
  }
  const Hdf5Shape& shape = (*distances)->shape();
  if (shape.rows != truth.queries || shape.dim != truth.k) {
    return Status::invalid_argument(
        path + ": expected distances for " + std::to_string(truth.queries) + " queries and k " +
        std::to_string(truth.k) + ", found " + std::to_string(shape.rows) + " and " +
        std::to_string(shape.dim));
  }
  truth.distances.resize(truth.ids.size());
  ROX_RETURN_IF_ERROR((*distances)->read(std::as_writable_bytes(std::span(truth.distances))));
  return truth;
}

}  // namespace roxanne::eval
