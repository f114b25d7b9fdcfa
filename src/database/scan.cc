#include "database/scan.h"

#include "base/deadline.h"
#include "base/status_macros.h"
#include "database/database_impl.h"
#include "database/door.h"
#include "database/schema.h"

namespace roxanne::database {

ScanImpl::ScanImpl(std::shared_ptr<CollectionImpl> collection,
                   std::shared_ptr<const Version> version,
                   std::shared_ptr<index::VectorStore> vectors)
    : collection_(std::move(collection)),
      version_(std::move(version)),
      vectors_(std::move(vectors)) {}

Result<std::unique_ptr<ScanImpl>> ScanImpl::start(std::shared_ptr<CollectionImpl> collection,
                                                  const ScanOptions& options) {
  ROX_RETURN_IF_ERROR(collection->usable());
  const auto version = collection->version();
  const auto vectors = collection->vectors();
  if (version == nullptr || vectors == nullptr) return collection->usable();
  if (options.after.has_value()) {
    if (options.order != ScanOrder::kKey) {
      return Status::invalid_argument("a scan begins behind a key in key order only");
    }
    ROX_RETURN_IF_ERROR(check_key(collection->options().key_type, *options.after));
  }
  const std::shared_ptr<storage::KeyValueStore> store = collection->database()->store();
  const uint32_t id = collection->id();
  const auto* snapshot = version->snapshot.get();
  std::unique_ptr<ScanImpl> scan(new ScanImpl(std::move(collection), version, vectors));
  scan->options_ = options;
  if (options.order == ScanOrder::kKey) {
    std::string start;
    if (options.after.has_value()) {
      // Nothing sorts between a key and the same with a zero byte behind it.
      start = schema::point_key(id, schema::encode_key(*options.after)) + '\0';
    }
    scan->keys_.emplace(store->scan(schema::table_prefix('k', id), start, snapshot));
  } else {
    scan->block_ = base::AlignedBuffer(vectors->file().layout().block_bytes);
    if (scan->collection_->options().key_type == KeyType::kString) {
      scan->names_.emplace(store->scan(schema::table_prefix('s', id), {}, snapshot));
    }
    scan->payloads_.emplace(store->scan(schema::table_prefix('p', id), {}, snapshot));
  }
  return scan;
}

Result<std::vector<Point>> ScanImpl::next(size_t max_points) {
  ROX_RETURN_IF_ERROR(collection_->usable());
  ROX_RETURN_IF_ERROR(base::check_deadline(options_.deadline));
  std::vector<Point> points;
  ROX_RETURN_IF_ERROR(options_.order == ScanOrder::kKey ? next_by_key(max_points, points)
                                                        : next_by_slot(max_points, points));
  return points;
}

Status ScanImpl::next_by_key(size_t max_points, std::vector<Point>& points) {
  const auto& store = collection_->database()->store();
  const size_t prefix_bytes = schema::table_prefix('k', collection_->id()).size();
  for (; points.size() < max_points && keys_->valid(); keys_->next()) {
    ROX_RETURN_IF_ERROR(base::check_deadline(options_.deadline));
    ROX_ASSIGN_OR_RETURN(Key key, schema::decode_key(collection_->options().key_type,
                                                     keys_->key().substr(prefix_bytes)));
    ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_u32(keys_->value()));
    Point point{std::move(key), {collection_->options().type, {}}, std::nullopt};
    if (options_.with_vector) {
      point.vector.bytes.resize(collection_->row_bytes());
      ROX_RETURN_IF_ERROR(vectors_->read(slot, point.vector.bytes).status());
    }
    if (options_.with_payload) {
      ROX_ASSIGN_OR_RETURN(point.payload, store->get(schema::slot_key('p', collection_->id(), slot),
                                                     version_->snapshot.get()));
    }
    points.push_back(std::move(point));
  }
  return keys_->status();
}

Status ScanImpl::next_by_slot(size_t max_points, std::vector<Point>& points) {
  const storage::RowLayout& layout = vectors_->file().layout();
  for (; points.size() < max_points && slot_ < version_->live.slot_end(); ++slot_) {
    const uint32_t slot = static_cast<uint32_t>(slot_);
    if (!version_->live.contains(slot)) continue;
    ROX_RETURN_IF_ERROR(base::check_deadline(options_.deadline));
    ROX_RETURN_IF_ERROR(load_block(layout.block_of(slot)));
    const storage::BlockView view(layout, block_.data());
    const size_t i = layout.index_in_block(slot);
    Point point{Key(view.tags()[i]), {collection_->options().type, {}}, std::nullopt};
    if (options_.with_vector) {
      point.vector.bytes.assign(view.row(i), view.row(i) + layout.row_bytes);
    }
    if (names_.has_value()) {
      ROX_ASSIGN_OR_RETURN(auto key, string_key_of(slot));
      if (!key.has_value()) {
        return Status::corruption("kv: slot " + std::to_string(slot) + " has no key");
      }
      point.key = std::move(*key);
    }
    if (options_.with_payload) {
      ROX_ASSIGN_OR_RETURN(point.payload, payload_of(slot));
    }
    points.push_back(std::move(point));
  }
  return Status::ok();
}

Status ScanImpl::load_block(uint64_t block) {
  if (block == loaded_block_) return Status::ok();
  ROX_RETURN_IF_ERROR(vectors_->read_block(block, version_->live, block_.span()));
  loaded_block_ = block;
  return Status::ok();
}

Result<std::optional<Key>> ScanImpl::string_key_of(uint32_t slot) {
  for (; names_->valid(); names_->next()) {
    ROX_ASSIGN_OR_RETURN(const uint32_t at, schema::decode_slot_key(names_->key()));
    if (at > slot) break;
    if (at == slot) return std::optional<Key>(Key(names_->value()));
  }
  ROX_RETURN_IF_ERROR(names_->status());
  return std::optional<Key>();
}

Result<std::optional<std::string>> ScanImpl::payload_of(uint32_t slot) {
  for (; payloads_->valid(); payloads_->next()) {
    ROX_ASSIGN_OR_RETURN(const uint32_t at, schema::decode_slot_key(payloads_->key()));
    if (at > slot) break;
    if (at == slot) return std::optional<std::string>(std::string(payloads_->value()));
  }
  ROX_RETURN_IF_ERROR(payloads_->status());
  return std::optional<std::string>();
}

}  // namespace roxanne::database
