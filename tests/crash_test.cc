// Power cuts and failing disks: the whole engine, RocksDB included, on the simulated file system.
//
// One script of public operations runs again and again. Each run is cut off at another change that
// it makes to the file system (every write, sync, rename ...); what a power cut may leave is left,
// the database is opened again and must show what was acknowledged, or additionally the one
// operation in flight, whole. A second script builds graphs over changing points, a third such as
// serve from disk, a fourth changes one in place: what is found must be there, at its true
// distance. Numbered invariants:
// docs/durability.md (D1-D8).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "roxanne/roxanne.h"
#include "storage/simulated_file_system.h"
#include "storage/small_file.h"
#include "storage/test_fault_places.h"

namespace roxanne {
namespace {

using storage::Fault;
using storage::kPlacesApart;
using storage::Operation;
using storage::PowerCutPolicy;
using storage::SimulatedFileSystem;

constexpr const char* kPath = "/db.rox";
constexpr size_t kSmallDim = 16;
constexpr uint64_t kGraphPointsMin = 20;
constexpr size_t kLargeDim = 1024;  // f32: 300 rows go beyond what redo records are used for

struct StoredPoint {
  std::vector<std::byte> vector;
  std::string payload;
  bool operator==(const StoredPoint&) const = default;
};
// What should be in the database: per collection, its points by key.
using State = std::map<std::string, std::map<Key, StoredPoint>>;

struct World {
  SimulatedFileSystem* file_system;
  Durability durability;
  std::optional<Database> database;
  uint64_t memory_limit_bytes = 128u << 20;  // builds no disk form beside a resident one
  uint64_t taken_in = 0;                     // changes that graphs took in place
};

struct Step {
  std::string name;
  std::function<Status(World&)> run;
  std::function<void(State&)> expect;
  bool makes_durable = false;  // at weaker levels: all before it is durable when it returns
};

Status open_world(World& world) {
  auto database = Database::open(kPath, {.create_if_missing = true,
                                         .durability = world.durability,
                                         .memory_limit_bytes = world.memory_limit_bytes,
                                         .thread_count = 1,
                                         .automatic_index = false,
                                         .index_points_min = kGraphPointsMin,
                                         .file_system = world.file_system});
  if (!database.is_ok()) return database.status();
  world.database.emplace(std::move(database).value());
  return Status::ok();
}

std::vector<std::byte> vector_bytes(size_t bytes, uint64_t key, uint64_t version, bool is_float) {
  std::vector<std::byte> out(bytes);
  // No order in them that would tear a small graph apart.
  for (size_t i = 0; i < bytes; ++i) {
    const uint64_t mixed = (key * 977 + version * 7919 + i + 1) * 0x9e3779b97f4a7c15ull;
    out[i] = std::byte((mixed >> 40) % 60);
  }
  if (is_float) {
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
      const float value = static_cast<float>((key * 31 + version * 7 + i) % 1000);
      std::memcpy(out.data() + i, &value, 4);
    }
  }
  return out;
}

Step create(const std::string& name, CollectionOptions options) {
  return {"create " + name,
          [=](World& world) { return world.database->create_collection(name, options).status(); },
          [=](State& state) { state[name]; }};
}

struct Batch {
  std::string collection;
  std::vector<uint64_t> keys;
  uint64_t version;
  size_t row_bytes = kSmallDim;
  ScalarType type = ScalarType::kU8;
  bool string_keys = false;
  bool payloads = false;
};

Key key_of(const Batch& batch, uint64_t key) {
  return batch.string_keys ? Key("key " + std::to_string(key)) : Key(key);
}

Step upsert(const Batch& batch) {
  const bool is_float = batch.type == ScalarType::kF32;
  const auto payload = [batch](uint64_t key) {
    return batch.payloads ? "{\"key\":" + std::to_string(key) +
                                ",\"version\":" + std::to_string(batch.version) + "}"
                          : std::string();
  };
  return {"upsert " + std::to_string(batch.keys.size()) + " into " + batch.collection,
          [=](World& world) {
            auto collection = world.database->collection(batch.collection);
            if (!collection.is_ok()) return collection.status();
            std::vector<std::byte> rows;
            std::vector<std::string> words, payloads;
            for (const uint64_t key : batch.keys) {
              const auto row = vector_bytes(batch.row_bytes, key, batch.version, is_float);
              rows.insert(rows.end(), row.begin(), row.end());
              words.push_back("key " + std::to_string(key));
              payloads.push_back(payload(key));
            }
            const KeysView keys = batch.string_keys ? KeysView(words) : KeysView(batch.keys);
            return collection
                ->upsert(keys,
                         MatrixView(batch.type, rows.data(), batch.keys.size(),
                                    batch.row_bytes / scalar_bytes(batch.type)),
                         {.payloads = payloads})
                .status();
          },
          [=](State& state) {
            for (const uint64_t key : batch.keys) {
              state[batch.collection][key_of(batch, key)] = {
                  vector_bytes(batch.row_bytes, key, batch.version, is_float), payload(key)};
            }
          }};
}

Step erase(const Batch& batch) {
  return {"erase " + std::to_string(batch.keys.size()) + " from " + batch.collection,
          [=](World& world) {
            auto collection = world.database->collection(batch.collection);
            if (!collection.is_ok()) return collection.status();
            std::vector<std::string> words;
            for (const uint64_t key : batch.keys) words.push_back("key " + std::to_string(key));
            return collection->erase(batch.string_keys ? KeysView(words) : KeysView(batch.keys))
                .status();
          },
          [=](State& state) {
            for (const uint64_t key : batch.keys) state[batch.collection].erase(key_of(batch, key));
          }};
}

Step drop(const std::string& name) {
  return {"drop " + name, [=](World& world) { return world.database->drop_collection(name); },
          [=](State& state) { state.erase(name); }};
}

Step flush() {
  return {"flush", [](World& world) { return world.database->flush(); }, [](State&) {}, true};
}

Step close_and_open() {
  return {"close and open",
          [](World& world) {
            const Status closed = world.database->close();
            world.database.reset();
            return closed.is_ok() ? open_world(world) : closed;
          },
          [](State&) {}, true};
}

Step build_index(const std::string& name, const IndexOptions& options = {}) {
  return {"build index of " + name,
          [=](World& world) {
            auto collection = world.database->collection(name);
            if (!collection.is_ok()) return collection.status();
            return collection->build_index(options);
          },
          [](State&) {}, true};
}

const IndexOptions kRebuild = {.rebuild = true};
// On disk alone: there is no memory for another form.
const IndexOptions kOnDisk = {.rebuild = true, .serving_memory_bytes = 1};

// Loads the graph, where there is one: slots that only the graph's end kept back are free then.
Step search(const std::string& name) {
  return {"search " + name,
          [=](World& world) {
            auto collection = world.database->collection(name);
            if (!collection.is_ok()) return collection.status();
            const std::vector<uint8_t> query(kSmallDim, 7);
            return collection->search(VectorView::u8(query)).status();
          },
          [](State&) {}};
}

// As if an earlier release had made the folder.
Step become_format_1() {
  return {"become format 1",
          [](World& world) {
            Status status = world.database->close();
            world.database.reset();
            if (status.is_ok()) {
              status = storage::replace_file(*world.file_system, kPath, "FORMAT",
                                             "roxanne database, format 1\n");
            }
            return status.is_ok() ? open_world(world) : status;
          },
          [](State&) {}, true};
}

std::vector<uint64_t> range(uint64_t first, uint64_t count) {
  std::vector<uint64_t> keys;
  for (uint64_t i = 0; i < count; ++i) keys.push_back(first + i);
  return keys;
}

// Every public operation that writes, on both commit paths, with slots being used again.
std::vector<Step> make_script() {
  const Batch wide{"wide", range(0, 300), 1, kLargeDim * 4, ScalarType::kF32};
  Batch wide_again = wide;
  wide_again.keys = range(100, 300);
  wide_again.version = 2;
  return {
      {"open", open_world, [](State&) {}, true},
      create("small", {.dim = kSmallDim, .type = ScalarType::kU8}),
      upsert({.collection = "small", .keys = range(0, 10), .version = 1, .payloads = true}),
      upsert({.collection = "small", .keys = range(5, 10), .version = 2}),
      erase({.collection = "small", .keys = {1, 2, 7, 99}}),
      create("words", {.dim = kSmallDim, .type = ScalarType::kU8, .key_type = KeyType::kString}),
      upsert({.collection = "words", .keys = range(0, 5), .version = 1, .string_keys = true}),
      upsert({.collection = "words",
              .keys = range(3, 5),
              .version = 2,
              .string_keys = true,
              .payloads = true}),
      flush(),
      create("wide", {.dim = kLargeDim, .type = ScalarType::kF32}),
      upsert({.collection = "wide",
              .keys = range(0, 3),
              .version = 0,
              .row_bytes = kLargeDim * 4,
              .type = ScalarType::kF32}),
      upsert(wide),
      erase({.collection = "wide", .keys = range(0, 150)}),
      upsert({.collection = "small", .keys = range(20, 3), .version = 3}),
      // Into slots that the erase freed: the redo records of before must not undo this.
      upsert(wide_again),
      close_and_open(),
      upsert({.collection = "small", .keys = range(0, 4), .version = 4, .payloads = true}),
      erase({.collection = "words", .keys = {3}, .version = 0, .string_keys = true}),
      drop("wide"),
      upsert({.collection = "words", .keys = range(7, 2), .version = 5, .string_keys = true}),
      close_and_open(),
  };
}

// Graphs built, changed under, replaced, opened again and dropped.
std::vector<Step> make_graph_script() {
  const Batch words{.collection = "words", .keys = range(0, 30), .version = 1, .string_keys = true};
  Batch words_again = words;
  words_again.keys = range(20, 20);
  words_again.version = 2;
  return {
      {"open", open_world, [](State&) {}, true},
      create("small", {.dim = kSmallDim, .type = ScalarType::kU8}),
      upsert({.collection = "small", .keys = range(0, 40), .version = 1, .payloads = true}),
      become_format_1(),
      build_index("small"),
      upsert({.collection = "small", .keys = range(10, 15), .version = 2}),
      erase({.collection = "small", .keys = range(0, 8)}),
      upsert({.collection = "small", .keys = range(60, 12), .version = 3}),
      build_index("small", kRebuild),
      // Into slots that the first graph named and the second does not.
      upsert({.collection = "small", .keys = range(80, 15), .version = 4}),
      close_and_open(),
      // The graph is not loaded: none of its slots may be written.
      erase({.collection = "small", .keys = range(10, 8)}),
      upsert({.collection = "small", .keys = range(100, 10), .version = 5}),
      upsert({.collection = "small", .keys = range(100, 10), .version = 6}),
      search("small"),
      upsert({.collection = "small", .keys = range(110, 10), .version = 7}),
      create("words", {.dim = kSmallDim, .type = ScalarType::kU8, .key_type = KeyType::kString}),
      upsert(words),
      build_index("words"),
      upsert(words_again),
      build_index("small", kRebuild),
      drop("words"),
      upsert({.collection = "small", .keys = range(60, 6), .version = 8}),
      close_and_open(),
      build_index("small", kRebuild),
  };
}

// Graphs on disk alone, and on the way there and back.
std::vector<Step> make_disk_graph_script() {
  return {
      {"open", open_world, [](State&) {}, true},
      create("small", {.dim = kSmallDim, .type = ScalarType::kU8}),
      upsert({.collection = "small", .keys = range(0, 60), .version = 1, .payloads = true}),
      become_format_1(),
      build_index("small", kOnDisk),
      upsert({.collection = "small", .keys = range(10, 15), .version = 2}),
      erase({.collection = "small", .keys = range(0, 8)}),
      upsert({.collection = "small", .keys = range(60, 12), .version = 3}),
      build_index("small", kOnDisk),
      build_index("small"),  // the other form, beside it
      upsert({.collection = "small", .keys = range(80, 15), .version = 4}),
      close_and_open(),
      erase({.collection = "small", .keys = range(10, 8)}),
      upsert({.collection = "small", .keys = range(100, 10), .version = 5}),
      search("small"),
      upsert({.collection = "small", .keys = range(110, 10), .version = 7}),
      build_index("small", kRebuild),
      erase({.collection = "small", .keys = range(60, 4)}),
      close_and_open(),
      build_index("small", kOnDisk),
  };
}

// Takes in what came since the graph was made durable, without building it.
Step take_in(const std::string& name) {
  return {"take points of " + name + " into its graph",
          [=](World& world) {
            auto collection = world.database->collection(name);
            if (!collection.is_ok()) return collection.status();
            const Status taken = collection->build_index({.serving_memory_bytes = 1});
            if (!taken.is_ok()) return taken;
            const auto info = collection->info();
            if (!info.is_ok()) return info.status();
            EXPECT_EQ(info->regime, "disk");
            EXPECT_EQ(info->index.points, info->points);
            world.taken_in += info->index.updates.added + info->index.updates.removed;
            return Status::ok();
          },
          [](State&) {}, true};
}

// The same without a checkpoint: after a crash the graph has what it had before.
Step take_in_undurably(const std::string& name) {
  return {"take points of " + name + " into its graph, in memory",
          [=](World& world) {
            auto collection = world.database->collection(name);
            if (!collection.is_ok()) return collection.status();
            bool stopped = false;
            const Status taken = collection->build_index(
                {.serving_memory_bytes = 1, .progress = [&](std::string_view phase, double) {
                   stopped |= phase == "checkpoint";
                   return !stopped;
                 }});
            return stopped && taken.code() == StatusCode::kCancelled ? Status::ok() : taken;
          },
          [](State&) {}};
}

// A graph on disk that changes in place: so few points at a time that building it would not pay.
// Slots are written again as soon as that is allowed.
std::vector<Step> make_live_graph_script() {
  std::vector<Step> script = {
      {"open", open_world, [](State&) {}, true},
      create("small", {.dim = kSmallDim, .type = ScalarType::kU8}),
      upsert({.collection = "small", .keys = range(0, 300), .version = 1}),
      build_index("small", kOnDisk),
  };
  const auto change = [&script](uint64_t round) {
    const uint64_t version = 2 + round;
    script.push_back(
        upsert({.collection = "small", .keys = range(round * 2, 2), .version = version}));
    script.push_back(take_in("small"));
    script.push_back(erase({.collection = "small", .keys = range(100 + round * 3, 3)}));
    script.push_back(take_in("small"));
    script.push_back(
        upsert({.collection = "small", .keys = range(400 + round * 4, 4), .version = version}));
    script.push_back(take_in("small"));
  };
  change(0);
  script.push_back(erase({.collection = "small", .keys = range(110, 3)}));
  script.push_back(take_in_undurably("small"));
  // Into other slots than those that are free in memory alone.
  script.push_back(upsert({.collection = "small", .keys = range(700, 3), .version = 3}));
  script.push_back(take_in_undurably("small"));
  script.push_back(erase({.collection = "small", .keys = range(700, 2)}));
  script.push_back(upsert({.collection = "small", .keys = range(705, 2), .version = 3}));
  change(1);
  script.push_back(close_and_open());
  // The graph is not loaded: none of its slots may be written, nor any that it may have had.
  script.push_back(upsert({.collection = "small", .keys = range(0, 2), .version = 8}));
  script.push_back(search("small"));
  change(2);
  script.push_back(build_index("small"));  // the other form, beside it
  script.push_back(erase({.collection = "small", .keys = range(50, 45)}));
  script.push_back(upsert({.collection = "small", .keys = range(500, 3), .version = 9}));
  script.push_back(close_and_open());
  script.push_back(search("small"));
  script.push_back(build_index("small"));
  script.push_back(upsert({.collection = "small", .keys = range(600, 20), .version = 10}));
  return script;
}

float distance_of(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = static_cast<float>(a[i]) - static_cast<float>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

// Every answer is a point that is there, at its true distance, and nearly all that should be found
// are.
void expect_true_answers(const Collection& collection, const std::map<Key, StoredPoint>& points) {
  if (collection.options().type != ScalarType::kU8) return;
  const size_t k = std::min<size_t>(8, points.size());
  size_t number = 0, hits = 0, wanted = 0;
  for (const auto& [key, stored] : points) {
    if (number++ % 7 != 0) continue;
    const VectorView query(ScalarType::kU8, stored.vector.data(), stored.vector.size());
    const auto found = collection.search(query, {.k = 8});
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    ASSERT_EQ(found->size(), k);
    std::vector<float> distances;
    for (const auto& [other_key, other] : points) {
      distances.push_back(distance_of(stored.vector, other.vector));
    }
    std::sort(distances.begin(), distances.end());
    for (const Neighbor& neighbor : *found) {
      const auto point = points.find(neighbor.key);
      ASSERT_NE(point, points.end()) << "found " << neighbor.key.to_string();
      EXPECT_EQ(neighbor.distance, distance_of(stored.vector, point->second.vector))
          << "of " << neighbor.key.to_string() << " from " << key.to_string();
      hits += neighbor.distance <= distances[k - 1] ? 1 : 0;
    }
    wanted += k;
  }
  EXPECT_GE(hits * 10, wanted * 8) << "of collection " << collection.name();
}

// Reads everything back, by every way there is. Fails the test where something is inconsistent.
Result<State> read_state(Database& database) {
  State state;
  for (const std::string& name : database.collection_names()) {
    auto collection = database.collection(name);
    if (!collection.is_ok()) return collection.status();
    auto& points = state[name];
    for (const ScanOrder order : {ScanOrder::kAny, ScanOrder::kKey}) {
      auto scan = collection->scan(order);
      if (!scan.is_ok()) return scan.status();
      size_t seen = 0;
      while (true) {
        auto batch = scan->next(64);
        if (!batch.is_ok()) return batch.status();
        if (batch->empty()) break;
        seen += batch->size();
        for (Point& point : *batch) {
          points[point.key] = {point.vector.bytes, point.payload.value_or("")};
        }
      }
      EXPECT_EQ(seen, collection->size());
      EXPECT_EQ(points.size(), collection->size());
    }
    for (const auto& [key, stored] : points) {
      const auto point = collection->get(key);
      if (!point.is_ok()) return point.status();
      EXPECT_EQ(point->vector.bytes, stored.vector);
    }
    expect_true_answers(*collection, points);
    const auto info = collection->info();
    if (!info.is_ok()) return info.status();
    EXPECT_EQ(info->index_error, "") << "a graph in force is whole";
  }
  const auto report = database.verify();
  if (!report.is_ok()) return report.status();
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  return state;
}

std::string describe(const State& state) {
  std::string text;
  for (const auto& [name, points] : state) {
    text += name + ":" + std::to_string(points.size()) + " ";
  }
  return text;
}

// What one run of the script came to.
struct Outcome {
  size_t acknowledged = 0;  // steps
  size_t durable = 0;       // steps that a power cut must not undo
  bool was_cut = false;
};

Outcome run_script(const std::vector<Step>& script, World& world) {
  Outcome outcome;
  for (const Step& step : script) {
    const Status status = step.run(world);
    if (!status.is_ok()) {
      outcome.was_cut = true;
      break;
    }
    ++outcome.acknowledged;
    if (step.makes_durable || world.durability == Durability::kFull) {
      outcome.durable = outcome.acknowledged;
    }
  }
  world.database.reset();
  return outcome;
}

State state_after(const std::vector<Step>& script, size_t steps) {
  State state;
  for (size_t i = 0; i < steps; ++i) script[i].expect(state);
  return state;
}

// The database opens and shows a prefix of the script that has all of `outcome.durable`.
void expect_recovered(const std::vector<Step>& script, const Outcome& outcome, World& world) {
  const Status opened = open_world(world);
  ASSERT_TRUE(opened.is_ok()) << opened.to_string();
  const auto found = read_state(*world.database);
  ASSERT_TRUE(found.is_ok()) << found.status().to_string();
  const size_t last = std::min(script.size(), outcome.acknowledged + (outcome.was_cut ? 1 : 0));
  bool matches = false;
  for (size_t steps = outcome.durable; steps <= last && !matches; ++steps) {
    matches = *found == state_after(script, steps);
  }
  EXPECT_TRUE(matches) << "found " << describe(*found) << "; acknowledged "
                       << describe(state_after(script, outcome.acknowledged))
                       << "; next step: " << (last < script.size() ? script[last].name : "none");
  // And it goes on working.
  const Batch probe{"probe", range(0, 3), 9};
  const Status made = create("probe", {.dim = kSmallDim, .type = ScalarType::kU8}).run(world);
  EXPECT_TRUE(made.is_ok()) << made.to_string();
  const Status wrote = upsert(probe).run(world);
  EXPECT_TRUE(wrote.is_ok()) << wrote.to_string();
  const Status closed = world.database->close();
  EXPECT_TRUE(closed.is_ok()) << closed.to_string();
  world.database.reset();
}

struct CutCase {
  Durability durability;
  PowerCutPolicy policy;
};

// What is run again and again.
struct Script {
  std::vector<Step> steps;
  uint64_t memory_limit_bytes = 128u << 20;
  uint64_t stride = 1;  // every so many-th place is tried: builds of both forms take their time
};

constexpr uint64_t kBothFormsBytes = 256u << 20;

std::string durability_name(Durability durability) {
  return durability == Durability::kFull      ? "full"
         : durability == Durability::kGrouped ? "grouped"
                                              : "none";
}

std::string policy_name(PowerCutPolicy policy) {
  return policy == PowerCutPolicy::kDropAll   ? "dropped"
         : policy == PowerCutPolicy::kKeepAll ? "kept"
                                              : "torn";
}

// Runs the script once for each of its changes to the file system, and cuts it there.
void cut_everywhere(const Script& plan, const CutCase& cut_case) {
  const auto [durability, policy] = cut_case;
  const std::vector<Step>& script = plan.steps;
  uint64_t operations;
  {
    SimulatedFileSystem file_system;
    World world{&file_system, durability, std::nullopt, plan.memory_limit_bytes};
    const Outcome outcome = run_script(script, world);
    ASSERT_EQ(outcome.acknowledged, script.size());
    operations = file_system.operation_count();
  }
  uint64_t points = 0;
  for (uint64_t at = 1; at <= operations; at += plan.stride * kPlacesApart) {
    SCOPED_TRACE("crash at operation " + std::to_string(at) + " of " + std::to_string(operations));
    SimulatedFileSystem file_system(at);
    file_system.set_crash_at(at);
    World world{&file_system, durability, std::nullopt, plan.memory_limit_bytes};
    const Outcome outcome = run_script(script, world);
    file_system.power_cycle(at * 1000003, policy);
    // A second cut, somewhere in the recovery from the first.
    const uint64_t before = file_system.operation_count();
    if (at % 3 == 0) {
      file_system.set_crash_at(1 + at * 7 % 40);
      World interrupted{&file_system, durability, std::nullopt, plan.memory_limit_bytes};
      const Status opened = open_world(interrupted);
      interrupted.database.reset();
      EXPECT_TRUE(opened.is_ok() || file_system.has_crashed()) << opened.to_string();
      file_system.power_cycle(at * 1000033, policy);
      EXPECT_GT(file_system.operation_count(), before);
    }
    expect_recovered(script, outcome, world);
    ++points;
    if (testing::Test::HasFailure()) break;
  }
  std::printf("%llu crash points, %d violations\n", static_cast<unsigned long long>(points),
              testing::Test::HasFailure() ? 1 : 0);
}

// Else the cuts would be of something else.
TEST(LiveGraphScript, ChangesAGraphInPlace) {
  SimulatedFileSystem file_system;
  World world{&file_system, Durability::kFull, std::nullopt, kBothFormsBytes};
  const auto script = make_live_graph_script();
  EXPECT_EQ(run_script(script, world).acknowledged, script.size());
  EXPECT_GE(world.taken_in, 60u);
}

class PowerCutTest : public testing::TestWithParam<CutCase> {};

TEST_P(PowerCutTest, EveryCrashPointKeepsWhatWasAcknowledged) {
  cut_everywhere({make_script()}, GetParam());
}

TEST_P(PowerCutTest, EveryCrashPointLeavesTheOldGraphOrTheNew) {
  cut_everywhere({make_graph_script()}, GetParam());
}

TEST_P(PowerCutTest, EveryCrashPointLeavesTheOldDiskGraphOrTheNew) {
  const bool is_harshest =
      GetParam().durability == Durability::kFull && GetParam().policy == PowerCutPolicy::kDropAll;
  cut_everywhere({make_disk_graph_script(), kBothFormsBytes, is_harshest ? 2u : 9u}, GetParam());
}

TEST_P(PowerCutTest, EveryCrashPointLeavesAGraphThatFitsItsPoints) {
  const bool is_harshest =
      GetParam().durability == Durability::kFull && GetParam().policy != PowerCutPolicy::kKeepAll;
  cut_everywhere({make_live_graph_script(), kBothFormsBytes, is_harshest ? 2u : 9u}, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Levels, PowerCutTest,
                         testing::Values(CutCase{Durability::kFull, PowerCutPolicy::kDropAll},
                                         CutCase{Durability::kFull, PowerCutPolicy::kKeepAll},
                                         CutCase{Durability::kFull, PowerCutPolicy::kRandom},
                                         CutCase{Durability::kNone, PowerCutPolicy::kDropAll},
                                         CutCase{Durability::kNone, PowerCutPolicy::kRandom},
                                         CutCase{Durability::kGrouped, PowerCutPolicy::kRandom}),
                         [](const auto& test) {
                           return durability_name(test.param.durability) + "_" +
                                  policy_name(test.param.policy);
                         });

// A disk that says no: the call fails, later writes are refused, nothing acknowledged is lost.
void fail_everywhere(const Script& plan, Operation operation, StatusCode code) {
  const std::vector<Step>& script = plan.steps;
  uint64_t hits = 0;
  uint64_t last_hit = 0;
  // Background work differs a little from run to run: the script is done when no fault has met it
  // for a while.
  const uint64_t stride = plan.stride * kPlacesApart;
  for (uint64_t nth = 1; nth <= last_hit + 30 * kPlacesApart; nth += stride) {
    SCOPED_TRACE("failing operation number " + std::to_string(nth));
    SimulatedFileSystem file_system(nth);
    file_system.inject({.operation = operation, .occurrence = nth, .code = code});
    World world{&file_system, Durability::kFull, std::nullopt, plan.memory_limit_bytes};
    const Outcome outcome = run_script(script, world);
    file_system.clear_faults();
    if (outcome.was_cut) {
      ++hits;
      last_hit = nth;
    }
    file_system.power_cycle(nth, PowerCutPolicy::kRandom);
    expect_recovered(script, outcome, world);
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(hits * stride, 20u);
  std::printf("%llu faults reached a caller\n", static_cast<unsigned long long>(hits));
}

class FaultTest : public testing::TestWithParam<std::tuple<Operation, StatusCode>> {};

TEST_P(FaultTest, EveryFailingOperationKeepsWhatWasAcknowledged) {
  fail_everywhere({make_script()}, std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(FaultTest, EveryFailingOperationLeavesTheOldGraphOrTheNew) {
  fail_everywhere({make_graph_script()}, std::get<0>(GetParam()), std::get<1>(GetParam()));
}

TEST_P(FaultTest, EveryFailingOperationLeavesTheOldDiskGraphOrTheNew) {
  fail_everywhere({make_disk_graph_script(), kBothFormsBytes, 5}, std::get<0>(GetParam()),
                  std::get<1>(GetParam()));
}

TEST_P(FaultTest, EveryFailingOperationLeavesAGraphThatFitsItsPoints) {
  fail_everywhere({make_live_graph_script(), kBothFormsBytes, 3}, std::get<0>(GetParam()),
                  std::get<1>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FaultTest,
    testing::Combine(testing::Values(Operation::kSync, Operation::kWrite),
                     testing::Values(StatusCode::kIoError, StatusCode::kDiskFull)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == Operation::kSync ? "sync_" : "write_") +
             std::string(status_code_name(std::get<1>(test.param)));
    });

// Keeps D6.
TEST(FailedSync, TurnsTheDatabaseReadOnlyAndSaysSo) {
  SimulatedFileSystem file_system;
  World world{&file_system, Durability::kFull, std::nullopt};
  ASSERT_TRUE(open_world(world).is_ok());
  ASSERT_TRUE(create("small", {.dim = kSmallDim, .type = ScalarType::kU8}).run(world).is_ok());
  const Batch first{"small", range(0, 4), 1};
  ASSERT_TRUE(upsert(first).run(world).is_ok());
  file_system.inject({.operation = Operation::kSync, .code = StatusCode::kIoError});
  const Batch second{"small", range(4, 4), 1};
  EXPECT_EQ(upsert(second).run(world).code(), StatusCode::kIoError);
  const Status refused = upsert(second).run(world);
  EXPECT_EQ(refused.code(), StatusCode::kReadOnly);
  EXPECT_NE(refused.message().find("no more writes"), std::string::npos) << refused.message();
  EXPECT_EQ(world.database->collection("small")->size(), 4u) << "reads go on";
  EXPECT_TRUE(world.database->collection("small")->get(Key(uint64_t{0})).is_ok());
  EXPECT_FALSE(world.database->close().is_ok());
}

TEST(FullDisk, RefusesWritesKeepsReadsAndDeletesAndGoesOnWhenThereIsRoom) {
  SimulatedFileSystem file_system;
  World world{&file_system, Durability::kFull, std::nullopt};
  ASSERT_TRUE(open_world(world).is_ok());
  ASSERT_TRUE(create("wide", {.dim = kLargeDim, .type = ScalarType::kF32}).run(world).is_ok());
  Batch batch{"wide", range(0, 300), 1, kLargeDim * 4, ScalarType::kF32};
  ASSERT_TRUE(upsert(batch).run(world).is_ok());
  file_system.set_capacity_bytes(8u << 20);
  batch.keys = range(300, 2000);
  const Status full = upsert(batch).run(world);
  EXPECT_EQ(full.code(), StatusCode::kDiskFull) << full.to_string();
  EXPECT_EQ(world.database->collection("wide")->size(), 300u);
  EXPECT_TRUE(world.database->collection("wide")->get(Key(uint64_t{5})).is_ok());
  const Batch some{"wide", range(0, 10), 1};
  EXPECT_TRUE(erase(some).run(world).is_ok()) << "deletes go on";
  file_system.set_capacity_bytes(1u << 30);
  EXPECT_TRUE(upsert(batch).run(world).is_ok()) << "there is room again";
  EXPECT_EQ(world.database->collection("wide")->size(), 2290u);
  EXPECT_TRUE(world.database->close().is_ok());
}

// A build that fails costs nothing but itself: writes go on, the graph that serves goes on.
TEST(FailedBuild, LeavesTheOldGraphAndIsTold) {
  for (const StatusCode code : {StatusCode::kDiskFull, StatusCode::kIoError}) {
    for (uint64_t nth = 1; nth <= 4; ++nth) {
      SimulatedFileSystem file_system;
      World world{&file_system, Durability::kFull, std::nullopt};
      ASSERT_TRUE(open_world(world).is_ok());
      ASSERT_TRUE(create("small", {.dim = kSmallDim, .type = ScalarType::kU8}).run(world).is_ok());
      Batch batch{"small", range(0, 60), 1};
      ASSERT_TRUE(upsert(batch).run(world).is_ok());
      ASSERT_TRUE(build_index("small").run(world).is_ok());
      batch.keys = range(30, 60);
      ASSERT_TRUE(upsert(batch).run(world).is_ok());
      file_system.inject({.operation = Operation::kWrite,
                          .occurrence = nth,
                          .code = code,
                          .path_contains = "graph-"});
      const Status failed = build_index("small").run(world);
      file_system.clear_faults();
      if (failed.is_ok()) continue;  // fewer writes than that
      EXPECT_EQ(failed.code(), code) << failed.to_string();
      const auto collection = world.database->collection("small");
      auto info = collection->info();
      EXPECT_EQ(info->regime, "resident");
      EXPECT_EQ(info->index_error, failed.message());
      batch.keys = range(200, 3);
      EXPECT_TRUE(upsert(batch).run(world).is_ok()) << "writes go on";
      const Status again = build_index("small").run(world);
      EXPECT_TRUE(again.is_ok()) << again.to_string();
      info = collection->info();
      EXPECT_EQ(info->index.points, 93u);
      EXPECT_EQ(info->index_error, "");
      EXPECT_TRUE(world.database->close().is_ok());
    }
  }
}

}  // namespace
}  // namespace roxanne
