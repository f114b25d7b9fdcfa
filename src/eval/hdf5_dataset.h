// A 2-d dataset of an HDF5 file, through libhdf5. Readers never call this directly: the library
// does not withstand hostile files, so hdf5_stream.h runs it in a process of its own.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "roxanne/status.h"
#include "roxanne/types.h"

namespace roxanne::eval {

// libhdf5 in this process: every call to it, and every fork(), holds this.
std::mutex& hdf5_mutex();

// Closes what the library opened.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close closer) : id_(id), close_(closer) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() {
    if (is_open()) close_(id_);
  }
  hid_t id() const { return id_; }
  bool is_open() const { return id_ >= 0; }
  // Closes now; false where that failed (writes may be lost).
  bool close() { return close_(std::exchange(id_, H5I_INVALID_HID)) >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// The library's innermost complaint about the last call, for messages.
std::string hdf5_complaint();
// The file's type of an element (and the type in memory); f16 is not among the library's own.
Hdf5Handle hdf5_type(ScalarType type);

// What the elements must be, and what they are read as.
enum class Hdf5Kind : uint8_t {
  kVectors,    // one of our scalar types exactly, read as it is
  kIds,        // integers, read as int64
  kDistances,  // floats, read as float32
};

struct Hdf5Shape {
  ScalarType type = ScalarType::kF32;  // where kVectors
  uint64_t rows = 0;
  uint64_t dim = 0;
  uint64_t row_bytes = 0;
};

class Hdf5Dataset {
 public:
  // kInvalidArgument where the file is no HDF5 file, or the dataset is not of this kind, not 2-d or
  // not wholly within this file; kNotFound, listing the datasets, where there is none of this name.
  static Result<Hdf5Dataset> open(const std::string& path, const std::string& name, Hdf5Kind kind);

  const Hdf5Shape& shape() const { return shape_; }
  // Fills `out` with whole rows from `first_row`.
  Status read(uint64_t first_row, std::span<std::byte> out) const;

 private:
  Hdf5Dataset(std::string path, std::string name)
      : path_(std::move(path)), name_(std::move(name)) {}
  Status invalid(const std::string& problem) const;
  Status open_file();
  Status open_dataset();
  Status why_not_opened() const;
  Status choose_type(Hdf5Kind kind);
  Status measure();
  Status check_storage() const;
  Status check_chunks(hid_t properties) const;

  std::string path_;
  std::string name_;
  Hdf5Handle file_;
  Hdf5Handle dataset_;
  Hdf5Handle memory_type_;
  Hdf5Shape shape_;
};

}  // namespace roxanne::eval
