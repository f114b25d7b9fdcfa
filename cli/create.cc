// roxanne create: a new collection, and the database where there is none.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

class CreateCommand final : public Command {
 public:
  std::string_view name() const override { return "create"; }
  std::string_view summary() const override {
    return "Make an empty collection, and the database where there is none";
  }
  std::string_view examples() const override {
    return "  roxanne create photos.rox --dim 128 --type u8 --metric l2\n"
           "  roxanne create docs.rox --dim 384 --type f16 --metric cosine --key-type string\n"
           "  roxanne create docs.rox --collection titles --dim 384";
  }
  std::string subject() const override { return arguments_.path; }

  void declare(CLI::App& app) override {
    add_database(app, arguments_);
    add_count(app, "--dim", options_.dim, kDimMax, "dimension: numbers in a vector")->required();
    add_scalar_type(app, type_, "scalar type (default: f32)");
    add_metric(app, metric_, "what near means (default: l2)");
    add_key_type(app, key_type_, "what points are named by (default: u64)");
    add_collection(app, arguments_);
    add_memory_limit(app, arguments_);
    add_json(app, arguments_.json);
  }

  int run() override {
    options_.type = type_.value_or(options_.type);
    options_.metric = metric_.value_or(options_.metric);
    options_.key_type = key_type_.value_or(options_.key_type);
    Database database = open_to_write(arguments_, true);
    const auto collection = database.create_collection(arguments_.collection, options_);
    if (collection.status().code() == StatusCode::kAlreadyExists) {
      throw Failure(collection.status(), "choose another name with --collection");
    }
    require(collection.status());
    require(database.close());
    report();
    return 0;
  }

 private:
  void report() const {
    const std::string type(scalar_type_name(options_.type));
    const std::string metric(metric_name(options_.metric));
    const std::string key_type(key_type_name(options_.key_type));
    if (arguments_.json) {
      json::Object object;
      object.add("name", arguments_.collection).add("dim", uint64_t{options_.dim});
      object.add("type", type).add("metric", metric).add("key_type", key_type);
      print_line(object.text());
    } else {
      print_message("made collection " + arguments_.collection + ": " +
                    shape_text(options_.dim, options_.type) + ", " + metric + ", " + key_type +
                    " keys");
    }
  }

  StoreArguments arguments_;
  CollectionOptions options_;
  std::optional<ScalarType> type_;
  std::optional<Metric> metric_;
  std::optional<KeyType> key_type_;
};

}  // namespace

std::unique_ptr<Command> make_create_command() { return std::make_unique<CreateCommand>(); }

}  // namespace roxanne::cli
