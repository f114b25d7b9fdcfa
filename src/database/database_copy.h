// A consistent, independent copy of a database's folder, made while others write
// (docs/durability.md, "A snapshot, step by step").
#pragma once

#include <string>

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class DatabaseImpl;

// See Database::snapshot().
Result<SnapshotReport> copy_database(DatabaseImpl& database, const std::string& path,
                                     const SnapshotOptions& options);

}  // namespace roxanne::database
