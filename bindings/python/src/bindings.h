// What the files of this module show each other.
#pragma once

#include <memory>

#include "open_database.h"

namespace roxanne::python {

// _engine.Collection: a handle that keeps its database's object, not the database open.
class CollectionHandle {
 public:
  CollectionHandle(std::shared_ptr<OpenDatabase> owner, Collection collection)
      : owner_(std::move(owner)), collection_(std::move(collection)) {}
  // In a forked child nothing of the engine is touched, not even to let go. The last handle closes,
  // which may take a while: others go on meanwhile.
  ~CollectionHandle() {
    if (owner_->was_forked()) new Collection(std::move(collection_));
    const nb::gil_scoped_release released;
    owner_.reset();
  }
  CollectionHandle(const CollectionHandle&) = delete;
  CollectionHandle& operator=(const CollectionHandle&) = delete;

  OpenDatabase& owner() const { return *owner_; }
  const std::shared_ptr<OpenDatabase>& shared_owner() const { return owner_; }
  Collection& collection() { return collection_; }

 private:
  std::shared_ptr<OpenDatabase> owner_;  // shared with its other handles and _engine.Database
  Collection collection_;
};

nb::dict report(const CollectionInfo& info);
nb::dict report(const DatabaseInfo& info);

void bind_database(nb::module_& module);
void bind_collection(nb::module_& module);

}  // namespace roxanne::python
