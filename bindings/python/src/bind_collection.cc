// _engine.Collection and _engine.Scan: each call without the GIL, long ones stopped by Ctrl-C.
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "bindings.h"
#include "interruptible.h"
#include "points.h"

namespace roxanne::python {
namespace {

using namespace nb::literals;
using Lists = std::vector<std::vector<Neighbor>>;

// Signals are looked for between blocks of a batch. An exact search streams the stored vectors once
// a block, and wants larger ones.
constexpr size_t kQueriesPerBlock = 1024;
constexpr size_t kQueriesPerExactBlock = 4096;

// What the engine finds for all rows. Called without the GIL.
Lists search_all(CollectionHandle& self, const MatrixView& queries, const SearchOptions& options) {
  const OpenDatabase::Use database(self.owner());
  const size_t block = options.exact ? kQueriesPerExactBlock : kQueriesPerBlock;
  if (queries.rows() <= block) return take(self.collection().search(queries, options));
  Lists lists;
  lists.reserve(queries.rows());
  for (size_t first = 0; first < queries.rows(); first += block) {
    const size_t count = std::min(block, queries.rows() - first);
    Lists some = take(self.collection().search(queries.slice(first, count), options));
    std::move(some.begin(), some.end(), std::back_inserter(lists));
    check_signals();
  }
  return lists;
}

nb::object search(CollectionHandle& self, const nb::object& query, size_t k,
                  size_t search_list_size, bool exact, uint32_t threads) {
  const CollectionOptions& about = self.collection().options();
  const Rows rows(query, about.type, "query");
  const SearchOptions options{
      .k = k, .search_list_size = search_list_size, .exact = exact, .thread_count = threads};
  Lists lists;
  {
    const nb::gil_scoped_release released;
    lists = search_all(self, rows.view(), options);
  }
  return give_lists(lists, about.key_type, rows.is_one(), k);
}

nb::list search_points(CollectionHandle& self, const nb::object& query,
                       const SearchOptions& options) {
  const Rows rows(query, self.collection().options().type, "query");
  if (!rows.is_one()) {
    throw_invalid("search_points takes one query (1-D); search takes batches");
  }
  Lists lists;
  {
    const nb::gil_scoped_release released;
    lists = search_all(self, rows.view(), options);
  }
  nb::list list;
  for (const Neighbor& neighbor : lists.front()) list.append(from_neighbor(neighbor));
  return list;
}

nb::list search_like(CollectionHandle& self, const nb::object& key, const SearchOptions& options) {
  const Key name = to_key(key);
  std::vector<Neighbor> found;
  {
    const nb::gil_scoped_release released;
    const OpenDatabase::Use database(self.owner());
    found = take(self.collection().search_like(name, options));
  }
  nb::list list;
  for (const Neighbor& neighbor : found) list.append(from_neighbor(neighbor));
  return list;
}

nb::object upsert(CollectionHandle& self, const nb::object& keys, const nb::object& vectors,
                  const std::vector<std::string>& payloads, const std::string& on_duplicate) {
  UpsertOptions options{.payloads = payloads};
  if (on_duplicate == "error") {
    options.on_duplicate = OnDuplicate::kError;
  } else if (on_duplicate == "skip") {
    options.on_duplicate = OnDuplicate::kSkip;
  } else if (on_duplicate != "replace") {
    throw_invalid("on_duplicate '" + on_duplicate + "': expected replace, error or skip");
  }
  const Keys names(keys);
  const Rows rows(vectors, self.collection().options().type, "vectors");
  UpsertCounts counts;
  {
    const nb::gil_scoped_release released;
    const OpenDatabase::Use database(self.owner());
    counts = take(self.collection().upsert(names.view(), rows.view(), options));
  }
  return nb::make_tuple(counts.inserted, counts.replaced, counts.skipped);
}

uint64_t erase(CollectionHandle& self, const nb::object& keys) {
  const Keys names(keys);
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(self.owner());
  return take(self.collection().erase(names.view()));
}

nb::object get(CollectionHandle& self, const nb::object& key) {
  const Key name = to_key(key);
  Point point;
  {
    const nb::gil_scoped_release released;
    const OpenDatabase::Use database(self.owner());
    point = take(self.collection().get(name));
  }
  return from_point(point);
}

void build_index(CollectionHandle& self, bool rebuild, const nb::object& progress) {
  require(run_interruptible(progress, [&](const Goes& goes) {
    const OpenDatabase::Use database(self.owner());
    return self.collection().build_index({.rebuild = rebuild, .progress = goes});
  }));
}

CollectionInfo info(CollectionHandle& self) {
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(self.owner());
  return take(self.collection().info());
}

uint64_t size(CollectionHandle& self) {
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(self.owner());
  return self.collection().size();
}

class ScanHandle {
 public:
  ScanHandle(std::shared_ptr<OpenDatabase> owner, std::shared_ptr<OpenScan> open)
      : owner_(std::move(owner)), open_(std::move(open)) {}
  // Not while the database is being closed, and not in a forked child. The last handle closes: not
  // under the owner's lock, nor with the GIL.
  ~ScanHandle() {
    if (owner_->was_forked()) {
      new std::shared_ptr<OpenScan>(std::move(open_));
      return;
    }
    const nb::gil_scoped_release released;
    owner_->let_go(std::move(open_));
    owner_.reset();
  }

