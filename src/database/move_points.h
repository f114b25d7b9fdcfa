// Moves points from the highest slots of a collection into the lowest free ones, so that its
// vectors file can be cut.
#pragma once

#include <cstdint>
#include <functional>

#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;
struct Version;

// Whether less than half of the slots up to the last live one are live.
bool is_move_due(const CollectionImpl& collection, const Version& version);

// One step, bounded in points and bytes: a commit of its own that is atomic and as durable as any;
// writers wait as for another writer. A point that changes meanwhile stays where it is; to readers,
// and to a graph, one that moves is an old slot that dies and a new one that is born. Returns how
// many moved: none where it is not due, no lower slot is free, or another process reads.
Result<uint64_t> move_points_down(DatabaseImpl& database, CollectionImpl& collection);

// Steps, until there is nothing to do, others write, or `goes_on` returns false; then gives back
// what the vectors file does not need. For a background thread while writes pause.
Status tidy_slots(DatabaseImpl& database, CollectionImpl& collection,
                  const std::function<bool()>& goes_on);

}  // namespace roxanne::database
