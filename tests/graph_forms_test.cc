// What holds of graphs in memory and of graphs on disk, through the public door.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <tuple>

#include "graph_fixture.h"

namespace roxanne {
namespace {

using testing_support::Answers;
using testing_support::answers_of;
using testing_support::checked_recall;
using testing_support::numbers;
using testing_support::regime_of;
using testing_support::Searchers;
using testing_support::SmallGraphTest;
using testing_support::TypeCase;

enum class Form : uint8_t { kResident, kDisk };

std::string name_of(Form form) { return form == Form::kResident ? "resident" : "disk"; }

// Of this form, even where little changed.
IndexOptions options_of(Form form) {
  IndexOptions options{.rebuild = true};
  if (form == Form::kDisk) options.serving_memory_bytes = 1;
  return options;
}

class GraphFormTest : public SmallGraphTest, public testing::WithParamInterface<Form> {
 protected:
  // The resident form uses as many threads as there are processors.
  GraphFormTest() : SmallGraphTest(GetParam() == Form::kResident ? 0 : 2) {}
};
INSTANTIATE_TEST_SUITE_P(All, GraphFormTest, testing::Values(Form::kResident, Form::kDisk),
                         [](const auto& test) { return name_of(test.param); });

class GraphFormTypeTest : public SmallGraphTest,
                          public testing::WithParamInterface<std::tuple<Form, TypeCase>> {};

TEST_P(GraphFormTypeTest, FindsWhatAnExactSearchFinds) {
  const auto [form, of] = GetParam();
  Collection collection = make(1500, {.dim = kDim, .type = of.type, .metric = of.metric});
  const Status built = collection.build_index(options_of(form));
  ASSERT_TRUE(built.is_ok()) << built.to_string();
  EXPECT_EQ(regime_of(collection), name_of(form));
  const MatrixView some = queries(40);
  EXPECT_GE(checked_recall(collection, some), kRecallMin);
  EXPECT_GE(checked_recall(collection, some, {.k = 10, .search_list_size = 160}), 0.98);
  add(collection, 1480, 50);
  EXPECT_GE(checked_recall(collection, some), kRecallMin);
  expect_sound();
}

INSTANTIATE_TEST_SUITE_P(All, GraphFormTypeTest,
                         testing::Combine(testing::Values(Form::kResident, Form::kDisk),
                                          testing::ValuesIn(testing_support::type_cases())),
                         [](const auto& test) {
                           return name_of(std::get<0>(test.param)) + "_" +
                                  testing_support::name_of(std::get<1>(test.param));
                         });

TEST_P(GraphFormTest, ABatchAnswersLikeItsQueriesOneByOne) {
  Collection collection = make(1500);
  ASSERT_TRUE(collection.build_index(options_of(GetParam())));
  for (int round = 0; round < 2; ++round) {
    const MatrixView some = queries(64);
    const Answers batch = answers_of(collection, some);
    ASSERT_EQ(batch.size(), some.rows());
    for (size_t q = 0; q < some.rows(); ++q) {
      EXPECT_EQ(answers_of(collection, some.slice(q, 1))[0], batch[q]);
      const auto one = collection.search(VectorView(some.type(), some.row(q), kDim));
      ASSERT_TRUE(one.is_ok()) << one.status().to_string();
      ASSERT_EQ(one->size(), batch[q].size());
      for (size_t i = 0; i < one->size(); ++i) {
        EXPECT_EQ((*one)[i].key, batch[q][i].first);
        EXPECT_EQ((*one)[i].distance, batch[q][i].second);
      }
    }
    add(collection, 7000, 40);  // the second round has a tail
  }
}

// The first searches find no graph, later ones meet those that take another's place.
TEST_P(GraphFormTest, SearchesGoOnWhileGraphsAreBuiltAndPointsChange) {
  constexpr int kBuildsMin = 3;  // the third is of the resident form
  Collection collection = make(800);
  Searchers searchers(collection, options_, 1000);
  std::atomic<bool> stop{false};
  std::atomic<int> builds{0};
  std::thread builder([&] {
    for (; !stop; ++builds) {
      const Form form = builds % 3 == 2 ? Form::kResident : GetParam();
      const Status built = collection.build_index(options_of(form));
      EXPECT_TRUE(built.is_ok()) << built.to_string();
    }
  });
  std::mt19937 random(77);
  for (int i = 0; i < 40 || builds < kBuildsMin; ++i) {
    EXPECT_TRUE(collection.erase(numbers(30, random() % 400)).is_ok());
    add(collection, random() % 900, 60);
  }
  stop = true;
  searchers.stop();
  builder.join();
  EXPECT_GE(recall(collection), kRecallMin);
  expect_sound();
}

// Random batches, builds, deletes and openings; every answer is checked against an exact search.
TEST_P(GraphFormTest, AgreesWithExactSearchThroughRandomChanges) {
  Collection collection = make(400);
  std::mt19937 random(11);
  for (int step = 0; step < 80; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    switch (random() % 9) {
      case 0:
        ASSERT_TRUE(collection.build_index(options_of(GetParam())));
        break;
      case 1:
        ASSERT_TRUE(collection.build_index());  // of the other form, where nothing changed since
        break;
      case 2:
        collection = reopen();
        break;
      case 3:
      case 4:
        ASSERT_TRUE(collection.erase(numbers(random() % 120, random() % 1000)).is_ok());
        break;
      default:
        add(collection, random() % 1000, 1 + random() % 100);
    }
    if (step % 4 == 0) {
      EXPECT_GE(recall(collection), kRecallMin);
    }
    if (step % 20 == 19) expect_sound();
  }
}

}  // namespace
}  // namespace roxanne