  nb::list next(size_t max_points) {
    std::vector<Point> points;
    {
      const nb::gil_scoped_release released;
      const OpenDatabase::Use database(*owner_);
      const std::lock_guard lock(open_->mutex);
      points = take(open_->scan->next(max_points));
    }
    nb::list list;
    for (const Point& point : points) list.append(from_point(point));
    return list;
  }

 private:
  std::shared_ptr<OpenDatabase> owner_;  // shared with the database's other handles
  std::shared_ptr<OpenScan> open_;       // the owner, which ends it, has a weak one
};

std::unique_ptr<ScanHandle> scan(CollectionHandle& self, const std::string& order) {
  if (order != "any" && order != "key") throw_invalid("order '" + order + "': expected any or key");
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(self.owner());
  PointScan begun =
      take(self.collection().scan(order == "key" ? ScanOrder::kKey : ScanOrder::kAny));
  return std::make_unique<ScanHandle>(self.shared_owner(), self.owner().keep(std::move(begun)));
}

}  // namespace

void bind_collection(nb::module_& module) {
  nb::class_<SearchOptions>(module, "PointSearch")
      .def(
          "__init__",
          [](SearchOptions* self, size_t k, size_t search_list_size, bool exact, uint32_t threads,
             bool with_payload, bool with_vector) {
            new (self) SearchOptions{.k = k,
                                     .search_list_size = search_list_size,
                                     .exact = exact,
                                     .with_payload = with_payload,
                                     .with_vector = with_vector,
                                     .thread_count = threads};
          },
          "k"_a, "search_list_size"_a, "exact"_a, "threads"_a, "with_payload"_a, "with_vector"_a);
  nb::class_<CollectionHandle>(module, "Collection")
      .def("search", &search, "query"_a, "k"_a, "search_list_size"_a, "exact"_a, "threads"_a)
      .def("search_points", &search_points, "query"_a, "options"_a)
      .def("search_like", &search_like, "key"_a, "options"_a)
      .def("upsert", &upsert, "keys"_a, "vectors"_a, "payloads"_a, "on_duplicate"_a)
      .def("erase", &erase, "keys"_a)
      .def("get", &get, "key"_a)
      .def("build_index", &build_index, "rebuild"_a, "progress"_a.none())
      .def("info", [](CollectionHandle& self) { return report(info(self)); })
      .def("size", &size)
      .def("scan", &scan, "order"_a)
      .def_prop_ro("name", [](CollectionHandle& self) { return self.collection().name(); })
      .def_prop_ro("dim", [](CollectionHandle& self) { return self.collection().options().dim; })
      .def_prop_ro("type",
                   [](CollectionHandle& self) {
                     return std::string(scalar_type_name(self.collection().options().type));
                   })
      .def_prop_ro("metric",
                   [](CollectionHandle& self) {
                     return std::string(metric_name(self.collection().options().metric));
                   })
      .def_prop_ro("key_type", [](CollectionHandle& self) {
        return std::string(key_type_name(self.collection().options().key_type));
      });
  nb::class_<ScanHandle>(module, "Scan").def("next", &ScanHandle::next, "max_points"_a);
}

}  // namespace roxanne::python
