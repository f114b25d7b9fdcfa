#include "open_database.h"

#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <algorithm>

namespace roxanne::python {
namespace {

std::atomic<unsigned> forks{0};
// Calls that this thread makes or waits for: a callback within one must not close a database.
thread_local unsigned uses_of_thread = 0;

// How often this process was forked, parents included, when its line opened its first database.
constexpr unsigned kNever = ~0u;
std::atomic<unsigned> forks_at_first_open{kNever};

bool is_child_of_opener() { return forks_at_first_open != kNever && forks_at_first_open != forks; }

// The libraries' own last acts wait for their threads, of which a forked child has none.
void leave_if_forked(int status, void*) {
  if (!is_child_of_opener()) return;
  std::fflush(nullptr);
  _exit(status);
}

void note_open() {
  unsigned never = kNever;
  // After the libraries' own acts at exit are known, so that this one comes first.
  if (forks_at_first_open.compare_exchange_strong(never, forks)) on_exit(leave_if_forked, nullptr);
}

void forget_everything(std::optional<Database>& database) {
  // Moved to where no destructor runs.
  if (database) new Database(std::move(*database));
  database.reset();
}

}  // namespace

void check_may_open() {
  if (!is_child_of_opener()) return;
  throw PlainError(
      "this process was forked from one that had opened a database; start it with "
      "multiprocessing's \"spawn\" or \"forkserver\", or fork before anything is opened");
}

void watch_forks() {
  pthread_atfork(nullptr, nullptr, [] { ++forks; });
}

WaitsForCall::WaitsForCall() { ++uses_of_thread; }
WaitsForCall::~WaitsForCall() { --uses_of_thread; }

OpenDatabase::OpenDatabase(Database database) : database_(std::move(database)), forks_(forks) {
  note_open();
}

OpenDatabase::~OpenDatabase() {
  if (was_forked()) forget_everything(database_);
}

bool OpenDatabase::was_forked() const { return forks_ != forks; }

void OpenDatabase::check_process() const {
  if (was_forked()) {
    throw PlainError(
        "this database was opened before the process was forked, and is the parent's; start "
        "processes with multiprocessing's \"spawn\" or \"forkserver\" and open it there");
  }
}

void OpenDatabase::check_open() const {
  if (is_closing_) throw PlainError("the database is closed");
}

OpenDatabase::Use::Use(OpenDatabase& owner) : owner_(owner) {
  owner.check_process();  // before the lock, which a thread of the parent may have held
  owner.check_open();
  lock_ = std::shared_lock(owner.mutex_);
  owner.check_open();
  ++uses_of_thread;
}

OpenDatabase::Use::~Use() { --uses_of_thread; }

void OpenDatabase::close() {
  check_process();
  if (uses_of_thread != 0) throw PlainError("close() within a callback of a running call");
  is_closing_ = true;
  const std::unique_lock lock(mutex_);
  if (!database_) return;
  for (const auto& weak : scans_) {
    if (const auto scan = weak.lock()) scan->scan.reset();
  }
  scans_.clear();
  const Status status = database_->close();
  database_.reset();
  require(status);
}

std::shared_ptr<OpenScan> OpenDatabase::keep(PointScan scan) {
  auto open = std::make_shared<OpenScan>();
  open->scan = std::move(scan);
  const std::lock_guard lock(scans_mutex_);
  std::erase_if(scans_, [](const auto& weak) { return weak.expired(); });
  scans_.push_back(open);
  return open;
}

void OpenDatabase::let_go(std::shared_ptr<OpenScan> scan) {
  const std::shared_lock lock(mutex_);
  scan.reset();
}

}  // namespace roxanne::python
