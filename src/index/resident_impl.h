// What a ResidentIndex holds; for the files that make and open one.
#pragma once

#include <memory>

#include "index/resident_graph.h"
#include "index/resident_index.h"

namespace roxanne::index {

std::unique_ptr<ResidentIndex> make_resident_index(std::unique_ptr<ResidentGraph> graph,
                                                   uint64_t bytes_on_disk);

}  // namespace roxanne::index
