// roxanne search: nearest neighbours of queries from a file, from standard input or of a point.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/key_text.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/query_source.h"
#include "cli/search_cost.h"
#include "json/explanation_json.h"
#include "json/json_object.h"

namespace roxanne::cli {
namespace {

// Answers held at a time: fewer where each may bring a payload or a vector.
constexpr size_t kAnswersPerCall = 1u << 18;
constexpr size_t kAnswersWithFieldsPerCall = 1u << 12;
// Elements of a vector that a person is shown.
constexpr size_t kShownElements = 8;

std::string vector_text(const Vector& vector) {
  std::string text = "[";
  for (size_t i = 0; i < std::min(vector.dim(), kShownElements); ++i) {
    if (i > 0) text += ' ';
    text += json::number(vector.at(i));
  }
  return text + (vector.dim() > kShownElements ? " ...]" : "]");
}

class SearchCommand final : public Command {
 public:
  std::string_view name() const override { return "search"; }
  std::string_view summary() const override { return "Find the nearest neighbours of queries"; }
  std::string_view examples() const override {
    return "  roxanne search photos.rox --query query.u8bin --k 10\n"
           "  roxanne search photos.rox --query query.u8bin --row 3 --k 5\n"
           "  roxanne search docs.rox --key 17 --with payload      # what is like point 17?\n"
           "  roxanne search docs.rox --query query.f16bin --json > answers.jsonl\n"
           "  echo '{\"vector\": [0.1, 0.2, 0.3]}' | roxanne search small.rox --query -\n"
           "  roxanne search photos.rox --query query.u8bin --row 3 --explain\n"
           "\n"
           "--explain searches the queries one by one and tells of each where its time went, on "
           "stderr\n"
           "or, with --json, as \"explain\" beside its neighbors: seed (choosing where to begin), "
           "walk\n"
           "(computing), read wait and result (keys, payloads, vectors). The first search loads "
           "the graph.";
  }
  std::string subject() const override { return arguments_.path; }
  void declare(CLI::App& app) override;
  int run() override;

 private:
  void search_queries(const Collection& collection);
  void search_key(const Collection& collection);
  void explain_queries(const Collection& collection, const MatrixView& queries,
                       uint64_t first_query) const;
  size_t queries_per_call() const;
  // An answer, and what it cost where that is to be told.
  struct Answer {
    uint64_t query;
    std::vector<Neighbor> neighbors;
    SearchStats cost = {};
    std::string regime = {};
  };
  void show(const Answer& answer) const;
  void show_json(const Answer& answer) const;
  void show_table(const Answer& answer) const;

