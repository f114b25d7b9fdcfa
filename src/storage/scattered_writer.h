// Writes many small pieces of a file with one thread: through an io_uring where the system allows
// it, so that a device sees many at once and a call hands over many; one after the other elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// One call at a time.
class ScatteredWriter {
 public:
  struct Piece {
    uint64_t offset = 0;
    std::span<const std::byte> bytes;  // aligned as the file wants it
  };

  // ROX_IO=pread: without a ring, as for AsyncReader.
  ScatteredWriter();
  ~ScatteredWriter();

  // In any order. After an error, which names the file and the place, any of them may be written.
  Status write(File& file, std::span<const Piece> pieces);

 private:
  class Ring;
  std::unique_ptr<Ring> ring_;  // null: not asked for yet, or refused
  bool may_have_ring_;
};

}  // namespace roxanne::storage
