// POST /v1/collections/{collection}/search
#include <algorithm>

#include "base/status_macros.h"
#include "json/explanation_json.h"
#include "server/arguments.h"
#include "server/binary_body.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/quick_searches.h"

namespace roxanne::server {
namespace {

// What to look for: rows of `json_rows` or of the body itself, or a point's key.
struct Query {
  Rows json_rows;
  std::optional<MatrixView> rows;
  std::optional<Key> key;
  bool is_batch = false;
  bool is_explained = false;
  SearchOptions options;
  WithFields with;
};

constexpr size_t kShortKMax = 100;
constexpr size_t kShortListSizeMax = 200;

using Answers = std::vector<std::vector<Neighbor>>;

struct Numbers {
  std::optional<uint64_t> k, search_list_size;
};

Status check_limits(const Limits& limits, const Numbers& numbers, size_t queries, Query& query) {
  const uint64_t k = numbers.k.value_or(query.options.k);
  if (k < 1 || k > limits.search_k_max) {
    return Status::invalid_argument("k: " + std::to_string(k) + " is not in 1.." +
                                    std::to_string(limits.search_k_max) + " (--search-k-max)");
  }
  const uint64_t list_size = numbers.search_list_size.value_or(0);
  if (list_size > limits.search_list_size_max) {
    return Status::invalid_argument("search_list_size: " + std::to_string(list_size) +
                                    " is above " + std::to_string(limits.search_list_size_max) +
                                    " (--search-list-size-max)");
  }
  const bool with_fields = query.with.payload || query.with.vector;
  const size_t answers_max =
      with_fields ? limits.answers_with_fields_per_search_max : limits.answers_per_search_max;
  if (queries * k > answers_max) {
    return Status::invalid_argument(
        std::to_string(queries) + " queries with k " + std::to_string(k) + " may bring more than " +
        std::to_string(answers_max) + " answers" +
        (with_fields ? " with payloads or vectors (--answers-with-fields-per-search-max)"
                     : " (--answers-per-search-max)") +
        ": send several requests");
  }
  query.options.k = k;
  query.options.search_list_size = list_size;
  query.options.with_payload = query.with.payload;
  query.options.with_vector = query.with.vector;
  return Status::ok();
}

Status read_json_query(const Context& context, const Call& call, const CollectionOptions& shape,
                       Query& query) {
  const size_t count_max = context.limits.queries_per_search_max;
  query.json_rows = {.type = shape.type, .dim = shape.dim, .count_max = count_max};
  Rows one = {.type = shape.type, .dim = shape.dim, .count_max = 1};
  Numbers numbers;
  std::optional<bool> exact, explain;
  std::vector<std::string> with;
  const Member members[] = {{"vector", OneRow{&one}},
                            {"vectors", ManyRows{&query.json_rows}},
                            {"key", OneKey{shape.key_type, &query.key}},
                            {"k", &numbers.k},
                            {"search_list_size", &numbers.search_list_size},
                            {"exact", &exact},
                            {"explain", &explain},
                            {"with", &with}};
  ROX_RETURN_IF_ERROR(read_json_body(call.request.body, members));
  const bool has_many = query.json_rows.count > 0;
  if ((one.count > 0) + has_many + query.key.has_value() != 1) {
    return Status::invalid_argument("expected one of vector, vectors (not empty) and key");
  }
  query.is_batch = has_many;
  if (one.count > 0) query.json_rows = std::move(one);
  if (!query.key.has_value()) query.rows = query.json_rows.view();
  query.options.exact = exact.value_or(false);
  query.is_explained = explain.value_or(false);
  ROX_ASSIGN_OR_RETURN(query.with, parse_with(with));
  const size_t queries = std::max<size_t>(1, query.json_rows.count);
  return check_limits(context.limits, numbers, queries, query);
}

Status read_binary_query(const Context& context, const Call& call, const CollectionOptions& shape,
                         Query& query) {
  Parameters parameters(call);
  Numbers numbers;
  ROX_ASSIGN_OR_RETURN(numbers.k, parameters.number("k"));
  ROX_ASSIGN_OR_RETURN(numbers.search_list_size, parameters.number("search_list_size"));
  ROX_ASSIGN_OR_RETURN(query.options.exact, parameters.flag("exact"));
  ROX_ASSIGN_OR_RETURN(query.with, parameters.with({}));
  ROX_RETURN_IF_ERROR(parameters.check_rest());
  ROX_ASSIGN_OR_RETURN(
      query.rows, read_binary_queries(call.request.body, {shape.type, shape.dim, shape.key_type},
                                      context.limits.queries_per_search_max));
  query.is_batch = query.rows->rows() > 1;
  return check_limits(context.limits, numbers, query.rows->rows(), query);
}

// As far as it can be told beforehand.
bool is_short(const Query& query) {
  return !query.is_batch && !query.is_explained && !query.key.has_value() && !query.options.exact &&
         !query.with.payload && !query.with.vector && query.options.k <= kShortKMax &&
         query.options.search_list_size <= kShortListSizeMax;
}

Result<Answers> run(const Collection& collection, const Query& query) {
  if (query.is_batch) return collection.search(*query.rows, query.options);
  Answers answers;
  if (query.key.has_value()) {
    ROX_ASSIGN_OR_RETURN(answers.emplace_back(), collection.search_like(*query.key, query.options));
  } else {
    const MatrixView& rows = *query.rows;
    ROX_ASSIGN_OR_RETURN(
        answers.emplace_back(),
        collection.search(VectorView(rows.type(), rows.data(), rows.dim()), query.options));
  }
  return answers;
}

// As the command line's search --explain has it.
Result<std::string> explanation(const Collection& collection, const SearchStats& cost) {
  std::string regime = "exact";
  if (cost.search_list_size_used > 0) {
    ROX_ASSIGN_OR_RETURN(const CollectionInfo info, collection.info());
    regime = info.regime;
  }
  return json::explanation_json(cost, regime);
}

// `explained`: of all the queries; "" where it was not asked for.
std::string answers_json(const Answers& answers, const Query& query, const std::string& explained) {
  const std::string end = explained.empty() ? "}" : ",\"explain\":" + explained + "}";
  std::string body;
  if (!query.is_batch) {
    body = "{\"neighbors\":";
    append_neighbors(answers.front(), query.with, body);
    return body + end;
  }
  body = "{\"results\":[";
  for (size_t i = 0; i < answers.size(); ++i) {
    body += i == 0 ? "{\"neighbors\":" : ",{\"neighbors\":";
    append_neighbors(answers[i], query.with, body);
    body += '}';
  }
  return body + "]" + end;
}

}  // namespace

Response search_points(const Context& context, const Call& call) {
  const auto collection = context.database.collection(call.collection);
  if (!collection) return problem(collection.status());
  const CollectionOptions& shape = collection->options();
  Query query;
  const Status understood = call.has_binary_body ? read_binary_query(context, call, shape, query)
                                                 : read_json_query(context, call, shape, query);
  if (!understood) return problem(understood);
  if (call.wants_binary && (query.with.payload || query.with.vector || query.is_explained)) {
    return problem(ProblemCode::kNotAcceptable,
                   "payloads, vectors and what a search cost come in JSON answers only");
  }
  if (call.is_here && !is_short(query)) return {.status = kElsewhere};
  SearchStats cost;
  query.options.stats = &cost;
  if (!call.is_here) query.options.deadline = deadline_of(context.limits);
  const auto answers = run(*collection, query);
  if (!answers) return read_problem(answers.status(), context.limits);
  context.metrics.add_search(cost);
  if (is_short(query)) {
    context.quick_searches.note(call.collection, cost.latency_us, cost.distance_computations);
  }
  Response response;
  if (call.wants_binary) {
    response.content_type = kBinaryType;
    append_binary_answer(*answers, {query.options.k, shape.key_type}, response.body);
  } else {
    std::string explained;
    if (query.is_explained) {
      auto text = explanation(*collection, cost);
      if (!text) return problem(text.status());
      explained = std::move(text).value();
    }
    response.body = answers_json(*answers, query, explained);
  }
  return response;
}

}  // namespace roxanne::server