  StoreArguments arguments_;
  QueryOptions queries_;
  std::optional<uint64_t> row_;
  std::optional<std::string> key_;
  SearchOptions search_;
  bool explain_ = false;
  WithFields with_;
};

void SearchCommand::declare(CLI::App& app) {
  add_database(app, arguments_);
  app.add_option("--query", queries_.path,
                 "file of query vectors; - is standard input, {\"vector\": [..]} or [..] a line")
      ->type_name("FILE");
  app.add_option("--key", key_, "search with the vector of this point, which is left out")
      ->type_name("KEY");
  app.add_option("--row", row_, "only this row of the query file, from 0")->type_name("N");
  app.add_option("--limit", queries_.row_limit, "only the first N queries")->type_name("N");
  add_format(app, "--format", queries_.format, "of the query file, where its suffix does not tell");
  app.add_option("--dataset", queries_.dataset, "dataset of an hdf5 query file")
      ->type_name("NAME")
      ->capture_default_str();
  add_count(app, "--k", search_.k, kSearchKMax, "neighbours a query")->capture_default_str();
  app.add_option("--search-list-size", search_.search_list_size,
                 "recall against work (default: chosen by the engine)")
      ->type_name("N");
  app.add_flag("--exact", search_.exact, "compare with every vector");
  app.add_flag("--explain", explain_, "tell what each search cost");
  add_with(app, with_, "what to bring along with key and distance");
  add_collection(app, arguments_);
  add_memory_limit(app, arguments_);
  add_threads(app, arguments_);
  add_json(app, arguments_.json);
}

int SearchCommand::run() {
  if (queries_.path.empty() == !key_.has_value()) {
    throw UsageError("give either --query FILE or --key KEY");
  }
  if (row_.has_value()) {
    queries_.skip_rows = *row_;
    queries_.row_limit = std::min<uint64_t>(queries_.row_limit, 1);
  }
  search_.with_payload = with_.payload;
  search_.with_vector = with_.vector;
  const Database database = open_to_read(arguments_);
  const Collection collection = open_collection(database, arguments_);
  if (key_.has_value()) {
    search_key(collection);
  } else {
    search_queries(collection);
  }
  return kExitOk;
}

size_t SearchCommand::queries_per_call() const {
  if (queries_.path == "-") return 1;  // each is answered as it comes
  const size_t answers =
      with_.payload || with_.vector ? kAnswersWithFieldsPerCall : kAnswersPerCall;
  return std::clamp<size_t>(answers / search_.k, 1, kQueriesPerCall);
}

void SearchCommand::search_queries(const Collection& collection) {
  const auto source = open_queries(queries_, {collection.options().type, collection.options().dim});
  uint64_t query = queries_.skip_rows;
  eval::VectorBatch batch;
  while (true) {
    source->next(queries_per_call(), batch);
    if (batch.rows == 0) break;
    if (explain_) {
      explain_queries(collection, batch.view(), query);
      query += batch.rows;
    } else {
      auto answers = take(collection.search(batch.view(), search_));
      for (auto& neighbors : answers) show({query++, std::move(neighbors)});
    }
    flush_output();
  }
  if (query == queries_.skip_rows && row_.has_value()) {
    throw Failure(
        Status::invalid_argument(queries_.path + ": there is no row " + std::to_string(*row_)));
  }
}

// One by one, so that the cost is each one's own.
void SearchCommand::explain_queries(const Collection& collection, const MatrixView& queries,
                                    uint64_t first_query) const {
  for (size_t row = 0; row < queries.rows(); ++row) {
    Answer answer{.query = first_query + row, .neighbors = {}};
    SearchOptions options = search_;
    options.stats = &answer.cost;
    const VectorView query(queries.type(), queries.row(row), queries.dim());
    answer.neighbors = take(collection.search(query, options));
    answer.regime = searched_regime(collection, answer.cost);
    show(answer);
  }
}

void SearchCommand::search_key(const Collection& collection) {
  const KeyType type = collection.options().key_type;
  const auto key = base::parse_key(type, *key_);
  if (!key) throw UsageError(key.status().message());
  Answer answer{.query = 0, .neighbors = {}};
  SearchOptions options = search_;
  if (explain_) options.stats = &answer.cost;
  answer.neighbors = take(collection.search_like(*key, options));
  if (explain_) answer.regime = searched_regime(collection, answer.cost);
  show(answer);
}

void SearchCommand::show(const Answer& answer) const {
  if (arguments_.json) {
    show_json(answer);
    return;
  }
  show_table(answer);
  if (!explain_) return;
  flush_output();  // the answer first, where both go to one place
  for (const std::string& line : explanation_lines(answer.cost, answer.regime)) {
    print_message(line);
  }
}

void SearchCommand::show_json(const Answer& answer) const {
  std::vector<std::string> items;
  for (const Neighbor& neighbor : answer.neighbors) {
    json::Object item;
    item.raw("key", json::key_text(neighbor.key)).add("distance", neighbor.distance);
    if (with_.payload) {
      item.raw("payload",
               neighbor.payload.has_value() ? json::payload_text(*neighbor.payload) : "null");
    }
    if (neighbor.vector.has_value()) item.raw("vector", json::vector_text(neighbor.vector->view()));
    items.push_back(item.text());
  }
  json::Object object;
  object.add("query", answer.query).raw("neighbors", json::list(items));
  if (explain_) object.raw("explain", json::explanation_json(answer.cost, answer.regime));
  print_line(object.text());
}

void SearchCommand::show_table(const Answer& answer) const {
  const std::vector<Neighbor>& neighbors = answer.neighbors;
  if (key_.has_value()) {
    print_line("like " + one_line(*key_, 60));
  } else {
    print_line("query " + std::to_string(answer.query));
  }
  if (neighbors.empty()) print_line("  nothing found");
  std::vector<Table::Align> columns(3, Table::Align::kRight);
  columns.insert(columns.end(), 2, Table::Align::kLeft);
  Table table(columns);
  // Terminals get what fits on a line, pipes everything.
  const size_t shown =
      stdout_is_terminal() ? std::max<size_t>(20, terminal_columns(80) - 40) : 1u << 20;
  for (size_t rank = 0; rank < neighbors.size(); ++rank) {
    const Neighbor& neighbor = neighbors[rank];
    table.add_row({std::to_string(rank + 1), one_line(neighbor.key.to_string(), 60),
                   json::number(neighbor.distance),
                   neighbor.vector.has_value() ? vector_text(*neighbor.vector) : "",
                   one_line(neighbor.payload.value_or(""), shown)});
  }
  table.print("  ");
}

}  // namespace

std::unique_ptr<Command> make_search_command() { return std::make_unique<SearchCommand>(); }

}  // namespace roxanne::cli
