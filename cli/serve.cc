// roxanne serve: the HTTP server.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/config_file.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "server/server.h"

namespace roxanne::cli {
namespace {

class ServeCommand final : public Command {
 public:
  std::string_view name() const override { return "serve"; }
  std::string_view summary() const override { return "Serve a database over HTTP"; }
  std::string_view examples() const override {
    return "  roxanne serve photos.rox                                # on 127.0.0.1:8642\n"
           "  roxanne serve photos.rox --listen 0.0.0.0:8642 --keys keys.txt \\\n"
           "      --tls-cert cert.pem --tls-key key.pem\n"
           "  roxanne serve photos.rox --config serve.toml\n"
           "  curl http://127.0.0.1:8642/v1/collections\n"
           "\n"
           "An option is taken from the command line, else from the environment (--body-bytes-max "
           "is\n"
           "ROXANNE_BODY_BYTES_MAX), else from the file that --config names, lines like\n"
           "body-bytes-max = 1000000. The key file has lines like \"read-write KEY\" and "
           "\"read-only KEY\".\n"
           "SIGTERM ends the server in good order: requests under way are answered, everything is "
           "on disk.\n"
           "docs/http_api.md describes the routes; so does /openapi.json.";
  }
  std::string subject() const override { return arguments_.path; }
  void declare(CLI::App& app) override;
  int run() override;

 private:
  void declare_access(CLI::App& app);
  void declare_threads(CLI::App& app);
  void declare_limits(CLI::App& app);
  void declare_times(CLI::App& app);
  void fit_memory_limit();

