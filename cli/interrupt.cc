#include "cli/interrupt.h"

#include <csignal>

#include <atomic>

namespace roxanne::cli {
namespace {

std::atomic<bool> caught{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void remember(int) { caught = true; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = remember;
  // One signal each: the second finds the default again, which ends the process.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return caught; }

}  // namespace roxanne::cli
