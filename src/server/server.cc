#include "server/server.h"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <optional>
#include <thread>
#include <vector>

#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "server/listener.h"
#include "server/quick_searches.h"
#include "server/transports.h"

namespace roxanne::server {
namespace {

using boost::system::error_code;
namespace asio = boost::asio;

constexpr auto kTick = std::chrono::milliseconds(100);

size_t thread_count(uint32_t count) { return count != 0 ? count : base::processor_count(); }

Status load_tls(const Config& config, asio::ssl::context& tls) {
  error_code error;
  tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1 | asio::ssl::context::single_dh_use,
                  error);
  tls.use_certificate_chain_file(config.tls_cert, error);
  if (error) {
    return Status::invalid_argument("tls-cert " + config.tls_cert + ": " + error.message());
  }
  tls.use_private_key_file(config.tls_key, asio::ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    return Status::invalid_argument("tls-key " + config.tls_key + ": " +
                                    (error ? error.message() : "not the certificate's"));
  }
  return Status::ok();
}

}  // namespace

class Server::Impl {
 public:
  Impl(Database& database, const Config& config, KeyRing keys, Hosts hosts)
      : config_(config),
        log_(config.log_level),
        tls_(asio::ssl::context::tls_server),
        app_({database, config_.limits, metrics_, quick_searches_, config.snapshot_folder,
              operations_},
             std::move(keys), std::move(hosts)),
        searches_({thread_count(config.search_threads), config.limits.search_queue_max,
                   metrics_.search_queue}),
        writes_({config.write_threads, config.limits.write_queue_max, metrics_.write_queue}),
        shared_{app_, config_.limits, metrics_, log_, searches_, writes_},
        signals_(main_io()),
        timer_(main_io()) {
    for (size_t i = 1; i < thread_count(config.io_threads); ++i) {
      contexts_.push_back(std::make_unique<asio::io_context>(1));
    }
  }

  Status listen(const Address& address) {
    const bool has_tls = !config_.tls_cert.empty();
    if (has_tls) ROX_RETURN_IF_ERROR(load_tls(config_, tls_));
    std::vector<asio::io_context*> contexts;
    for (const auto& context : contexts_) contexts.push_back(context.get());
    listener_.emplace(shared_, std::move(contexts), has_tls ? &tls_ : nullptr);
    return listener_->listen(address);
  }

  std::string address() const { return listener_->address(); }
  Log& log() { return log_; }

  void run() {
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    wait_for_signal();
    tick();
    listener_->accept();
    metrics_.is_ready = true;
    log_.write(LogLevel::kInfo, "ready", json::Object().add("address", address()));
    std::vector<std::thread> threads;
    for (size_t i = 1; i < contexts_.size(); ++i) {
      threads.emplace_back([this, i] {
        const auto work = asio::make_work_guard(*contexts_[i]);
        contexts_[i]->run();
      });
    }
    main_io().run();
    for (const auto& context : contexts_) context->stop();
    for (std::thread& thread : threads) thread.join();
    log_.write(LogLevel::kInfo, "stopped");
  }

  void stop() {
    asio::post(main_io(), [this] { begin_shutdown("stop"); });
  }

 private:
  asio::io_context& main_io() {
    if (contexts_.empty()) contexts_.push_back(std::make_unique<asio::io_context>(1));
    return *contexts_.front();
  }

  void wait_for_signal() {
    signals_.async_wait([this](const error_code& error, int signal) {
      if (error) return;
      begin_shutdown(signal == SIGTERM ? "SIGTERM" : "SIGINT");
      if (!has_ended_) wait_for_signal();
    });
  }

  void begin_shutdown(const char* why) {
    const auto now = Clock::now();
    const bool again = std::exchange(is_shutting_down_, true);
    log_.write(LogLevel::kInfo, again ? "hastening shutdown" : "shutting down",
               json::Object().add("reason", why));
    metrics_.is_ready = false;
    accepts_until_ = again ? now : now + std::chrono::milliseconds(config_.shutdown_delay_ms);
    drains_until_ =
        again ? now : accepts_until_ + std::chrono::milliseconds(config_.drain_timeout_ms);
    check_shutdown(now);
  }

  // Looks after what time brings about.
  void tick() {
    timer_.expires_after(kTick);
    timer_.async_wait([this](const error_code& error) {
      if (error) return;
      const auto now = Clock::now();
      listener_->for_each_session([now](Session& session) { session.expire(now); });
      if (is_shutting_down_) check_shutdown(now);
      if (!has_ended_) tick();
    });
  }

  void check_shutdown(Clock::time_point now) {
    if (now < accepts_until_) return;
    listener_->stop();
    shared_.is_draining = true;
    const bool is_late = now >= drains_until_;
    operations_.give_up = is_late;
    listener_->for_each_session([is_late](Session& session) { session.hasten(is_late); });
    // Those that a worker answers are waited for in any case: it holds them.
    if (metrics_.connections > 0) return;
    has_ended_ = true;
    timer_.cancel();
    signals_.cancel();
  }

  const Config config_;
  Metrics metrics_;
  QuickSearches quick_searches_;
  Operations operations_;
  Log log_;
  asio::ssl::context tls_;
  App app_;
  // Sessions are of these; they end before what they use does.
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  WorkQueue searches_;
  WorkQueue writes_;
  Shared shared_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::optional<Listener> listener_;
  bool is_shutting_down_ = false;
  bool has_ended_ = false;
  Clock::time_point accepts_until_, drains_until_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Database& database, const Config& config) {
  ROX_RETURN_IF_ERROR(check_config(config));
  ROX_ASSIGN_OR_RETURN(const Address address, parse_address(config.listen));
  KeyRing keys;
  if (!config.keys.empty()) {
    ROX_ASSIGN_OR_RETURN(keys, KeyRing::load(config.keys));
  }
  ROX_ASSIGN_OR_RETURN(Hosts hosts, answers_to(config));
  auto impl = std::make_unique<Impl>(database, config, std::move(keys), std::move(hosts));
  ROX_RETURN_IF_ERROR(impl->listen(address));
  if (const std::string warning = key_file_warning(config.keys); !warning.empty()) {
    impl->log().write(LogLevel::kWarning, "key file", json::Object().add("detail", warning));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::string Server::address() const { return impl_->address(); }
void Server::run() { impl_->run(); }
void Server::stop() { impl_->stop(); }

}  // namespace roxanne::server