  StoreArguments arguments_;
  server::Config config_;
  std::string config_path_;
  bool read_only_ = false;
  bool create_ = false;
  CLI::Option* body_option_ = nullptr;
  CLI::Option* bodies_option_ = nullptr;
  CLI::Option* answers_option_ = nullptr;
};

void ServeCommand::declare(CLI::App& app) {
  add_database(app, arguments_);
  declare_access(app);
  add_memory_limit(app, arguments_);
  add_durability(app, arguments_);
  app.add_flag("--read-only", read_only_, "take no writes; another process may write");
  app.add_flag("--create", create_, "make the database where there is none");
  app.add_option("--snapshot-folder", config_.snapshot_folder, "where POST /v1/snapshots puts them")
      ->type_name("FOLDER");
  declare_threads(app);
  declare_limits(app);
  declare_times(app);
  const auto take_level = [this](const std::string& value) {
    const auto level = server::parse_log_level(value);
    config_.log_level = level.value_or(config_.log_level);
    return level.has_value();
  };
  add_choice(app, "--log-level", "debug|info|warning|error|off", take_level,
             "debug tells of every request");
  add_environment(app, "ROXANNE_");
  add_config_file(app, config_path_);
}

void ServeCommand::declare_access(CLI::App& app) {
  app.add_option("--listen", config_.listen, "where to serve")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  app.add_option("--keys", config_.keys, "file of keys that clients must have")->type_name("FILE");
  app.add_option("--allowed-hosts", config_.allowed_hosts,
                 "answer to these in Host too; without keys only the machine's own are")
      ->type_name("NAME,NAME");
  app.add_option("--tls-cert", config_.tls_cert, "certificate chain")->type_name("PEM");
  app.add_option("--tls-key", config_.tls_key, "its private key")->type_name("PEM");
  app.add_flag("--allow-insecure", config_.allow_insecure,
               "let others reach it without keys or TLS");
}

void ServeCommand::declare_threads(CLI::App& app) {
  add_threads(app, arguments_);
  add_count(app, "--io-threads", config_.io_threads, kThreadsMax,
            "serve sockets, and search what is short (default: one a processor)");
  add_count(app, "--search-threads", config_.search_threads, kThreadsMax,
            "requests searched at once (default: one a processor)");
  add_count(app, "--write-threads", config_.write_threads, kThreadsMax, "requests written at once")
      ->capture_default_str();
}

void ServeCommand::declare_limits(CLI::App& app) {
  server::Limits& limits = config_.limits;
  const auto add = [&](const char* flag, auto& out, const char* help) {
    return app.add_option(flag, out, help)->type_name("N")->capture_default_str();
  };
  add("--header-bytes-max", limits.header_bytes_max, "of a request's header");
  // These three: less within a small --memory-limit, unless they are given.
  body_option_ = add("--body-bytes-max", limits.body_bytes_max,
                     "of a request's body (less within a small --memory-limit)");
  bodies_option_ = add("--body-bytes-in-flight-max", limits.body_bytes_in_flight_max,
                       "of all bodies at a time (at most an eighth of --memory-limit)");
  answers_option_ =
      add("--answer-bytes-in-flight-max", limits.answer_bytes_in_flight_max,
          "of all answers that are not sent yet (at most an eighth of --memory-limit)");
  add("--points-per-batch-max", limits.points_per_batch_max, "of an upsert; keys of a delete");
  add("--queries-per-search-max", limits.queries_per_search_max, "of one request");
  add("--search-k-max", limits.search_k_max, "neighbours a query");
  add("--search-list-size-max", limits.search_list_size_max, "of a search");
  add("--answers-per-search-max", limits.answers_per_search_max, "queries times k");
  add("--answers-with-fields-per-search-max", limits.answers_with_fields_per_search_max,
      "the same with payloads or vectors");
  add("--scroll-points-max", limits.scroll_points_max, "points a page");
  add("--gzip-answer-bytes-min", limits.gzip_answer_bytes_min,
      "answers from so many bytes on are compressed for who accepts gzip");
  add("--connections-max", limits.connections_max, "open at a time");
  add("--connections-per-address-max", limits.connections_per_address_max, "of one client");
  add("--search-queue-max", limits.search_queue_max, "requests that wait to search");
  add("--write-queue-max", limits.write_queue_max, "requests that wait to write");
}

void ServeCommand::declare_times(CLI::App& app) {
  server::Limits& limits = config_.limits;
  const auto add = [&](const char* flag, uint32_t& out, const char* help) {
    app.add_option(flag, out, help)->type_name("MS")->capture_default_str();
  };
  add("--read-timeout-ms", limits.read_timeout_ms, "for a request to arrive");
  add("--idle-timeout-ms", limits.idle_timeout_ms, "between requests of a connection");
  add("--write-timeout-ms", limits.write_timeout_ms, "for a client to take its answer");
  add("--queue-timeout-ms", limits.queue_timeout_ms, "a request may wait for a thread");
  add("--search-timeout-ms", limits.search_timeout_ms,
      "for a search, a scroll or a get, once begun");
  add("--shutdown-delay-ms", config_.shutdown_delay_ms,
      "at SIGTERM: /readyz says no so long before connections are refused");
  add("--drain-timeout-ms", config_.drain_timeout_ms, "then, for requests under way");
}

// Within a small limit clients must not make the server hold more than the database does. A body
// may be packed: it counts as it comes, and unpacked.
void ServeCommand::fit_memory_limit() {
  constexpr uint64_t kShare = 8;
  constexpr uint64_t kBodies = 4;
  if (arguments_.memory_limit_bytes == 0) return;  // half of the machine's is left then
  const uint64_t most = arguments_.memory_limit_bytes / kShare;
  const auto fit = [](const CLI::Option& option, uint64_t& bytes, uint64_t bytes_max) {
    if (option.count() == 0) bytes = std::min(bytes, bytes_max);
  };
  server::Limits& limits = config_.limits;
  fit(*answers_option_, limits.answer_bytes_in_flight_max, most);
  // Where the one is given the other makes room for it.
  const uint64_t one_body = body_option_->count() > 0 ? kBodies * limits.body_bytes_max : 0;
  fit(*bodies_option_, limits.body_bytes_in_flight_max, std::max(most, one_body));
  fit(*body_option_, limits.body_bytes_max,
      std::min(most, limits.body_bytes_in_flight_max) / kBodies);
}

// As many as the system lets this process have: a connection each, and the database's files.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int ServeCommand::run() {
  fit_memory_limit();
  if (const Status checked = server::check_config(config_); !checked) {
    throw UsageError(checked.message());
  }
  raise_descriptor_limit();
  // Whoever read the log may be gone: that is no reason to end.
  std::signal(SIGPIPE, SIG_IGN);
  Database database = open_to_serve(arguments_, {.read_only = read_only_, .create = create_});
  {
    const auto server = take(server::Server::start(database, config_));
    print_message("roxanne: serving " + arguments_.path + " on " + server->address());
    server->run();
  }
  require(database.close());
  return kExitOk;
}

}  // namespace

std::unique_ptr<Command> make_serve_command() { return std::make_unique<ServeCommand>(); }

}  // namespace roxanne::cli
