// The seal: a list of the key-value store's files with their checksums, written when a database is
// closed and removed before it is next written to.
//
// RocksDB must forgive a log that ends in a torn record, since that is what a power cut leaves. The
// seal tells damage from a crash: where it is there, every byte has to be as it was. Keeps D7.
#pragma once

#include <string>

#include "roxanne/status.h"
#include "storage/file_system.h"

namespace roxanne::database {

// Both want the database's folder; the store's files are in its subfolder kv.
Status write_seal(storage::FileSystem& file_system, const std::string& path);

// kCorruption names the file that is not what the seal says; fine where there is no seal. Returns
// it: while that is what read_seal() gives too, nobody has written since. "" where there is none.
Result<std::string> check_seal(storage::FileSystem& file_system, const std::string& path);
std::string read_seal(storage::FileSystem& file_system, const std::string& path);

// Durable on return.
Status remove_seal(storage::FileSystem& file_system, const std::string& path);

}  // namespace roxanne::database
