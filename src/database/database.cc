// The public classes: thin handles over what does the work.
#include "roxanne/database.h"

#include "accel/graph_builder.h"
#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_copy.h"
#include "database/database_impl.h"
#include "database/door.h"
#include "database/memory_limit.h"
#include "database/scan.h"
#include "roxanne/collection.h"

namespace roxanne {

std::string_view version() { return ROX_VERSION; }

void keep_process_memory_small() { database::keep_heap_small(); }

PointScan::PointScan(std::unique_ptr<database::ScanImpl> impl) : impl_(std::move(impl)) {}
PointScan::PointScan(PointScan&&) noexcept = default;
PointScan& PointScan::operator=(PointScan&&) noexcept = default;
PointScan::~PointScan() = default;

Result<std::vector<Point>> PointScan::next(size_t max_points) { return impl_->next(max_points); }

Collection::Collection(std::shared_ptr<database::CollectionImpl> impl) : impl_(std::move(impl)) {}
Collection::~Collection() = default;

const std::string& Collection::name() const { return impl_->name(); }
const CollectionOptions& Collection::options() const { return impl_->options(); }

uint64_t Collection::size() const {
  const auto version = impl_->version();
  return version != nullptr ? version->live.count() : 0;
}

Result<UpsertCounts> Collection::upsert(KeysView keys, MatrixView vectors,
                                        const UpsertOptions& options) {
  return impl_->upsert(keys, vectors, options);
}

Result<uint64_t> Collection::erase(KeysView keys) { return impl_->erase(keys); }

Result<Point> Collection::get(const Key& key, const GetOptions& options) const {
  return impl_->get(key, options);
}

Result<std::vector<Neighbor>> Collection::search(VectorView query,
                                                 const SearchOptions& options) const {
  ROX_RETURN_IF_ERROR(database::check_search_options(options));
  return impl_->search(query, options);
}

Result<std::vector<std::vector<Neighbor>>> Collection::search(MatrixView queries,
                                                              const SearchOptions& options) const {
  ROX_RETURN_IF_ERROR(database::check_search_options(options));
  return impl_->search(queries, options);
}

Result<std::vector<Neighbor>> Collection::search_like(const Key& key,
                                                      const SearchOptions& options) const {
  ROX_RETURN_IF_ERROR(database::check_search_options(options));
  return impl_->search_like(key, options);
}

Result<PointScan> Collection::scan(ScanOrder order) const {
  return scan(ScanOptions{.order = order});
}

Result<PointScan> Collection::scan(const ScanOptions& options) const {
  ROX_ASSIGN_OR_RETURN(auto scan, database::ScanImpl::start(impl_, options));
  return PointScan(std::move(scan));
}

Status accelerator_status(Accelerator accelerator) { return accel::check_accelerator(accelerator); }

Status Collection::build_index(const IndexOptions& options) {
  return impl_->database()->index_builder().build(impl_, options);
}

Result<CollectionInfo> Collection::info() const { return impl_->info(); }

Database::Database(std::shared_ptr<database::DatabaseImpl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    if (impl_ != nullptr) (void)impl_->close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Database::~Database() {
  if (impl_ != nullptr) (void)impl_->close();
}

Result<Database> Database::open(const std::string& path, const DatabaseOptions& options) {
  ROX_ASSIGN_OR_RETURN(auto impl, database::DatabaseImpl::open(path, options));
  return Database(std::move(impl));
}

Status Database::close() { return impl_->close(); }
Status Database::flush() { return impl_->flush(); }

Result<Collection> Database::create_collection(std::string_view name,
                                               const CollectionOptions& options) {
  ROX_ASSIGN_OR_RETURN(auto collection, impl_->create_collection(name, options));
  return Collection(std::move(collection));
}

Result<Collection> Database::collection(std::string_view name) const {
  ROX_ASSIGN_OR_RETURN(auto collection, impl_->collection(name));
  return Collection(std::move(collection));
}

Status Database::drop_collection(std::string_view name) { return impl_->drop_collection(name); }

std::vector<std::string> Database::collection_names() const { return impl_->collection_names(); }

Result<DatabaseInfo> Database::info() const { return impl_->info(); }

Result<SnapshotReport> Database::snapshot(const std::string& path,
                                          const SnapshotOptions& options) const {
  return database::copy_database(*impl_, path, options);
}

Result<VerifyReport> Database::verify(const VerifyOptions& options) {
  return impl_->verify(options);
}

}  // namespace roxanne
