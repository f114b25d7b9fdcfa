#include "points.h"

#include <limits>

namespace roxanne::python {
namespace {

nb::object from_payload(const std::optional<std::string>& payload) {
  return payload ? from_text(*payload) : nb::none();
}

// numpy.empty(shape, dtype=object), which starts as None everywhere.
nb::object give_strings(const std::vector<std::vector<Neighbor>>& lists, bool is_one,
                        size_t columns) {
  const nb::object empty = nb::module_::import_("numpy").attr("empty");
  const nb::object shape =
      is_one ? nb::object(nb::int_(columns)) : nb::object(nb::make_tuple(lists.size(), columns));
  nb::object keys = empty(shape, nb::arg("dtype") = nb::str("O"));
  for (size_t query = 0; query < lists.size(); ++query) {
    for (size_t i = 0; i < lists[query].size(); ++i) {
      const nb::object place =
          is_one ? nb::object(nb::int_(i)) : nb::object(nb::make_tuple(query, i));
      keys[place] = from_key(lists[query][i].key);
    }
  }
  return keys;
}

}  // namespace

nb::object from_point(const Point& point) {
  return nb::make_tuple(from_key(point.key), from_vector(point.vector),
                        from_payload(point.payload));
}

nb::object from_neighbor(const Neighbor& neighbor) {
  return nb::make_tuple(from_key(neighbor.key), neighbor.distance, from_payload(neighbor.payload),
                        neighbor.vector ? from_vector(*neighbor.vector) : nb::none());
}

nb::object give_lists(const std::vector<std::vector<Neighbor>>& lists, KeyType key_type,
                      bool is_one, size_t k) {
  const size_t columns = is_one ? lists.front().size() : k;
  const size_t places = lists.size() * columns;
  std::vector<float> distances(places, std::numeric_limits<float>::infinity());
  for (size_t query = 0; query < lists.size(); ++query) {
    for (size_t i = 0; i < lists[query].size(); ++i) {
      distances[query * columns + i] = lists[query][i].distance;
    }
  }
  nb::object keys;
  if (key_type == KeyType::kString) {
    keys = give_strings(lists, is_one, columns);
  } else {
    std::vector<uint64_t> numbers(places, UINT64_MAX);
    for (size_t query = 0; query < lists.size(); ++query) {
      for (size_t i = 0; i < lists[query].size(); ++i) {
        numbers[query * columns + i] = lists[query][i].key.u64();
      }
    }
    keys = is_one ? give_array(std::move(numbers), columns, 0)
                  : give_array(std::move(numbers), lists.size(), columns);
  }
  return nb::make_tuple(keys, is_one ? give_array(std::move(distances), columns, 0)
                                     : give_array(std::move(distances), lists.size(), columns));
}

}  // namespace roxanne::python
