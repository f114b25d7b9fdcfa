// Reads every byte of a collection and checks what must hold (docs/durability.md).
#pragma once

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// Adds to `report`. With `repair`, rebuilds the live bitmaps and slot -> key from key -> slot where
// they disagree, and gives up a graph that is damaged. While no commit is under way.
// Returns whether the collection lost its graph, so that the caller may have it built anew.
Result<bool> verify_collection(DatabaseImpl& database, CollectionImpl& collection,
                               const VerifyOptions& options, VerifyReport& report);

}  // namespace roxanne::database
