#include "eval/hdf5_dataset.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/status_macros.h"

namespace roxanne::eval {
namespace {

constexpr size_t kListedDatasetsMax = 32;
// One row of chunks is held in memory, so that no chunk is decompressed twice.
constexpr size_t kChunkRowBytesMax = 256u << 20;
constexpr size_t kChunkSlots = 8191;

struct Listing {
  std::string_view wanted;
  bool has_wanted = false;
  std::string names;
  size_t count = 0;
};

herr_t list_dataset(hid_t, const char* name, const H5O_info_t* info, void* context) {
  auto& listing = *static_cast<Listing*>(context);
  if (listing.wanted == name) listing.has_wanted = true;
  if (info->type != H5O_TYPE_DATASET) return 0;
  listing.count++;
  if (listing.count > kListedDatasetsMax) return 0;
  if (listing.count > 1) listing.names += ", ";
  listing.names += name;
  return 0;
}

// Another file's data is not this file's, whatever a link in it says.
herr_t refuse_external_link(const char*, const char*, const char*, const char*, unsigned*, hid_t,
                            void*) {
  return -1;
}

herr_t keep_first(unsigned depth, const H5E_error2_t* error, void* context) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(context) = error->desc;
  return 0;
}

// IEEE binary16 in the byte order of `base`, as h5py defines it.
Hdf5Handle half_type(hid_t base) {
  Hdf5Handle type(H5Tcopy(base), H5Tclose);
  H5Tset_fields(type.id(), 15, 10, 5, 0, 10);
  H5Tset_size(type.id(), 2);
  H5Tset_ebias(type.id(), 15);
  return type;
}

bool is_type(hid_t found, ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return H5Tequal(found, H5T_IEEE_F32LE) > 0 || H5Tequal(found, H5T_IEEE_F32BE) > 0;
    case ScalarType::kF16:
      return H5Tequal(found, half_type(H5T_IEEE_F32LE).id()) > 0 ||
             H5Tequal(found, half_type(H5T_IEEE_F32BE).id()) > 0;
    case ScalarType::kU8:
      return H5Tequal(found, H5T_STD_U8LE) > 0 || H5Tequal(found, H5T_STD_U8BE) > 0;
    case ScalarType::kI8:
      break;
  }
  return H5Tequal(found, H5T_STD_I8LE) > 0 || H5Tequal(found, H5T_STD_I8BE) > 0;
}

std::string type_text(hid_t type) {
  const std::string bits = " of " + std::to_string(H5Tget_size(type) * 8) + " bits";
  const H5T_class_t type_class = H5Tget_class(type);
  if (type_class == H5T_FLOAT) return "floats" + bits;
  if (type_class == H5T_INTEGER) return "integers" + bits;
  return "what are not numbers";
}

}  // namespace

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::string hdf5_complaint() {
  std::string text = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  return text;
}

Hdf5Handle hdf5_type(ScalarType type) {
  switch (type) {
    case ScalarType::kF32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case ScalarType::kF16:
      return half_type(H5T_IEEE_F32LE);
    case ScalarType::kU8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
    case ScalarType::kI8:
      break;
  }
  return {H5Tcopy(H5T_STD_I8LE), H5Tclose};
}

Status Hdf5Dataset::invalid(const std::string& problem) const {
  return Status::invalid_argument(path_ + ": " + problem);
}

Result<Hdf5Dataset> Hdf5Dataset::open(const std::string& path, const std::string& name,
                                      Hdf5Kind kind) {
  H5PLset_loading_state(0);  // no code from a plugin folder for what a file asks for
  Hdf5Dataset dataset(path, name);
  ROX_RETURN_IF_ERROR(dataset.open_file());
  ROX_RETURN_IF_ERROR(dataset.open_dataset());
  ROX_RETURN_IF_ERROR(dataset.choose_type(kind));
  ROX_RETURN_IF_ERROR(dataset.measure());
  ROX_RETURN_IF_ERROR(dataset.check_storage());
  return dataset;
}

