// What a collection is, as JSON: the same words at every door.
#pragma once

#include <string>
#include <vector>

#include "roxanne/options.h"

namespace roxanne::json {

std::string memory_json(const std::vector<MemoryPart>& parts);
std::string collection_json(const CollectionInfo& info);

}  // namespace roxanne::json
