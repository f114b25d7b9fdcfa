#include "database/verify.h"

#include <algorithm>

#include "base/status_macros.h"
#include "database/collection_impl.h"
#include "database/database_impl.h"
#include "database/door.h"
#include "database/graph_upkeep.h"
#include "database/schema.h"

namespace roxanne::database {
namespace {

class CollectionVerifier {
 public:
  CollectionVerifier(DatabaseImpl& database, CollectionImpl& collection,
                     const VerifyOptions& options, VerifyReport& report)
      : database_(database),
        store_(*database.store()),
        collection_(collection),
        options_(options),
        report_(report),
        vectors_(collection.vectors()),
        live_(collection.version()->live) {}

  Status run() {
    ROX_RETURN_IF_ERROR(check_keys());
    ROX_RETURN_IF_ERROR(check_string_keys());
    ROX_RETURN_IF_ERROR(check_live_bits());
    ROX_RETURN_IF_ERROR(check_payloads_of_slots());
    ROX_RETURN_IF_ERROR(check_rows());
    ROX_RETURN_IF_ERROR(check_graph());
    if (options_.repair) return repair();
    return Status::ok();
  }

  bool lost_graph() const { return lost_graph_; }

 private:
  void problem(const std::string& text) {
    if (report_.problems.size() < VerifyReport::kProblemsMax) {
      report_.problems.push_back("collection " + collection_.name() + ": " + text);
    }
  }

  bool has_string_keys() const { return collection_.options().key_type == KeyType::kString; }

  // key -> slot: each slot once, and (for numbers) the row's own key agrees.
  Status check_keys() {
    const std::string prefix = schema::table_prefix('k', collection_.id());
    auto cursor = store_.scan(prefix);
    for (; cursor.valid(); cursor.next()) {
      const std::string encoded(cursor.key().substr(prefix.size()));
      const auto key = schema::decode_key(collection_.options().key_type, encoded);
      const auto slot = schema::decode_u32(cursor.value());
      ++report_.points_checked;
      if (!key.is_ok() || !slot.is_ok()) {
        problem((key.is_ok() ? slot.status() : key.status()).message());
        continue;
      }
      if (*slot / 64 >= named_.size()) named_.resize(*slot / 64 + 1);
      uint64_t& word = named_[*slot / 64];
      const uint64_t bit = uint64_t{1} << (*slot % 64);
      if ((word & bit) != 0) problem("slot " + std::to_string(*slot) + " has two keys");
      word |= bit;
      if (!live_.contains(*slot)) {
        problem("key " + key->to_string() + " points at slot " + std::to_string(*slot) +
                ", which is not live");
      }
      if (has_string_keys()) {
        ROX_ASSIGN_OR_RETURN(const auto name,
                             store_.get(schema::slot_key('s', collection_.id(), *slot)));
        if (name != encoded) {
          problem("slot " + std::to_string(*slot) + " does not lead back to key " + encoded);
          wrong_names_.emplace_back(*slot, encoded);
        }
      } else {
        expected_tags_.emplace_back(*slot, key->u64());
      }
    }
    return cursor.status();
  }

  bool is_named(uint32_t slot) const {
    return slot / 64 < named_.size() && ((named_[slot / 64] >> (slot % 64)) & 1) != 0;
  }

  // No slot -> key without its key -> slot.
  Status check_string_keys() {
    auto cursor = store_.scan(schema::table_prefix('s', collection_.id()));
    for (; cursor.valid(); cursor.next()) {
      ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_slot_key(cursor.key()));
      if (!has_string_keys() || !is_named(slot)) {
        problem("slot " + std::to_string(slot) + " names a key that does not name it");
      }
    }
    return cursor.status();
  }

  Status check_live_bits() {
    for (uint64_t slot = 0; slot < live_.slot_end(); ++slot) {
      const uint32_t number = static_cast<uint32_t>(slot);
      if (live_.contains(number) && !is_named(number)) {
        problem("slot " + std::to_string(slot) + " is live but no key names it");
      }
    }
    return Status::ok();
  }

  Status check_payloads_of_slots() {
    auto cursor = store_.scan(schema::table_prefix('p', collection_.id()));
    for (; cursor.valid(); cursor.next()) {
      ROX_ASSIGN_OR_RETURN(const uint32_t slot, schema::decode_slot_key(cursor.key()));
      const std::string payload(cursor.value());
      report_.bytes_checked += payload.size();
      if (!is_named(slot)) problem("slot " + std::to_string(slot) + " has a payload but no key");
      const Status valid = check_payloads({&payload, 1}, 1);
      if (!valid.is_ok()) problem("slot " + std::to_string(slot) + ": " + valid.message());
    }
    return cursor.status();
  }

  // Checksums of all rows, then each row's key.
  Status check_rows() {
    const auto damaged = [&](const Status& status) {
      problem(status.message());
      return report_.problems.size() < VerifyReport::kProblemsMax;
    };
    const auto progress = [&](uint64_t done, uint64_t all) {
      report_.bytes_checked += vectors_->file().layout().block_bytes;
      return !options_.progress ||
             options_.progress(static_cast<double>(done) / static_cast<double>(all));
    };
    ROX_RETURN_IF_ERROR(vectors_->check(live_, damaged, progress));
    return check_tags();
  }

