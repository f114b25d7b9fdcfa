// Fills the cache of a disk graph's pages, where it has room, before searches ask for them: alone
// they would wait for the disk for as long as it takes them to come by every page.
#pragma once

#include <cstdint>

#include "index/disk_index.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Reads some pages from `first` on that are not in the cache, and returns the one to go on with; 0:
// none is left. What is used stays. A page that cannot be read is passed over: a search that wants
// it will tell. kIoError: nothing can be read.
Result<uint32_t> warm_cache(DiskIndex& index, uint32_t first);

}  // namespace roxanne::index
