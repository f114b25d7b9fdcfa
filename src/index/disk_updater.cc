#include "index/disk_updater.h"

namespace roxanne::index {

class DiskUpdater::Impl {};

DiskUpdater::DiskUpdater(DiskIndex&, base::ThreadPool&, const DiskUpdateOptions&) {}
DiskUpdater::~DiskUpdater() = default;
Status DiskUpdater::apply(const DiskChanges&) { return Status::unsupported("not yet"); }
Status DiskUpdater::checkpoint(uint64_t) { return Status::unsupported("not yet"); }
bool DiskUpdater::is_checkpoint_due() const { return false; }
DiskUpdateStats DiskUpdater::stats() const { return {}; }
uint64_t DiskUpdater::bytes_of(const CollectionOptions&, const DiskUpdateOptions&) { return 0; }

}  // namespace roxanne::index
