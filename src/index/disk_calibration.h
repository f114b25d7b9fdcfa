// Finds out how far a disk index's estimates are off, and which search_list_size reaches the recall
// that is promised, by searching for points of its own as if they were not in it.
#pragma once

#include "base/thread_pool.h"
#include "index/disk_index.h"
#include "index/ordered_rows.h"
#include "index/page_writer.h"
#include "roxanne/status.h"

namespace roxanne::index {

// Sets error and list_sizes of index.graph(). `rows` are what it was built of, by place in the
// order of cells.
Status calibrate_disk(DiskIndex& index, const OrderedRows& rows, const PlaceOfRow& places,
                      base::ThreadPool& pool, size_t thread_count, uint64_t seed);

}  // namespace roxanne::index
