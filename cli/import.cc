// roxanne import: bulk load in durable batches, the next one read while one is written; then the
// graph that makes searches fast.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/import_report.h"
#include "cli/import_source.h"
#include "cli/index_run.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/read_ahead.h"
#include "cli/row_message.h"

namespace roxanne::cli {
namespace {

// Vectors of one batch: enough to make the cost of a sync small. Under a small memory limit, a
// share of it.
constexpr uint64_t kBatchBytes = 12u << 20;
constexpr uint64_t kBatchBytesMin = 1u << 20;
constexpr uint64_t kMemoryShare = 16;

class ImportCommand final : public Command {
 public:
  std::string_view name() const override { return "import"; }
  std::string_view summary() const override {
    return "Load a file of vectors; makes database and collection where they are missing";
  }
  std::string_view examples() const override {
    return "  roxanne import photos.rox base.u8bin --metric l2\n"
           "  roxanne import docs.rox base.f16bin --metric ip --payload payload.jsonl.zst\n"
           "  roxanne import docs.rox base.fbin --keys names.txt --on-duplicate replace\n"
           "  roxanne import glove.rox glove.hdf5 --dataset train --metric cosine\n"
           "  producer | roxanne import docs.rox - --format jsonl --type f16\n"
           "\n"
           "Rows without keys are named by their row number, from 0. A batch is in as a whole or "
           "not\n"
           "at all; after Ctrl-C or a failure, what was acknowledged stays. A collection that is "
           "large\n"
           "enough gets an index at the end, where the memory limit allows.";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    app.add_option("FILE", source_.path, "file of vectors; - is standard input (jsonl)")
        ->required()
        ->type_name("");
    add_format(app, "--format", source_.reader.format, "of FILE, where its suffix does not tell");
    app.add_option("--dataset", source_.reader.dataset, "dataset of an hdf5 file")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--keys", source_.keys_path, "file with one key a line")->type_name("FILE");
    app.add_option("--payload", source_.payloads_path,
                   "file with one JSON object a line (.jsonl or .jsonl.zst)")
        ->type_name("FILE");
    add_on_duplicate(app);
    app.add_option("--limit", source_.row_limit, "import the first N rows only")->type_name("N");
    app.add_flag("--no-index", no_index_, "build no index at the end");
    add_bytes(app, "--serve-memory", serving_memory_bytes_,
              "build an index that a server with this --memory-limit can use");
    add_accelerator(app, accelerator_);
    add_metric(app, metric_, "of a new collection (default: l2)");
    add_scalar_type(app, type_, "of a new collection from jsonl (default: f32)");
    add_key_type(app, key_type_, "of a new collection (default: as the keys are)");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_threads(app, arguments_);
    add_durability(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override;

 private:
  void add_on_duplicate(CLI::App& app);
  void open();
  Collection open_or_create(Database& database, const eval::VectorFileInfo& info);
  void check_existing(const Collection& collection, const eval::VectorFileInfo& info) const;
  static std::optional<ImportBatch> next_batch(ReadAhead<ImportBatch>& reading);
  void load(const Collection& collection);
  void build_index(const Collection& collection);
  void write(const Collection& collection, const ImportBatch& batch);
  [[noreturn]] void fail(const Failure& failure);

  StoreArguments arguments_;
  ImportSourceOptions source_;
  std::optional<Metric> metric_;
  std::optional<ScalarType> type_;
  std::optional<KeyType> key_type_;

  std::optional<Database> database_;
  // Shared with the thread that reads ahead, which may outlive this where a pipe stays silent.
  std::shared_ptr<ImportSource> rows_;
  bool no_index_ = false;
  Accelerator accelerator_ = Accelerator::kAuto;
  uint64_t serving_memory_bytes_ = 0;
  bool made_collection_ = false;
  ImportTotals totals_;
};

void ImportCommand::add_on_duplicate(CLI::App& app) {
  const auto take_policy = [this](const std::string& value) {
    if (value == "error") source_.on_duplicate = OnDuplicate::kError;
    if (value == "replace") source_.on_duplicate = OnDuplicate::kReplace;
    if (value == "skip") source_.on_duplicate = OnDuplicate::kSkip;
    return value == "error" || value == "replace" || value == "skip";
  };
  add_choice(app, "--on-duplicate", "error|replace|skip", take_policy,
             "what to do with a key that is there already (default: error)");
}

int ImportCommand::run() {
  if (source_.path == "-" && (source_.keys_path == "-" || source_.payloads_path == "-")) {
    throw UsageError("only one of FILE, --keys and --payload can be standard input");
  }
  const uint64_t limit = arguments_.memory_limit_bytes;
  source_.batch_bytes =
      limit == 0 ? kBatchBytes : std::clamp(limit / kMemoryShare, kBatchBytesMin, kBatchBytes);
  require(accelerator_status(accelerator_));  // not after hours of loading
  catch_interrupts();
  open();
  const Collection collection = open_or_create(*database_, rows_->info());
  try {
    rows_->set_key_type(collection.options().key_type);
    load(collection);
    if (!no_index_ && !totals_.interrupted) build_index(collection);
    totals_.regime = take(collection.info()).regime;
    require(database_->close());
  } catch (const Failure& failure) {
    fail(failure);
  }
  report_import(totals_, arguments_.json);
  return totals_.interrupted || totals_.index.interrupted ? kExitFailure : kExitOk;
}

// Opens the database where it is there, then the files, and only then makes what is missing: a
// mistyped file name leaves nothing behind.
void ImportCommand::open() {
  bool exists = true;
  try {
    database_ = open_to_write(arguments_, false);
  } catch (const Failure& failure) {
    if (failure.status().code() != StatusCode::kNotFound) throw;
    exists = false;
  }
  source_.reader.jsonl_type = type_.value_or(ScalarType::kF32);
  if (exists) {
    const auto collection = database_->collection(arguments_.collection);
    if (collection.is_ok()) {
      source_.reader.jsonl_type = collection->options().type;
      source_.reader.dim = collection->options().dim;
    }
  }
  rows_ = std::make_shared<ImportSource>(source_);
  if (rows_->info().dim == 0) {
    throw Failure(Status::invalid_argument(source_.path + ": there is no vector in it"));
  }
  if (!exists) database_ = open_to_write(arguments_, true);
}

Collection ImportCommand::open_or_create(Database& database, const eval::VectorFileInfo& info) {
  auto existing = database.collection(arguments_.collection);
  if (existing.is_ok()) {
    check_existing(*existing, info);
    return std::move(existing).value();
  }
  if (existing.status().code() != StatusCode::kNotFound) throw Failure(existing.status());
  if (type_.has_value() && *type_ != info.type) {
    throw UsageError("--type " + std::string(scalar_type_name(*type_)) + ": " + source_.path +
                     " holds " + std::string(scalar_type_name(info.type)) +
                     "; \"roxanne convert\" makes a file of another type");
  }
  CollectionOptions options;
  options.dim = info.dim;
  options.type = info.type;
  options.metric = metric_.value_or(Metric::kL2);
  options.key_type = key_type_.value_or(rows_->natural_key_type());
  // Before there is a collection that would have to be taken away again.
  rows_->set_key_type(options.key_type);
  made_collection_ = true;
  return take(database.create_collection(arguments_.collection, options));
}

void ImportCommand::check_existing(const Collection& collection,
                                   const eval::VectorFileInfo& info) const {
  const CollectionOptions& options = collection.options();
  const auto refuse = [&](const std::string& what, std::string_view wanted, std::string_view has) {
    throw Failure(Status::invalid_argument("collection " + collection.name() + " has " + what +
                                           " " + std::string(has) + ", not " + std::string(wanted)),
                  "leave " + what + " out, or choose another collection with --collection");
  };
  if (metric_.has_value() && *metric_ != options.metric) {
    refuse("--metric", metric_name(*metric_), metric_name(options.metric));
  }
  if (type_.has_value() && *type_ != options.type) {
    refuse("--type", scalar_type_name(*type_), scalar_type_name(options.type));
  }
  if (key_type_.has_value() && *key_type_ != options.key_type) {
    refuse("--key-type", key_type_name(*key_type_), key_type_name(options.key_type));
  }
  if (info.type != options.type || info.dim != options.dim) {
    throw Failure(
        Status::invalid_argument(source_.path + " holds " + shape_text(info.dim, info.type) +
                                 " vectors; collection " + collection.name() + " holds " +
                                 shape_text(options.dim, options.type)),
        info.dim != options.dim
            ? "choose another collection with --collection"
            : "\"roxanne convert IN OUT --type T\" makes a file of another type");
  }
}

// Absent where the import was interrupted. A reader may fail by the same Ctrl-C: that is no
// failure.
std::optional<ImportBatch> ImportCommand::next_batch(ReadAhead<ImportBatch>& reading) {
  try {
    std::optional<ImportBatch> batch = reading.next(interrupted);
    if (!interrupted()) return batch;
  } catch (const Failure&) {
    if (!interrupted()) throw;
  }
  return std::nullopt;
}

void ImportCommand::load(const Collection& collection) {
  Progress progress("import", "rows");
  totals_.row_count = rows_->row_count();
  const uint64_t bytes_total = rows_->bytes_total();
  ReadAhead<ImportBatch> reading([rows = rows_] { return rows->next(); });  // from now on its own
  while (true) {
    const std::optional<ImportBatch> batch = next_batch(reading);
    if (!batch.has_value()) {
      totals_.interrupted = true;
      break;
    }
    if (batch->source_row_count == 0) break;
    reading.start();
    write(collection, *batch);
    progress.update(totals_.rows, fraction_done(totals_, bytes_total));
  }
  totals_.seconds = progress.seconds();
}

// What is in stays in, whatever becomes of the graph.
void ImportCommand::build_index(const Collection& collection) {
  IndexOptions options;
  options.serving_memory_bytes = serving_memory_bytes_;
  options.accelerator = accelerator_;
  totals_.index = run_index(collection, options);
}

void ImportCommand::write(const Collection& collection, const ImportBatch& batch) {
  UpsertOptions options;
  options.on_duplicate = source_.on_duplicate;
  options.payloads = batch.rows.batch.payloads;
  Collection target = collection;
  const auto counts = target.upsert(batch.rows.keys(), batch.rows.batch.view(), options);
  if (!counts.is_ok()) {
    const auto source_row = [&](uint64_t row) {
      return row < batch.rows.batch.rows ? batch.rows.source_row(row) : row;
    };
    const Status& status = counts.status();
    throw Failure(Status(status.code(), renumber_row(status.message(), source_row)));
  }
  totals_.rows += batch.source_row_count;
  totals_.bytes_read = batch.bytes_read;
  totals_.counts.inserted += counts->inserted;
  totals_.counts.replaced += counts->replaced;
  totals_.counts.skipped += counts->skipped;
  // As if the rows had come one by one.
  if (source_.on_duplicate == OnDuplicate::kReplace) totals_.counts.replaced += batch.dropped;
  if (source_.on_duplicate == OnDuplicate::kSkip) totals_.counts.skipped += batch.dropped;
}

// Closes the database and says what is in it. A collection made for an import that brought nothing
// is taken away, so that the next try may choose another type.
void ImportCommand::fail(const Failure& failure) {
  if (made_collection_ && totals_.rows == 0) {
    (void)database_->drop_collection(arguments_.collection);
  }
  (void)database_->close();  // the failure before it is the one to tell
  std::string advice = failure.advice();
  const StatusCode code = failure.status().code();
  if (advice.empty() && code == StatusCode::kAlreadyExists) {
    advice = "--on-duplicate replace overwrites, --on-duplicate skip keeps what is there";
  }
  if (advice.empty()) advice = advice_of(code);
  advice = kept_text(totals_) + (advice.empty() ? "" : "; ") + advice;
  throw Failure(failure.status(), advice);
}

}  // namespace

std::unique_ptr<Command> make_import_command() { return std::make_unique<ImportCommand>(); }

}  // namespace roxanne::cli
