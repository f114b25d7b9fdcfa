// A changing graph whose codes a keeper keeps, beside a file of pages that has checkpoints but no
// pages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "index/test_changing_graph.h"
#include "storage/page_store.h"
#include "storage/simulated_file_system.h"

namespace roxanne::index {

inline const DiskPaths kKeptPaths = {"/db/graph.pages", "/db/graph.codes"};
inline const CodesOpenOptions kWritable = {.read_only = false};

struct KeptCodes {
  std::unique_ptr<storage::PageStore> pages;
  std::unique_ptr<CodesKeeper> keeper;
  ChangingGraph changing;
  uint64_t checkpoints = 0;

  // As a build leaves it, names included. The folder is there.
  static Result<KeptCodes> make(storage::FileSystem& files, ChangingGraph changing,
                                const CodesOpenOptions& options) {
    KeptCodes kept;
    kept.changing = std::move(changing);
    ROX_ASSIGN_OR_RETURN(kept.pages, storage::PageStore::create(files, kKeptPaths.pages, {}));
    ROX_ASSIGN_OR_RETURN(const WrittenCodes written,
                         write_disk_codes(files, kKeptPaths.codes, kept.changing.graph(), 0));
    ROX_RETURN_IF_ERROR(files.sync_directory("/db"));
    kept.keeper =
        std::make_unique<CodesKeeper>(files, kKeptPaths, kept.changing.graph(), written, options);
    kept.changing.tell(kept.keeper.get());
    return kept;
  }
  static Result<KeptCodes> open(storage::FileSystem& files, const CodesOpenOptions& options) {
    KeptCodes kept;
    ROX_ASSIGN_OR_RETURN(kept.pages, storage::PageStore::open(files, kKeptPaths.pages,
                                                              {.read_only = options.read_only}));
    const storage::CheckpointRecord record = kept.pages->last_checkpoint();
    ROX_ASSIGN_OR_RETURN(auto opened,
                         CodesKeeper::open(files, kKeptPaths, changing_options(), record, options));
    kept.keeper = std::move(opened.keeper);
    kept.changing = ChangingGraph(std::move(opened.graph));
    kept.changing.tell(kept.keeper.get());
    kept.checkpoints = record.log_sequence_number;
    return kept;
  }

  Status checkpoint() {
    ROX_ASSIGN_OR_RETURN(const auto numbers, keeper->save(changing.graph()));
    ROX_RETURN_IF_ERROR(pages->checkpoint({checkpoints + 1, numbers}));
    ++checkpoints;
    keeper->adopt();
    return Status::ok();
  }
  // As the last checkpoint says.
  uint32_t generation() const {
    return static_cast<uint32_t>(pages->last_checkpoint().owner_numbers[0]);
  }
  uint64_t log_bytes() const { return pages->last_checkpoint().owner_numbers[1]; }
};

}  // namespace roxanne::index