Status Hdf5Dataset::open_file() {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Reading takes no lock: a file system without locks, or one that is read-only, is fine.
  H5Pset_file_locking(access.id(), false, true);
  file_ = Hdf5Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (file_.is_open()) return Status::ok();
  return invalid("expected an HDF5 file, found what libhdf5 does not open: " + hdf5_complaint());
}

Status Hdf5Dataset::open_dataset() {
  const Hdf5Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_elink_cb(access.id(), refuse_external_link, nullptr);
  H5Pset_chunk_cache(access.id(), kChunkSlots, kChunkRowBytesMax, H5D_CHUNK_CACHE_W0_DEFAULT);
  dataset_ = Hdf5Handle(H5Dopen2(file_.id(), name_.c_str(), access.id()), H5Dclose);
  if (dataset_.is_open()) return Status::ok();
  return why_not_opened();
}

Status Hdf5Dataset::why_not_opened() const {
  const std::string complaint = hdf5_complaint();
  Listing listing;
  listing.wanted = name_;
  while (listing.wanted.starts_with('/')) listing.wanted.remove_prefix(1);
  const herr_t visited =
      H5Ovisit2(file_.id(), H5_INDEX_NAME, H5_ITER_INC, list_dataset, &listing, H5O_INFO_BASIC);
  if (visited < 0 || listing.has_wanted) {
    return invalid("dataset \"" + name_ + "\": libhdf5 does not open it: " + complaint);
  }
  if (listing.count > kListedDatasetsMax) listing.names += ", ...";
  return Status::not_found(path_ + ": expected a dataset \"" + name_ + "\", found " +
                           (listing.count == 0 ? "none at all" : listing.names));
}

Status Hdf5Dataset::choose_type(Hdf5Kind kind) {
  const Hdf5Handle found(H5Dget_type(dataset_.id()), H5Tclose);
  const H5T_class_t type_class = H5Tget_class(found.id());
  const bool is_small = H5Tget_size(found.id()) <= 8;
  const std::string but_found = ", found " + type_text(found.id());
  if (kind == Hdf5Kind::kIds) {
    memory_type_ = Hdf5Handle(H5Tcopy(H5T_NATIVE_INT64), H5Tclose);
    if (type_class == H5T_INTEGER && is_small) return Status::ok();
    return invalid("dataset \"" + name_ + "\": expected row ids as integers" + but_found);
  }
  if (kind == Hdf5Kind::kDistances) {
    memory_type_ = Hdf5Handle(H5Tcopy(H5T_NATIVE_FLOAT), H5Tclose);
    if (type_class == H5T_FLOAT && is_small) return Status::ok();
    return invalid("dataset \"" + name_ + "\": expected distances as floats" + but_found);
  }
  for (const ScalarType type :
       {ScalarType::kF32, ScalarType::kF16, ScalarType::kU8, ScalarType::kI8}) {
    if (!is_type(found.id(), type)) continue;
    shape_.type = type;
    memory_type_ = hdf5_type(type);
    return Status::ok();
  }
  return invalid("dataset \"" + name_ + "\": expected f32, f16, u8 or i8 elements" + but_found);
}

