#include "server/work_queue.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>

namespace roxanne::server {
namespace {

class Call : public Job {
 public:
  explicit Call(std::function<void()> call) : call_(std::move(call)) {}
  void run() noexcept override { call_(); }

 private:
  std::function<void()> call_;
};

TEST(WorkQueue, IsBoundedButForWhatGoesFirst) {
  std::atomic<uint64_t> depth{0};
  std::vector<int> order;  // of the one thread
  std::promise<void> begun, go_on;
  {
    WorkQueue queue({.thread_count = 1, .jobs_max = 1, .depth = depth});
    const auto push = [&](int number, bool is_first) {
      auto job = std::make_shared<Call>([&order, number] { order.push_back(number); });
      return is_first ? queue.push_first(std::move(job)) : queue.push(std::move(job));
    };
    ASSERT_TRUE(queue.push(std::make_shared<Call>([&] {
      begun.set_value();
      go_on.get_future().wait();
    })));
    begun.get_future().wait();
    EXPECT_TRUE(push(1, false));
    EXPECT_FALSE(push(2, false));
    std::vector<int> firsts;
    for (int number = 3; push(number, true); ++number) firsts.push_back(number);
    EXPECT_EQ(firsts.size(), 8u);
    EXPECT_EQ(depth, 9u);
    go_on.set_value();
  }
  EXPECT_EQ(order, (std::vector<int>{3, 4, 5, 6, 7, 8, 9, 10, 1}));
  EXPECT_EQ(depth, 0u);
}

}  // namespace
}  // namespace roxanne::server
