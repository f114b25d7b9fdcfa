// The whole of a server: listens, serves, and ends in good order.
#pragma once

#include <functional>
#include <memory>

#include "roxanne/database.h"
#include "server/config.h"

namespace roxanne::server {

class Server {
 public:
  // Checks the configuration, reads its files and listens. The database outlives the server.
  // kInvalidArgument, kNotFound (a file), kIoError (the address is taken, say).
  static Result<std::unique_ptr<Server>> start(Database& database, const Config& config);
  ~Server();

  // "127.0.0.1:8642": the port is the real one where 0 was asked for.
  std::string address() const;
  // Serves until SIGTERM, SIGINT or stop(): then /readyz says no, accepting ends, requests under
  // way are answered, and it returns. A second signal ends connections at once. Once.
  void run();
  // From any thread.
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace roxanne::server
