#include "base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace roxanne::base {
namespace {

constexpr int kNiceness = 10;
// Linux (since 6.6) lets whoever runs go on for its slice, whatever its niceness, and searches that
// wake up would wait for its usual three milliseconds.
constexpr uint64_t kSliceNs = 100'000;

// As in <linux/sched/types.h>, which is not for C++ beside <sched.h>.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = kSliceNs;  // the slice, since Linux 6.12
  uint64_t deadline = 0;
  uint64_t period = 0;
};

id_t this_thread() { return static_cast<id_t>(syscall(SYS_gettid)); }

bool set_scheduling(uint32_t policy, int niceness) {
  const SchedulingAttributes attributes{.policy = policy, .nice = niceness};
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

thread_local bool t_in_background = false;

}  // namespace

void enter_background() {
  t_in_background = true;
  // Of SCHED_BATCH: what wakes up, from the disk, pushes nobody aside, and so no search.
  if (!set_scheduling(SCHED_BATCH, kNiceness))
    (void)setpriority(PRIO_PROCESS, this_thread(), kNiceness);
}

void take_short_turns() {
  (void)set_scheduling(SCHED_OTHER, getpriority(PRIO_PROCESS, this_thread()));
}

void give_way() {
  if (t_in_background) std::this_thread::yield();
}

bool in_background() { return t_in_background; }

}  // namespace roxanne::base