  Status check_tags() {
    std::sort(expected_tags_.begin(), expected_tags_.end());
    const storage::RowLayout& layout = vectors_->file().layout();
    base::AlignedBuffer block(layout.block_bytes);
    uint64_t loaded = UINT64_MAX;
    for (const auto& [slot, key] : expected_tags_) {
      if (!live_.contains(slot)) continue;
      if (layout.block_of(slot) != loaded) {
        loaded = layout.block_of(slot);
        // Damaged rows are in the report already; the others' keys are still worth a look.
        const Status read = vectors_->read_block(loaded, live_, block.span());
        if (!read.is_ok() && read.code() != StatusCode::kCorruption) return read;
      }
      const size_t i = layout.index_in_block(slot);
      const storage::BlockView view(layout, block.data());
      if (view.row_is_intact(i, slot) && view.tags()[i] != key) {
        problem("key " + std::to_string(key) + " points at slot " + std::to_string(slot) +
                ", which holds key " + std::to_string(view.tags()[i]));
      }
    }
    return Status::ok();
  }

  // The graph's file, and that its live nodes are the rows of their slots.
  Status check_graph() {
    ROX_ASSIGN_OR_RETURN(const auto bytes, store_.get(schema::graph_key(collection_.id())));
    if (!bytes.has_value()) return Status::ok();
    const auto graph_problem = [this](const Status& status) {
      problem(status.message());
      graph_is_damaged_ = true;
      return report_.problems.size() < VerifyReport::kProblemsMax;
    };
    const auto record = schema::decode_graph_record(*bytes);
    if (!record.is_ok()) {
      graph_problem(record.status());
      return Status::ok();
    }
    ROX_RETURN_IF_ERROR(check_form(*record, record->resident, graph_problem));
    // Those of older formats are not read any more, but built anew by the next writer.
    if (!record->is_changeable) return Status::ok();
    return check_form(*record, record->disk, graph_problem);
  }

  // One form, read once more: what is in memory was checked when it was read, long ago perhaps.
  // Where there is no memory to do so, the one that serves is looked at.
  template <typename Problem>
  Status check_form(const schema::GraphRecord& record, const schema::GraphForm& form,
                    Problem problem_found) {
    if (!form.exists()) return Status::ok();
    std::shared_ptr<const ServingGraph> graph;
    auto memory = database_.reserve_memory(bytes_to_serve(collection_, record, form));
    if (memory.has_value()) {
      auto loaded =
          load_graph(collection_, record, {&form == &record.resident, *std::move(memory)}, {});
      if (!loaded.is_ok()) {
        if (!is_damage(loaded.status())) return loaded.status();
        problem_found(loaded.status());
        return Status::ok();
      }
      graph = *std::move(loaded);
      report_.bytes_checked += form.file_bytes;
    } else {
      graph = collection_.version()->graph;
    }
    if (graph == nullptr) return Status::ok();
    std::vector<std::byte> row(collection_.row_bytes());
    const auto row_of = [&](uint32_t slot) -> const std::byte* {
      if (!live_.contains(slot)) return nullptr;
      return vectors_->read(slot, row).is_ok() ? row.data() : nullptr;  // else reported already
    };
    if (graph->resident != nullptr) {
      check_graph_tags(*graph->resident, problem_found);
      graph->resident->verify(row_of, problem_found);
    } else {
      graph->disk->verify(row_of, expected_tag(), problem_found);
    }
    return Status::ok();
  }

  // The key of a live slot, where keys are numbers.
  std::function<std::optional<uint64_t>(uint32_t slot)> expected_tag() const {
    return [this](uint32_t slot) -> std::optional<uint64_t> {
      const auto at = std::lower_bound(expected_tags_.begin(), expected_tags_.end(), slot,
                                       [](const std::pair<uint32_t, uint64_t>& one,
                                          uint32_t other) { return one.first < other; });
      if (at == expected_tags_.end() || at->first != slot) return std::nullopt;
      return at->second;
    };
  }

  // Answers of a graph are told by these keys, without asking the store.
  template <typename Problem>
  void check_graph_tags(const index::ResidentIndex& graph, Problem problem_found) {
    const auto slots = graph.slots();
    const auto tags = graph.tags();
    size_t expected = 0;  // expected_tags_ ascend by slot since check_tags()
    for (size_t node = 0; node < slots.size(); ++node) {
      while (expected < expected_tags_.size() && expected_tags_[expected].first < slots[node]) {
        ++expected;
      }
      if (expected == expected_tags_.size()) return;
      const auto& [slot, key] = expected_tags_[expected];
      if (slot != slots[node] || key == tags[node]) continue;
      if (!problem_found(Status::corruption(
              "graph node " + std::to_string(node) + " (slot " + std::to_string(slot) +
              ") has key " + std::to_string(tags[node]) + ", expected " + std::to_string(key)))) {
        return;
      }
    }
  }

  static bool is_damage(const Status& status) {
    return status.code() == StatusCode::kCorruption || status.code() == StatusCode::kNotFound ||
           status.code() == StatusCode::kUnsupported;
  }

