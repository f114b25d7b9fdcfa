// Reads every byte of a collection and checks what must hold (docs/durability.md).
#pragma once

#include "roxanne/options.h"
#include "roxanne/status.h"

namespace roxanne::database {

class CollectionImpl;
class DatabaseImpl;

// Adds to `report`. With `repair`, rebuilds the live bitmaps and slot -> key from key -> slot where
// they disagree. While no commit is under way.
Status verify_collection(DatabaseImpl& database, CollectionImpl& collection,
                         const VerifyOptions& options, VerifyReport& report);

}  // namespace roxanne::database
