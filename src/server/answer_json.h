// Points and answers as JSON, appended to a body.
#pragma once

#include <string>
#include <vector>

#include "roxanne/types.h"

namespace roxanne::server {

struct WithFields {
  bool payload = false;
  bool vector = false;
};

// 17, "a", or {"hex": "ff61"} where a string is not UTF-8: as bodies have them.
void append_key(const Key& key, std::string& out);
// [{"key": .., "distance": .., "payload": .., "vector": [..]}]; payload null where there is none.
void append_neighbors(const std::vector<Neighbor>& neighbors, const WithFields& with,
                      std::string& out);
// {"key": .., "vector": [..], "payload": {..}}, as an upsert takes it.
void append_point(const Point& point, const WithFields& with, std::string& out);

}  // namespace roxanne::server
