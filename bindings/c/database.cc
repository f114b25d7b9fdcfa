// roxanne/c.h: databases.
#include <string>

#include "handles.h"

namespace roxanne::c {
namespace {

constexpr uint32_t kOpenFlags = ROX_OPEN_CREATE_IF_MISSING | ROX_OPEN_ERROR_IF_EXISTS |
                                ROX_OPEN_READ_ONLY | ROX_OPEN_NO_AUTOMATIC_INDEX;

Result<DatabaseOptions> database_options(const rox_database_options* given) {
  auto read = read_options(given);
  if (!read) return read.status();
  auto flags = read_flags(read->flags, kOpenFlags);
  if (!flags) return flags.status();
  auto durability = read_enum(read->durability, Durability::kNone, "durability");
  if (!durability) return durability.status();
  if (Status status = read_reserved(read->reserved); !status) return status;
  return DatabaseOptions{
      .create_if_missing = (*flags & ROX_OPEN_CREATE_IF_MISSING) != 0,
      .error_if_exists = (*flags & ROX_OPEN_ERROR_IF_EXISTS) != 0,
      .read_only = (*flags & ROX_OPEN_READ_ONLY) != 0,
      .durability = *durability,
      .memory_limit_bytes = read->memory_limit_bytes,
      .thread_count = read->thread_count,
      .automatic_index = (*flags & ROX_OPEN_NO_AUTOMATIC_INDEX) == 0,
  };
}

// As SnapshotOptions and VerifyOptions want it; empty where there is none.
std::function<bool(double)> progress_of(rox_progress progress, const char* phase, void* context) {
  if (progress == nullptr) return nullptr;
  return [=](double fraction) { return progress(phase, fraction, context); };
}

}  // namespace
}  // namespace roxanne::c

using roxanne::Status;
using roxanne::c::give;
using roxanne::c::guarded;
using roxanne::c::require;

extern "C" {

const char* rox_version(void) { return roxanne::version().data(); }

const char* rox_status_name(rox_status status) {
  if (status == ROX_OUT_OF_MEMORY) return "out_of_memory";
  if (status < ROX_OK || status > ROX_UNSUPPORTED) return "unknown";
  return roxanne::status_code_name(static_cast<roxanne::StatusCode>(status)).data();
}

void rox_free(char* message) { std::free(message); }

rox_status rox_database_open(const char* path, const rox_database_options* options,
                             rox_database** database, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{path, "path"}, {database, "database"}}); !status) return status;
    auto read = roxanne::c::database_options(options);
    if (!read) return read.status();
    auto opened = roxanne::Database::open(path, *read);
    if (!opened) return opened.status();
    return give(database, std::move(*opened));
  });
}

rox_status rox_database_close(rox_database* database, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}}); !status) return status;
    return database->database.close();
  });
}

void rox_database_free(rox_database* database) { delete database; }

rox_status rox_database_flush(rox_database* database, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}}); !status) return status;
    return database->database.flush();
  });
}

rox_status rox_database_snapshot(rox_database* database, const char* path, rox_progress progress,
                                 void* context, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}, {path, "path"}}); !status) return status;
    return database->database
        .snapshot(path, {.progress = roxanne::c::progress_of(progress, "snapshot", context)})
        .status();
  });
}

rox_status rox_database_verify(rox_database* database, bool repair, rox_progress progress,
                               void* context, rox_strings** problems, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}, {problems, "problems"}}); !status) {
      return status;
    }
    auto report = database->database.verify(
        {.repair = repair, .progress = roxanne::c::progress_of(progress, "verify", context)});
    if (!report) return report.status();
    return give(problems, std::move(report->problems));
  });
}

rox_status rox_database_collection_names(rox_database* database, rox_strings** names,
                                         char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}, {names, "names"}}); !status) return status;
    return give(names, database->database.collection_names());
  });
}

size_t rox_strings_count(const rox_strings* strings) {
  return strings == nullptr ? 0 : strings->strings.size();
}

rox_string rox_strings_at(const rox_strings* strings, size_t index) {
  if (index >= rox_strings_count(strings)) return {nullptr, 0};
  return roxanne::c::view(std::string_view(strings->strings[index]));
}

void rox_strings_free(rox_strings* strings) { delete strings; }

}  // extern "C"
