#include "database/recovery.h"

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/schema.h"

namespace roxanne::database {

Status replay_redo(DatabaseImpl& database, CollectionImpl& collection) {
  const std::string prefix = schema::table_prefix('r', collection.id());
  const std::shared_ptr<index::VectorStore> vectors = collection.vectors();
  const std::shared_ptr<const Version> version = collection.version();
  bool any = false;
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
    } else {
      ROX_RETURN_IF_ERROR(vectors->write({&row, 1}));
    }
  }
  ROX_RETURN_IF_ERROR(cursor.status());
  if (!any || database.options().read_only) return Status::ok();
  ROX_RETURN_IF_ERROR(vectors->file().sync());
  storage::WriteBatch batch;
  batch.erase_range(prefix, schema::table_end('r', collection.id()));
  return database.store()->write(batch, true);
}

}  // namespace roxanne::database