Status Hdf5Dataset::measure() {
  const Hdf5Handle space(H5Dget_space(dataset_.id()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank != 2) {
    return invalid("dataset \"" + name_ + "\": expected 2 dimensions (rows, dimension), found " +
                   std::to_string(rank));
  }
  hsize_t extent[2] = {};
  H5Sget_simple_extent_dims(space.id(), extent, nullptr);
  if (extent[1] == 0 || extent[1] > kDimMax) {
    return invalid("dataset \"" + name_ + "\": expected vectors of dimension 1 to " +
                   std::to_string(kDimMax) + ", found " + std::to_string(extent[1]));
  }
  shape_.rows = extent[0];
  shape_.dim = extent[1];
  shape_.row_bytes = extent[1] * H5Tget_size(memory_type_.id());
  return Status::ok();
}

// Rows that were never written would read as zeros, and a small file may claim 2^60 of them.
Status Hdf5Dataset::check_storage() const {
  const Hdf5Handle properties(H5Dget_create_plist(dataset_.id()), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(properties.id());
  if (layout == H5D_CHUNKED) return check_chunks(properties.id());
  if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT) {
    return invalid("dataset \"" + name_ + "\": expected its data in this file, found a mapping");
  }
  if (H5Pget_external_count(properties.id()) != 0) {
    return invalid("dataset \"" + name_ + "\": expected its data in this file, found other files");
  }
  const Hdf5Handle type(H5Dget_type(dataset_.id()), H5Tclose);
  const uint64_t row_bytes = shape_.dim * H5Tget_size(type.id());
  const uint64_t found = H5Dget_storage_size(dataset_.id());
  if (found % row_bytes == 0 && found / row_bytes == shape_.rows) return Status::ok();
  return invalid("dataset \"" + name_ + "\": expected " + std::to_string(shape_.rows) +
                 " rows of " + std::to_string(row_bytes) + " bytes, found " +
                 std::to_string(found) + " bytes written");
}

Status Hdf5Dataset::check_chunks(hid_t properties) const {
  hsize_t chunk[2] = {};
  if (H5Pget_chunk(properties, 2, chunk) != 2 || chunk[0] == 0 || chunk[1] == 0) {
    return invalid("dataset \"" + name_ + "\": expected 2-d chunks");
  }
  const Hdf5Handle type(H5Dget_type(dataset_.id()), H5Tclose);
  const uint64_t columns = (shape_.dim + chunk[1] - 1) / chunk[1];
  // Each factor is below 2^32: the library stores chunk sizes in 32 bits.
  if (chunk[0] > UINT32_MAX || chunk[1] > UINT32_MAX ||
      chunk[0] * chunk[1] > kChunkRowBytesMax / columns / H5Tget_size(type.id())) {
    return invalid("dataset \"" + name_ + "\": expected chunks of at most " +
                   std::to_string(kChunkRowBytesMax) + " bytes a row of chunks, found " +
                   std::to_string(chunk[0]) + " x " + std::to_string(chunk[1]) + " elements each");
  }
  const uint64_t chunk_rows = shape_.rows / chunk[0] + (shape_.rows % chunk[0] != 0 ? 1 : 0);
  hsize_t found = 0;
  const Hdf5Handle space(H5Dget_space(dataset_.id()), H5Sclose);
  if (H5Dget_num_chunks(dataset_.id(), space.id(), &found) < 0) {
    return invalid("dataset \"" + name_ + "\": cannot count its chunks: " + hdf5_complaint());
  }
  if (found % columns == 0 && found / columns == chunk_rows) return Status::ok();
  return invalid("dataset \"" + name_ + "\": expected " + std::to_string(chunk_rows) + " x " +
                 std::to_string(columns) + " chunks, found " + std::to_string(found) + " written");
}

Status Hdf5Dataset::read(uint64_t first_row, std::span<std::byte> out) const {
  const hsize_t start[2] = {first_row, 0};
  const hsize_t count[2] = {out.size() / shape_.row_bytes, shape_.dim};
  const Hdf5Handle file_space(H5Dget_space(dataset_.id()), H5Sclose);
  const Hdf5Handle memory_space(H5Screate_simple(2, count, nullptr), H5Sclose);
  if (H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr) < 0 ||
      H5Dread(dataset_.id(), memory_type_.id(), memory_space.id(), file_space.id(), H5P_DEFAULT,
              out.data()) < 0) {
    return invalid("dataset \"" + name_ + "\": cannot read " + std::to_string(count[0]) +
                   " rows from row " + std::to_string(first_row) + ": " + hdf5_complaint());
  }
  return Status::ok();
}

}  // namespace roxanne::eval
