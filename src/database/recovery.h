// What an open after a crash has to do.
#pragma once

#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// Brings every row that a redo record holds into the vectors file, syncs it and drops the records.
// Doing it twice changes nothing. A read-only opener keeps the rows in memory instead.
Status replay_redo(DatabaseImpl& database, CollectionImpl& collection);

}  // namespace roxanne::database
