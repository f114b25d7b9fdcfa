#include "database/recovery.h"

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/schema.h"

namespace roxanne::database {

namespace {
constexpr size_t kGatherBytes = 1u << 20;
}  // namespace

Status replay_redo(DatabaseImpl& database, CollectionImpl& collection) {
  const std::string prefix = schema::table_prefix('r', collection.id());
  const std::shared_ptr<index::VectorStore> vectors = collection.vectors();
  const std::shared_ptr<const Version> version = collection.version();
  bool any = false;
  // Rows come in the order of their slots, and go out in long runs.
  std::vector<std::byte> bytes;
  std::vector<storage::RowRef> rows;
  const auto write_gathered = [&]() -> Status {
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i].bytes = bytes.data() + i * collection.row_bytes();
    const Status written = vectors->write(rows);
    rows.clear();
    bytes.clear();
    return written;
  };
  auto cursor = database.store()->scan(prefix);
  for (; cursor.valid(); cursor.next()) {
    any = true;
    ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_slot_key(cursor.key()));
    ROX_ASSIGN_OR_RETURN(const storage::RowRef row,
                         schema::decode_redo(slot, cursor.value(), collection.row_bytes()));
    // A slot that was freed since needs no bytes.
    if (!version->live.contains(slot)) continue;
    if (database.options().read_only) {
      vectors->overlay(row);
      continue;
    }
    rows.push_back(row);
    bytes.insert(bytes.end(), row.bytes, row.bytes + collection.row_bytes());
    if (bytes.size() >= kGatherBytes) ROX_RETURN_IF_ERROR(write_gathered());
  }
  ROX_RETURN_IF_ERROR(cursor.status());
  if (!any || database.options().read_only) return Status::ok();
  ROX_RETURN_IF_ERROR(write_gathered());
  ROX_RETURN_IF_ERROR(vectors->file().sync());
  storage::WriteBatch batch;
  batch.erase_range(prefix, schema::table_end('r', collection.id()));
  return database.store()->write(batch, true);
}

}  // namespace roxanne::database
