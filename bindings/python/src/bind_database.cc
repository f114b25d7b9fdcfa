// _engine.Database: each call without the GIL, long ones stopped by Ctrl-C.
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "interruptible.h"

namespace roxanne::python {
namespace {

using namespace nb::literals;

template <typename Enum>
Enum parse(std::optional<Enum> parsed, const char* what, const std::string& given,
           const char* known) {
  if (!parsed) throw_invalid(std::string(what) + " '" + given + "': expected " + known);
  return *parsed;
}

Durability parse_durability(const std::string& name) {
  std::optional<Durability> parsed;
  if (name == "full") parsed = Durability::kFull;
  if (name == "grouped") parsed = Durability::kGrouped;
  if (name == "none") parsed = Durability::kNone;
  return parse(parsed, "durability", name, "full, grouped or none");
}

std::string to_path(const nb::bytes& path) { return std::string(path.c_str(), path.size()); }

class DatabaseHandle {
 public:
  explicit DatabaseHandle(std::shared_ptr<OpenDatabase> owner) : owner_(std::move(owner)) {}
  // The last handle closes, which may take a while: others go on meanwhile.
  ~DatabaseHandle() {
    const nb::gil_scoped_release released;
    owner_.reset();
  }
  OpenDatabase& operator*() const { return *owner_; }
  OpenDatabase* operator->() const { return owner_.get(); }
  const std::shared_ptr<OpenDatabase>& shared() const { return owner_; }

 private:
  std::shared_ptr<OpenDatabase> owner_;  // shared with handles of its collections
};

std::unique_ptr<DatabaseHandle> open(const nb::bytes& path_bytes, bool create, bool error_if_exists,
                                     bool read_only, const std::string& durability,
                                     uint64_t memory_limit_bytes, uint32_t threads,
                                     bool automatic_index, uint64_t index_points_min) {
  check_may_open();
  const DatabaseOptions options{.create_if_missing = create,
                                .error_if_exists = error_if_exists,
                                .read_only = read_only,
                                .durability = parse_durability(durability),
                                .memory_limit_bytes = memory_limit_bytes,
                                .thread_count = threads,
                                .automatic_index = automatic_index,
                                .index_points_min = index_points_min};
  const std::string path = to_path(path_bytes);
  const nb::gil_scoped_release released;
  return std::make_unique<DatabaseHandle>(
      std::make_shared<OpenDatabase>(take(Database::open(path, options))));
}

std::unique_ptr<CollectionHandle> create_collection(DatabaseHandle& self, const nb::object& given,
                                                    size_t dim, const std::string& type,
                                                    const std::string& metric,
                                                    const std::string& key_type) {
  const std::string name = to_text(given, "name");
  const CollectionOptions options{
      .dim = dim,
      .type = parse(parse_scalar_type(type), "dtype", type, "f32, f16, u8 or i8"),
      .metric = parse(parse_metric(metric), "metric", metric, "l2, ip or cosine"),
      .key_type = parse(parse_key_type(key_type), "key_type", key_type, "u64 or string")};
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(*self);
  return std::make_unique<CollectionHandle>(self.shared(),
                                            take(database->create_collection(name, options)));
}

std::unique_ptr<CollectionHandle> collection(DatabaseHandle& self, const nb::object& given) {
  const std::string name = to_text(given, "name");
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(*self);
  return std::make_unique<CollectionHandle>(self.shared(), take(database->collection(name)));
}

nb::dict snapshot(DatabaseHandle& self, const nb::bytes& path_bytes, const nb::object& progress) {
  const std::string path = to_path(path_bytes);
  SnapshotReport copied;
  require(run_interruptible(progress, [&](const Goes& goes) -> Status {
    const OpenDatabase::Use database(*self);
    auto done = database->snapshot(
        path, {.progress = [&](double fraction) { return goes("snapshot", fraction); }});
    if (!done) return done.status();
    copied = *done;
    return Status::ok();
  }));
  nb::dict dict;
  dict["collections"] = copied.collections;
  dict["points"] = copied.points;
  dict["bytes_copied"] = copied.bytes_copied;
  dict["bytes_shared"] = copied.bytes_shared;
  return dict;
}

nb::dict verify(DatabaseHandle& self, bool repair, const nb::object& progress) {
  VerifyReport found;
  require(run_interruptible(progress, [&](const Goes& goes) -> Status {
    const OpenDatabase::Use database(*self);
    auto done = database->verify(
        {.repair = repair, .progress = [&](double fraction) { return goes("verify", fraction); }});
    if (!done) return done.status();
    found = *std::move(done);
    return Status::ok();
  }));
  nb::dict dict;
  dict["points_checked"] = found.points_checked;
  dict["bytes_checked"] = found.bytes_checked;
  dict["problems"] = found.problems;
  dict["repaired"] = found.repaired;
  return dict;
}

DatabaseInfo info(DatabaseHandle& self) {
  const nb::gil_scoped_release released;
  const OpenDatabase::Use database(*self);
  return take(database->info());
}

}  // namespace

void bind_database(nb::module_& module) {
  module.def("open", &open, "path"_a, nb::kw_only(), "create"_a, "error_if_exists"_a, "read_only"_a,
             "durability"_a, "memory_limit_bytes"_a, "threads"_a, "automatic_index"_a,
             "index_points_min"_a);
  nb::class_<DatabaseHandle>(module, "Database")
      .def("create_collection", &create_collection, "name"_a, nb::kw_only(), "dim"_a, "type"_a,
           "metric"_a, "key_type"_a)
      .def("collection", &collection, "name"_a)
      .def("drop_collection",
           [](DatabaseHandle& self, const nb::object& given) {
             const std::string name = to_text(given, "name");
             const nb::gil_scoped_release released;
             const OpenDatabase::Use database(*self);
             require(database->drop_collection(name));
           })
      .def("collection_names",
           [](DatabaseHandle& self) {
             const nb::gil_scoped_release released;
             const OpenDatabase::Use database(*self);
             return database->collection_names();
           })
      .def("info", [](DatabaseHandle& self) { return report(info(self)); })
      .def("snapshot", &snapshot, "path"_a, "progress"_a.none())
      .def("verify", &verify, "repair"_a, "progress"_a.none())
      .def("flush",
           [](DatabaseHandle& self) {
             const nb::gil_scoped_release released;
             const OpenDatabase::Use database(*self);
             require(database->flush());
           })
      .def("close", [](DatabaseHandle& self) {
        const nb::gil_scoped_release released;
        self->close();
      });
}

}  // namespace roxanne::python
