// roxanne convert: between file formats and scalar types.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/row_message.h"
#include "cli/units.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

constexpr size_t kStepRowsMax = 16384;

// The type a format holds; absent where it can hold several.
std::optional<ScalarType> type_of_format(eval::FileFormat format) {
  switch (format) {
    case eval::FileFormat::kU8bin:
    case eval::FileFormat::kBvecs:
      return ScalarType::kU8;
    case eval::FileFormat::kI8bin:
      return ScalarType::kI8;
    case eval::FileFormat::kFbin:
    case eval::FileFormat::kFvecs:
      return ScalarType::kF32;
    case eval::FileFormat::kF16bin:
      return ScalarType::kF16;
    case eval::FileFormat::kNpy:
    case eval::FileFormat::kHdf5:
    case eval::FileFormat::kJsonl:
      return std::nullopt;
  }
  return std::nullopt;
}

class ConvertCommand final : public Command {
 public:
  std::string_view name() const override { return "convert"; }
  std::string_view summary() const override {
    return "Turn a file of vectors into another format or scalar type";
  }
  std::string_view examples() const override {
    return "  roxanne convert base.fvecs base.fbin\n"
           "  roxanne convert base.fbin base.f16bin                # rounds to f16\n"
           "  roxanne convert glove.hdf5 query.npy --dataset test\n"
           "  roxanne convert base.npy small.jsonl --limit 100\n"
           "\n"
           "Numbers must fit the new type: whole and in range for u8 and i8, finite for f16.";
  }
  std::string subject() const override { return in_path_; }

  void declare(CLI::App& app) override {
    app.add_option("IN", in_path_, "file to read")->required()->type_name("");
    app.add_option("OUT", out_path_, "file to write")->required()->type_name("");
    add_scalar_type(app, type_, "of OUT (default: as its format says, else as IN)");
    add_format(app, "--format", reader_.format, "of IN, where its suffix does not tell");
    add_format(app, "--out-format", writer_.format, "of OUT, where its suffix does not tell");
    app.add_option("--dataset", reader_.dataset, "dataset of an hdf5 file IN")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--out-dataset", writer_.dataset, "dataset in an hdf5 file OUT")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--limit", row_limit_, "the first N rows only")->type_name("N");
    add_json(app, is_json_);
  }

  int run() override {
    catch_interrupts();
    if (is_json_ && out_path_ == "-") {
      throw UsageError("--json: standard output has the rows already");
    }
    const eval::FileFormat out_format =
        writer_.format.has_value() ? *writer_.format : take(eval::format_of_path(out_path_));
    const std::optional<ScalarType> fixed = type_of_format(out_format);
    if (type_.has_value() && fixed.has_value() && *type_ != *fixed) {
      throw UsageError(std::string(eval::file_format_name(out_format)) + " holds " +
                       std::string(scalar_type_name(*fixed)) + ", not " +
                       std::string(scalar_type_name(*type_)));
    }
    writer_.format = out_format;
    reader_.jsonl_type = type_.value_or(fixed.value_or(ScalarType::kF32));
    const auto reader = take(eval::open_vector_reader(in_path_, reader_));
    writer_.type = type_.value_or(fixed.value_or(reader->info().type));
    writer_.dim = reader->info().dim;
    Progress progress("convert", "rows");
    const uint64_t rows = convert(*reader, progress);
    if (is_json_) {
      json::Object object;
      object.add("rows", rows).add("dim", uint64_t{writer_.dim});
      object.add("type", std::string(scalar_type_name(writer_.type)));
      print_line(object.add("seconds", progress.seconds()).text());
      return kExitOk;
    }
    print_message("wrote " + out_path_ + ": " + format_count(rows) + " rows of " +
                  shape_text(writer_.dim, writer_.type) + " in " +
                  format_duration(progress.seconds()));
    return kExitOk;
  }

 private:
  uint64_t convert(eval::VectorReader& reader, Progress& progress) {
    const auto writer = take(eval::open_vector_writer(out_path_, writer_));
    const size_t row_bytes = writer_.dim * scalar_bytes(ScalarType::kF32);
    const size_t step = std::min(kStepRowsMax, rows_of_bytes(kStepBytes, row_bytes));
    uint64_t done = 0;
    eval::VectorBatch batch;
    while (done < row_limit_) {
      if (interrupted()) throw Failure(Status::cancelled("interrupted; no file was written"));
      require(reader.read(static_cast<size_t>(std::min<uint64_t>(step, row_limit_ - done)), batch));
      if (batch.rows == 0) break;
      if (batch.type == writer_.type) {
        require(writer->append(batch));
      } else {
        eval::VectorBatch converted;
        const Status status = eval::convert_batch(batch, writer_.type, converted);
        if (!status.is_ok()) {
          throw Failure(Status(status.code(),
                               in_path_ + ": " + renumber_row(status.message(), [&](uint64_t row) {
                                 return done + row;
                               })));
        }
        require(writer->append(converted));
      }
      done += batch.rows;
      progress.update(done, fraction_of(reader, done));
    }
    require(writer->finish());
    return done;
  }

  std::optional<double> fraction_of(const eval::VectorReader& reader, uint64_t done) const {
    const uint64_t rows = std::min(reader.info().rows.value_or(row_limit_), row_limit_);
    if (rows > 0 && rows < std::numeric_limits<uint64_t>::max()) {
      return static_cast<double>(done) / static_cast<double>(rows);
    }
    if (reader.bytes_total() == 0) return std::nullopt;
    return static_cast<double>(reader.bytes_done()) / static_cast<double>(reader.bytes_total());
  }

  std::string in_path_;
  std::string out_path_;
  std::optional<ScalarType> type_;
  eval::ReaderOptions reader_;
  eval::WriterOptions writer_;
  uint64_t row_limit_ = std::numeric_limits<uint64_t>::max();
  bool is_json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_convert_command() { return std::make_unique<ConvertCommand>(); }

}  // namespace roxanne::cli
