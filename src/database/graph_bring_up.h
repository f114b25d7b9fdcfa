// Brings a collection's graph up to now, in the way that costs least.
#pragma once

#include "database/graph_build.h"

namespace roxanne::database {

// By building it, by taking in what came since, or by making its resident form; does nothing where
// none of that pays. One at a time in a database. Errors but kCancelled are kept as the
// collection's index_error().
Status bring_up_graph(DatabaseImpl& database, CollectionImpl& collection,
                      const GraphBuildOptions& options);

}  // namespace roxanne::database