  // Derived data that is damaged: searches are exact until a build replaces it.
  Status give_up_graph() {
    ROX_RETURN_IF_ERROR(collection_.upkeep().give_up_graph());
    lost_graph_ = true;
    return Status::ok();
  }

  Status repair() {
    if (graph_is_damaged_) ROX_RETURN_IF_ERROR(give_up_graph());
    return repair_tables();
  }

  // What is derived from key -> slot is made anew where it is wrong.
  Status repair_tables() {
    storage::WriteBatch batch;
    size_t mended_chunks = 0;
    const size_t chunks =
        std::max<size_t>(live_.chunk_count(), (named_.size() * 64 + index::kLiveChunkSlots - 1) /
                                                  index::kLiveChunkSlots);
    for (size_t number = 0; number < chunks; ++number) {
      index::LiveChunk right{};
      for (size_t i = 0; i < right.size(); ++i) {
        const size_t word = number * right.size() + i;
        if (word < named_.size()) right[i] = named_[word];
      }
      const uint64_t* words = live_.chunk_words(number);
      const index::LiveChunk empty{};
      if (std::equal(right.begin(), right.end(), words != nullptr ? words : empty.data())) continue;
      batch.put(schema::slot_key('l', collection_.id(), static_cast<uint32_t>(number)),
                schema::encode_chunk(right));
      ++mended_chunks;
    }
    for (const auto& [slot, key] : wrong_names_) {
      batch.put(schema::slot_key('s', collection_.id(), slot), key);
    }
    if (mended_chunks == 0 && wrong_names_.empty()) return Status::ok();
    const Status written = store_.write(batch, true);
    if (!written.is_ok()) {
      database_.committer().fail(written);
      return written;
    }
    ROX_RETURN_IF_ERROR(
        collection_.reload_live_set(database_.committer().next_commit_number(true)));
    report_.repaired.push_back("collection " + collection_.name() + ": " +
                               std::to_string(mended_chunks) + " live bitmaps, " +
                               std::to_string(wrong_names_.size()) + " slot keys");
    return Status::ok();
  }

  DatabaseImpl& database_;
  storage::KeyValueStore& store_;
  CollectionImpl& collection_;
  const VerifyOptions& options_;
  VerifyReport& report_;
  std::shared_ptr<index::VectorStore> vectors_;  // shared with the collection
  index::LiveSet live_;
  std::vector<uint64_t> named_;  // bit set = some key points at the slot
  std::vector<std::pair<uint32_t, uint64_t>> expected_tags_;
  std::vector<std::pair<uint32_t, std::string>> wrong_names_;
  bool graph_is_damaged_ = false;
  bool lost_graph_ = false;
};

}  // namespace

Result<bool> verify_collection(DatabaseImpl& database, CollectionImpl& collection,
                               const VerifyOptions& options, VerifyReport& report) {
  CollectionVerifier verifier(database, collection, options, report);
  ROX_RETURN_IF_ERROR(verifier.run());
  return verifier.lost_graph();
}

Result<VerifyReport> DatabaseImpl::verify(const VerifyOptions& options) {
  if (closed_) return Status::not_found("the database is closed");
  if (options.repair) ROX_RETURN_IF_ERROR(check_writable());
  VerifyReport report;
  std::vector<std::shared_ptr<CollectionImpl>> without_graph;
  const auto all = collections();
  // Graphs stand still, and their files say what they have.
  std::vector<std::unique_lock<std::mutex>> held;
  for (const auto& collection : all) {
    held.push_back(collection->upkeep().hold());
    const Status durable = collection->upkeep().checkpoint();
    if (!durable.is_ok()) {
      report.problems.push_back("collection " + collection->name() + ": " + durable.message());
    }
  }
  // Alone, so that the tables are looked at in one state.
  const Status status = committer_->run_alone([&]() -> Status {
    const Status files = store_->verify_checksums();
    if (!files.is_ok()) report.problems.push_back("kv: " + files.message());
    for (const auto& collection : all) {
      if (collection->version() == nullptr && collection->open_status().is_ok())
        continue;  // dropped
      if (!collection->open_status().is_ok()) {
        report.problems.push_back("collection " + collection->name() + ": " +
                                  collection->open_status().message());
        continue;
      }
      const auto checked = verify_collection(*this, *collection, options, report);
      if (checked.is_ok()) {
        if (*checked) without_graph.push_back(collection);
      } else if (checked.status().code() == StatusCode::kCorruption) {
        report.problems.push_back("collection " + collection->name() + ": " +
                                  checked.status().message());
      } else {
        return checked.status();
      }
    }
    return Status::ok();
  });
  held.clear();
  ROX_RETURN_IF_ERROR(status);
  for (const auto& collection : without_graph) {
    const Status built = index_builder_->build(collection, {});
    report.repaired.push_back("collection " + collection->name() + ": its graph was " +
                              (built.is_ok() && collection->graph_record().has_value()
                                   ? "built anew"
                                   : "removed, searches are exact"));
  }
  return report;
}

}  // namespace roxanne::database
