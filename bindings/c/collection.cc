// roxanne/c.h: collections and what is written to them.
#include <algorithm>
#include <cstring>

#include "inputs.h"

namespace roxanne::c {
namespace {

Result<CollectionOptions> collection_options(const rox_collection_options* given) {
  auto read = read_options(given);
  if (!read) return read.status();
  auto type = read_enum(read->type, ScalarType::kI8, "scalar type");
  if (!type) return type.status();
  auto metric = read_enum(read->metric, Metric::kCosine, "metric");
  if (!metric) return metric.status();
  auto key_type = read_enum(read->key_type, KeyType::kString, "key type");
  if (!key_type) return key_type.status();
  if (Status status = read_reserved(read->reserved); !status) return status;
  return CollectionOptions{
      .dim = read->dim, .type = *type, .metric = *metric, .key_type = *key_type};
}

rox_collection_report report_of(const CollectionInfo& info) {
  rox_collection_report report{};
  report.dim = info.options.dim;
  report.type = static_cast<rox_scalar_type>(info.options.type);
  report.metric = static_cast<rox_metric>(info.options.metric);
  report.key_type = static_cast<rox_key_type>(info.options.key_type);
  report.points = info.points;
  report.indexed_points = info.index.points;
  report.unindexed_points = info.index.unindexed_points;
  report.bytes_on_disk = info.bytes_on_disk;
  report.bytes_in_memory = info.bytes_in_memory;
  std::memcpy(report.regime, info.regime.data(),
              std::min(info.regime.size(), sizeof(report.regime) - 1));
  return report;
}

}  // namespace
}  // namespace roxanne::c

using roxanne::Status;
using roxanne::c::give;
using roxanne::c::guarded;
using roxanne::c::Keys;
using roxanne::c::require;

extern "C" {

rox_status rox_collection_create(rox_database* database, const char* name,
                                 const rox_collection_options* options, rox_collection** collection,
                                 char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"},
                                 {name, "name"},
                                 {options, "options"},
                                 {collection, "collection"}});
        !status) {
      return status;
    }
    auto read = roxanne::c::collection_options(options);
    if (!read) return read.status();
    auto created = database->database.create_collection(name, *read);
    if (!created) return created.status();
    return give(collection, std::move(*created));
  });
}

rox_status rox_collection_open(rox_database* database, const char* name,
                               rox_collection** collection, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status =
            require({{database, "database"}, {name, "name"}, {collection, "collection"}});
        !status) {
      return status;
    }
    auto opened = database->database.collection(name);
    if (!opened) return opened.status();
    return give(collection, std::move(*opened));
  });
}

rox_status rox_collection_drop(rox_database* database, const char* name, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{database, "database"}, {name, "name"}}); !status) return status;
    return database->database.drop_collection(name);
  });
}

void rox_collection_free(rox_collection* collection) { delete collection; }

rox_status rox_collection_info(rox_collection* collection, rox_collection_report* info,
                               char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}, {info, "info"}}); !status)
      return status;
    const size_t size = info->struct_size;
    if (size < offsetof(rox_collection_report, points)) {
      return Status::invalid_argument("info: set struct_size to the sizeof of the structure");
    }
    auto found = collection->collection.info();
    if (!found) return found.status();
    rox_collection_report report = roxanne::c::report_of(*found);
    report.struct_size = size;
    std::memcpy(info, &report, std::min(size, sizeof(report)));
    return Status::ok();
  });
}

uint64_t rox_collection_size(const rox_collection* collection) {
  return collection == nullptr ? 0 : collection->collection.size();
}

rox_status rox_collection_upsert(rox_collection* collection, const rox_keys* keys,
                                 const rox_matrix* vectors, const rox_string* payloads,
                                 int32_t on_duplicate, rox_upsert_counts* counts, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}, {keys, "keys"}, {vectors, "vectors"}});
        !status) {
      return status;
    }
    auto read_keys = Keys::read(*keys);
    if (!read_keys) return read_keys.status();
    auto matrix = roxanne::c::read_matrix(*vectors);
    if (!matrix) return matrix.status();
    auto texts = roxanne::c::read_payloads(payloads, keys->count);
    if (!texts) return texts.status();
    auto duplicate =
        roxanne::c::read_enum(on_duplicate, roxanne::OnDuplicate::kSkip, "on_duplicate");
    if (!duplicate) return duplicate.status();
    auto done = collection->collection.upsert(read_keys->view(), *matrix,
                                              {.on_duplicate = *duplicate, .payloads = *texts});
    if (!done) return done.status();
    if (counts != nullptr) *counts = {done->inserted, done->replaced, done->skipped};
    return Status::ok();
  });
}

rox_status rox_collection_erase(rox_collection* collection, const rox_keys* keys, uint64_t* erased,
                                char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}, {keys, "keys"}}); !status)
      return status;
    auto read_keys = Keys::read(*keys);
    if (!read_keys) return read_keys.status();
    auto count = collection->collection.erase(read_keys->view());
    if (!count) return count.status();
    if (erased != nullptr) *erased = *count;
    return Status::ok();
  });
}

rox_status rox_collection_build_index(rox_collection* collection, rox_progress progress,
                                      void* context, char** message) {
  return guarded(message, [&]() -> Status {
    if (Status status = require({{collection, "collection"}}); !status) return status;
    roxanne::IndexOptions options;
    if (progress != nullptr) {
      options.progress = [=](std::string_view phase, double fraction) {
        return progress(std::string(phase).c_str(), fraction, context);
      };
    }
    return collection->collection.build_index(options);
  });
}

}  // extern "C"
