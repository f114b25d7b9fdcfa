// Points and answers as Python objects.
#pragma once

#include "arrays.h"

namespace roxanne::python {

// (key, vector, payload text or None); None for a vector that was not asked for.
nb::object from_point(const Point& point);
// (key, distance, payload text or None, vector or None)
nb::object from_neighbor(const Neighbor& neighbor);

// Lists of a search as the two arrays (keys, distances). One query: as long as its list. A batch:
// queries x k, where a query found fewer filled up with the key 2**64 - 1 (None where keys are
// strings) at the distance infinity.
nb::object give_lists(const std::vector<std::vector<Neighbor>>& lists, KeyType key_type,
                      bool is_one, size_t k);

}  // namespace roxanne::python
