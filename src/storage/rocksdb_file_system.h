// RocksDB on Roxanne's FileSystem, so that one simulated power cut reaches every file of a
// database.
#pragma once

#include <rocksdb/file_system.h>
#include <rocksdb/status.h>

#include <memory>
#include <string_view>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::storage {

// Everything RocksDB does with files, except for its log of messages, which goes nowhere.
// `file_system` must outlive the result. Shared because RocksDB asks for it so: the environment,
// and whoever made it, own it.
//
// A full disk reaches RocksDB as IOStatus::NoSpace. RocksDB then refuses writes and tries on its
// own to go on once there is space again; a caller that wants to stay read-only must remember that
// itself. Every other error is final (not retryable).
std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(FileSystem& file_system);

// A Status with `doing` before RocksDB's message; ok where `status` is.
Status from_rocksdb(const rocksdb::Status& status, std::string_view doing);

}  // namespace roxanne::storage
