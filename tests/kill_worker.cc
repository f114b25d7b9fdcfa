// The program that tests/kill_test.py kills. `run` writes random batches and logs what it does;
// `check` reopens the database after the kill and compares it with the log.
//
//   kill_worker build DB STATE LOG --memory-mib M
//   kill_worker run   DB STATE LOG --seed S --first-batch N --durability full|grouped|none
//                                  --memory-mib M --changes builds|background
//   kill_worker check DB STATE LOG --close 0|1 --memory-mib M --background 0|1
//
// `build` makes a graph on disk where there is none, which a memory limit may be too small for.
// `run` has a thread that builds graphs all the time, or leaves graphs to the engine.
//
// STATE: the points that must be there, one line each: collection, key number, batch.
// LOG: one write(2) a line:
//   begin THREAD BATCH COLLECTION U|D KEY...   before an upsert or a delete
//   ack THREAD BATCH                           after it returned ok
// A thread owns the keys whose number is THREAD modulo kThreadCount, so that the batches of one
// thread alone decide what a key holds. Everything a point holds follows from its key and batch.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "roxanne/roxanne.h"

namespace {

using roxanne::Collection;
using roxanne::Database;
using roxanne::DatabaseOptions;
using roxanne::Durability;
using roxanne::Key;
using roxanne::KeysView;
using roxanne::KeyType;
using roxanne::MatrixView;
using roxanne::Point;
using roxanne::Result;
using roxanne::ScalarType;
using roxanne::Status;
using roxanne::StatusCode;
using roxanne::VectorView;
using std::chrono::milliseconds;

constexpr size_t kThreadCount = 4;
constexpr size_t kKeyCount = 2000;  // in each collection
constexpr size_t kBatchKeysMax = 64;
constexpr uint64_t kNothing = 0;  // the batch of a key that is not there
// Less than all vectors: some blocks stay in memory, others are streamed. Graphs are built where
// --memory-mib says more.
constexpr uint64_t kMemoryLimitBytes = 36ull << 20;
constexpr uint64_t kGraphPointsMin = 300;

enum CollectionIndex : size_t { kNumbers = 0, kNames = 1, kCollectionCount = 2 };
constexpr std::array<const char*, kCollectionCount> kNamesOfCollections = {"numbers", "names"};
// 24 bytes and 8 KiB a row: several full batches of the second in one group are more than fits redo
// records, and a few dozen batches bring a checkpoint.
constexpr std::array<size_t, kCollectionCount> kDims = {24, 2048};

// Key number -> batch that wrote it last; batches count from 1.
using Points = std::map<uint32_t, uint64_t>;
using State = std::array<Points, kCollectionCount>;

struct Batch {
  size_t thread = 0;
  uint64_t number = 0;
  size_t collection = 0;
  bool is_upsert = false;
  std::vector<uint32_t> keys;
};

[[noreturn]] void die(const std::string& message) {
  std::fprintf(stderr, "kill_worker: %s\n", message.c_str());
  std::_Exit(1);
}

uint64_t mix(uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

// ---- What a point holds ----

std::string name_of(uint32_t key) {
  // Some names are long enough to reach the limit's neighbourhood, most are short.
  std::string name = "name-" + std::to_string(key);
  if (key % 50 == 7) name.append(roxanne::kKeyBytesMax - name.size(), '.');
  return name;
}

std::optional<uint32_t> number_of(const Key& key) {
  if (key.type() == KeyType::kU64) {
    if (key.u64() >= kKeyCount) return std::nullopt;
    return static_cast<uint32_t>(key.u64());
  }
  uint32_t number = 0;
  const std::string& text = key.str();
  if (!text.starts_with("name-")) return std::nullopt;
  std::from_chars(text.data() + 5, text.data() + text.size(), number);
  if (number >= kKeyCount || name_of(number) != text) return std::nullopt;
  return number;
}

Key key_of(size_t collection, uint32_t key) {
  return collection == kNumbers ? Key(uint64_t{key}) : Key(name_of(key));
}

std::string payload_of(uint32_t key, uint64_t batch) {
  const size_t fill = mix(batch * kKeyCount + key) % 300;
  return "{\"batch\":" + std::to_string(batch) + ",\"fill\":\"" + std::string(fill, 'x') + "\"}";
}

std::optional<uint64_t> batch_of(const std::optional<std::string>& payload) {
  constexpr std::string_view kBefore = "{\"batch\":";
  if (!payload || !payload->starts_with(kBefore)) return std::nullopt;
  uint64_t batch = 0;
  const char* end = payload->data() + payload->size();
  const auto parsed = std::from_chars(payload->data() + kBefore.size(), end, batch);
  if (parsed.ec != std::errc()) return std::nullopt;
  return batch;
}

ScalarType type_of(size_t collection) {
  return collection == kNumbers ? ScalarType::kU8 : ScalarType::kF32;
}

std::vector<std::byte> vector_of(size_t collection, uint32_t key, uint64_t batch) {
  uint64_t seed = mix((batch * kKeyCount + key) * 2 + collection);
  std::vector<std::byte> bytes(kDims[collection] * roxanne::scalar_bytes(type_of(collection)));
  if (collection == kNumbers) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>((seed = mix(seed)) & 0xff);
    return bytes;
  }
  for (size_t i = 0; i < kDims[collection]; ++i) {
    const float value = static_cast<float>((seed = mix(seed)) >> 44) / 1024.0f;
    std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
  }
  return bytes;
}

double distance_of(size_t collection, const std::vector<std::byte>& a,
                   const std::vector<std::byte>& b) {
  double sum = 0;
  for (size_t i = 0; i < kDims[collection]; ++i) {
    float x = static_cast<float>(a[collection == kNumbers ? i : 0]);
    float y = static_cast<float>(b[collection == kNumbers ? i : 0]);
    if (collection != kNumbers) {
      std::memcpy(&x, a.data() + i * sizeof(x), sizeof(x));
      std::memcpy(&y, b.data() + i * sizeof(y), sizeof(y));
    }
    sum += (static_cast<double>(x) - y) * (static_cast<double>(x) - y);
  }
  return sum;
}

bool is_distance(double distance, float answer) {
  return std::abs(distance - answer) <= 1e-3 * std::max(1.0, distance);
}

// ---- State and log files ----

State read_state(const std::string& path) {
  State state;
  std::ifstream file(path);
  size_t collection = 0;
  uint32_t key = 0;
  uint64_t batch = 0;
  while (file >> collection >> key >> batch) state.at(collection)[key] = batch;
  return state;
}

void write_state(const std::string& path, const State& state) {
  const std::string draft = path + ".new";
  {
    std::ofstream file(draft, std::ios::trunc);
    for (size_t c = 0; c < kCollectionCount; ++c) {
      for (const auto& [key, batch] : state[c]) file << c << ' ' << key << ' ' << batch << '\n';
    }
    if (!file.flush()) die("cannot write " + draft);
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) die("cannot rename " + draft);
}

class Log {
 public:
  explicit Log(const std::string& path)
      : file_(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) {
    if (file_ < 0) die("cannot open " + path);
  }
  ~Log() { ::close(file_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void begin(const Batch& batch) {
    std::string line = "begin " + std::to_string(batch.thread) + ' ' +
                       std::to_string(batch.number) + ' ' + std::to_string(batch.collection) +
                       (batch.is_upsert ? " U" : " D");
    for (const uint32_t key : batch.keys) line += ' ' + std::to_string(key);
    write(line + " .\n");
  }
  void ack(const Batch& batch) {
    write("ack " + std::to_string(batch.thread) + ' ' + std::to_string(batch.number) + " .\n");
  }

 private:
  void write(const std::string& line) {
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      die("cannot write the log");
    }
  }
  int file_;
};

// What a log says: the acknowledged batches in each thread's order, and the last one begun.
struct LogContents {
  std::vector<Batch> acknowledged;
  std::vector<Batch> in_flight;
};

// The numbers of `words`, or nothing where one is not a number.
std::optional<std::vector<uint64_t>> parse_numbers(std::span<const std::string> words) {
  std::vector<uint64_t> numbers;
  for (const std::string& word : words) {
    uint64_t number = 0;
    const char* end = word.data() + word.size();
    if (std::from_chars(word.data(), end, number).ptr != end) return std::nullopt;
    numbers.push_back(number);
  }
  return numbers;
}

// begin THREAD BATCH COLLECTION U|D KEY...
std::optional<Batch> parse_begin(std::span<const std::string> words) {
  if (words.size() < 6) return std::nullopt;
  const auto head = parse_numbers(words.subspan(1, 3));
  const auto keys = parse_numbers(words.subspan(5));
  if (!head || !keys || head->at(0) >= kThreadCount || head->at(2) >= kCollectionCount) return {};
  Batch batch;
  batch.thread = head->at(0);
  batch.number = head->at(1);
  batch.collection = head->at(2);
  batch.is_upsert = words[4] == "U";
  batch.keys.assign(keys->begin(), keys->end());
  return batch;
}

// A kill may cut a thread's last line short, before its " .", and another thread's last line then
// follows on the same one. Such a line is skipped: where it was a begin, the call did not start,
// since a killed thread never returns from write(2); where it was an ack, the batch counts as in
// flight.
LogContents read_log(const std::string& path) {
  LogContents contents;
  std::array<std::optional<Batch>, kThreadCount> begun;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream stream(line);
    std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
    if (words.empty() || words.back() != ".") continue;
    words.pop_back();
    if (words[0] == "begin") {
      std::optional<Batch> batch = parse_begin(words);
      if (batch) begun[batch->thread] = std::move(batch);
    } else if (words[0] == "ack" && words.size() == 3) {
      const auto numbers = parse_numbers(std::span(words).subspan(1));
      if (!numbers) continue;
      std::optional<Batch>& batch = begun.at(numbers->at(0));
      if (!batch || batch->number != numbers->at(1)) die("bad log line: " + line);
      contents.acknowledged.push_back(*std::exchange(batch, std::nullopt));
    }
  }
  for (std::optional<Batch>& batch : begun) {
    if (batch) contents.in_flight.push_back(*std::move(batch));
  }
  return contents;
}

// ---- run ----

std::vector<Collection> open_collections(Database& db) {
  std::vector<Collection> collections;
  for (size_t c = 0; c < kCollectionCount; ++c) {
    Result<Collection> collection = db.collection(kNamesOfCollections[c]);
    if (!collection && collection.status().code() == StatusCode::kNotFound) {
      collection = db.create_collection(
          kNamesOfCollections[c], {.dim = kDims[c],
                                   .type = type_of(c),
                                   .key_type = c == kNumbers ? KeyType::kU64 : KeyType::kString});
    }
    if (!collection) die("collection: " + collection.status().to_string());
    collections.push_back(*std::move(collection));
  }
  return collections;
}

// Owns the keys of a batch in the collection's own type.
class BatchKeys {
 public:
  explicit BatchKeys(const Batch& batch) : is_number_(batch.collection == kNumbers) {
    for (const uint32_t key : batch.keys) {
      if (is_number_) {
        numbers_.push_back(key);
      } else {
        names_.push_back(name_of(key));
      }
    }
  }
  KeysView view() const { return is_number_ ? KeysView(numbers_) : KeysView(names_); }

 private:
  bool is_number_;
  std::vector<uint64_t> numbers_;
  std::vector<std::string> names_;
};

void upsert(Collection& collection, const Batch& batch, const Points& points) {
  std::vector<std::byte> vectors;
  std::vector<std::string> payloads;
  uint64_t present = 0;
  for (const uint32_t key : batch.keys) {
    const std::vector<std::byte> vector = vector_of(batch.collection, key, batch.number);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
    payloads.push_back(payload_of(key, batch.number));
    present += points.count(key);
  }
  const MatrixView rows(type_of(batch.collection), vectors.data(), batch.keys.size(),
                        kDims[batch.collection]);
  auto counts = collection.upsert(BatchKeys(batch).view(), rows, {.payloads = payloads});
  if (!counts) die("upsert: " + counts.status().to_string());
  if (counts->replaced != present || counts->inserted != batch.keys.size() - present) {
    die("upsert counts: " + std::to_string(counts->replaced) + " replaced, expected " +
        std::to_string(present));
  }
}

void erase(Collection& collection, const Batch& batch, const Points& points) {
  uint64_t present = 0;
  for (const uint32_t key : batch.keys) present += points.count(key);
  auto erased = collection.erase(BatchKeys(batch).view());
  if (!erased) die("erase: " + erased.status().to_string());
  if (*erased != present) {
    die("erased " + std::to_string(*erased) + ", expected " + std::to_string(present));
  }
}

void apply(const Batch& batch, State& state) {
  for (const uint32_t key : batch.keys) {
    if (batch.is_upsert) {
      state[batch.collection][key] = batch.number;
    } else {
      state[batch.collection].erase(key);
    }
  }
}

Batch random_batch(size_t thread, uint64_t number, std::mt19937_64& random) {
  Batch batch;
  batch.thread = thread;
  batch.number = number;
  batch.collection = random() % kCollectionCount;
  batch.is_upsert = random() % 10 < 7;
  const size_t key_count = random() % 3 == 0 ? 1 : 1 + random() % kBatchKeysMax;
  while (batch.keys.size() < key_count) {
    const uint32_t key = random() % (kKeyCount / kThreadCount) * kThreadCount + thread;
    if (std::find(batch.keys.begin(), batch.keys.end(), key) == batch.keys.end()) {
      batch.keys.push_back(key);
    }
  }
  return batch;
}

struct RunOptions {
  uint64_t seed = 0;
  uint64_t first_batch = 0;
  bool builds = true;  // graphs, all the time; else the engine does what it thinks right
  DatabaseOptions database;
};

void write_batches(size_t thread, Database& db, Log& log, State state, const RunOptions& options) {
  std::vector<Collection> collections = open_collections(db);
  std::mt19937_64 random(mix(options.seed * kThreadCount + thread));
  for (uint64_t number = options.first_batch;; ++number) {
    const Batch batch = random_batch(thread, number, random);
    log.begin(batch);
    if (batch.is_upsert) {
      upsert(collections[batch.collection], batch, state[batch.collection]);
    } else {
      erase(collections[batch.collection], batch, state[batch.collection]);
    }
    log.ack(batch);
    apply(batch, state);
    if (random() % 200 == 0) {
      if (Status flushed = db.flush(); !flushed) die("flush: " + flushed.to_string());
    }
  }
}

// Every answer is a point that some batch wrote, at its true distance.
void check_answers(size_t c, const std::vector<std::byte>& query,
                   const std::vector<roxanne::Neighbor>& found) {
  for (const roxanne::Neighbor& neighbor : found) {
    const std::optional<uint32_t> key = number_of(neighbor.key);
    const std::optional<uint64_t> batch = batch_of(neighbor.payload);
    if (!key || !batch) die("search found a point without its payload");
    const double distance = distance_of(c, query, vector_of(c, *key, *batch));
    if (!is_distance(distance, neighbor.distance)) {
      die("search found key " + std::to_string(*key) + " at distance " +
          std::to_string(neighbor.distance) + ", is at " + std::to_string(distance));
    }
  }
}

// Searches beside the writers until the process is killed.
void read_points(Database& db, uint64_t seed, milliseconds pause) {
  std::vector<Collection> collections = open_collections(db);
  std::mt19937_64 random(mix(seed));
  while (true) {
    const size_t c = random() % kCollectionCount;
    const std::vector<std::byte> query = vector_of(c, random() % kKeyCount, 1);
    auto found = collections[c].search(VectorView(type_of(c), query.data(), kDims[c]),
                                       {.k = 5, .with_payload = true, .thread_count = 1});
    if (!found) die("search: " + found.status().to_string());
    check_answers(c, query, *found);
    std::this_thread::sleep_for(pause);
  }
}

// Builds graphs one after the other, as points change under them.
void build_graphs(Database& db, uint64_t seed) {
  std::vector<Collection> collections = open_collections(db);
  std::mt19937_64 random(mix(seed + 1));
  while (true) {
    const size_t c = random() % 20 == 0 ? kNames : kNumbers;  // the wide ones take seconds
    const uint64_t serving_bytes = random() % 2;              // 0: of any form; 1: on disk alone
    const Status built =
        collections[c].build_index({.rebuild = true, .serving_memory_bytes = serving_bytes});
    if (!built && built.code() != StatusCode::kUnsupported) die("build: " + built.to_string());
    std::this_thread::sleep_for(milliseconds(random() % 30));
  }
}

std::string regime_of(const Collection& collection) {
  const auto info = collection.info();
  if (!info) die("info: " + info.status().to_string());
  return info->regime;
}

int run(const std::string& db_path, const std::string& state_path, const std::string& log_path,
        RunOptions options) {
  options.database.create_if_missing = true;
  options.database.index_points_min = kGraphPointsMin;
  options.database.automatic_index = !options.builds;
  auto db = Database::open(db_path, options.database);
  if (!db) die("open: " + db.status().to_string());
  const State state = read_state(state_path);
  // Creates them before the threads need them. Tells how they will be searched.
  std::string ready = "ready";
  for (const Collection& collection : open_collections(*db)) ready += ' ' + regime_of(collection);
  Log log(log_path);
  std::puts(ready.c_str());
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreadCount; ++t) {
    threads.emplace_back([&, t] { write_batches(t, *db, log, state, options); });
  }
  threads.emplace_back([&] { read_points(*db, options.seed, milliseconds(20)); });
  if (options.builds) {
    threads.emplace_back([&] { build_graphs(*db, options.seed); });
  } else {
    threads.emplace_back([&] { read_points(*db, options.seed + 1, milliseconds(2)); });
  }
  for (std::thread& thread : threads) thread.join();  // they never end: a kill does
  return 0;
}

// ---- build ----

int build(const std::string& db_path, uint64_t memory_limit_bytes) {
  auto db = Database::open(db_path, {.create_if_missing = true,
                                     .memory_limit_bytes = memory_limit_bytes,
                                     .automatic_index = false,
                                     .index_points_min = kGraphPointsMin});
  if (!db) die("open: " + db.status().to_string());
  // The wide ones take a minute.
  Collection numbers = open_collections(*db)[kNumbers];
  const Status built = numbers.build_index({.serving_memory_bytes = 1});
  if (!built) die("build: " + built.to_string());
  if (Status closed = db->close(); !closed) die("close: " + closed.to_string());
  return 0;
}

// ---- check ----

struct Findings {
  uint64_t lost = 0;  // keys that hold neither what was acknowledged nor what was in flight
  uint64_t half = 0;  // batches of which a part is there
  uint64_t whole = 0;
  uint64_t absent = 0;
  uint64_t others = 0;
  std::vector<std::string> messages;  // the first few

  void say(const std::string& message) {
    if (messages.size() < 20) messages.push_back(message);
  }
  void add(const std::string& problem) {
    others += 1;
    say(problem);
  }
  bool none() const { return lost + half + others == 0; }
};

std::string describe(size_t collection, uint32_t key) {
  return std::string(kNamesOfCollections[collection]) + " key " + std::to_string(key);
}

// The batch that wrote a stored point; a problem where its bytes are not that batch's.
std::optional<uint64_t> checked_batch(size_t collection, const Point& point, Findings& findings) {
  const std::optional<uint32_t> key = number_of(point.key);
  const std::optional<uint64_t> batch = batch_of(point.payload);
  if (!key || !batch) {
    findings.add("a point nobody wrote: " + point.key.to_string());
    return std::nullopt;
  }
  if (*point.payload != payload_of(*key, *batch) ||
      point.vector.bytes != vector_of(collection, *key, *batch)) {
    findings.add(describe(collection, *key) + ": bytes are not those of batch " +
                 std::to_string(*batch));
  }
  return batch;
}

Points scan_points(size_t c, Collection& collection, Findings& findings) {
  Points points;
  auto scan = collection.scan();
  if (!scan) die("scan: " + scan.status().to_string());
  while (true) {
    auto some = scan->next(512);
    if (!some) die("scan: " + some.status().to_string());
    if (some->empty()) break;
    for (const Point& point : *some) {
      const std::optional<uint64_t> batch = checked_batch(c, point, findings);
      if (batch && !points.emplace(*number_of(point.key), *batch).second) {
        findings.add(describe(c, *number_of(point.key)) + ": seen twice by a scan");
      }
    }
  }
  if (collection.size() != points.size()) {
    findings.add(collection.name() + ": size() is " + std::to_string(collection.size()) +
                 ", a scan sees " + std::to_string(points.size()));
  }
  return points;
}

// get() and search() of every key agree with the scan.
void check_lookups(size_t c, Collection& collection, const Points& points, Findings& findings) {
  for (uint32_t key = 0; key < kKeyCount; ++key) {
    const auto expected = points.find(key);
    auto point = collection.get(key_of(c, key));
    if (!point) {
      const bool missing = point.status().code() == StatusCode::kNotFound;
      if (!missing || expected != points.end()) {
        findings.add(describe(c, key) + ": get: " + point.status().to_string());
      }
      continue;
    }
    if (expected == points.end() || checked_batch(c, *point, findings) != expected->second) {
      findings.add(describe(c, key) + ": get and scan differ");
    }
    if (key % 250 != 0) continue;
    auto nearest = collection.search(point->vector.view(), {.k = 1, .exact = true});
    if (!nearest) die("search: " + nearest.status().to_string());
    if (nearest->empty() || nearest->front().key != key_of(c, key) ||
        nearest->front().distance > 1e-6f) {
      findings.add(describe(c, key) + ": a search for its own vector does not find it");
    }
  }
}

// Whatever a graph leaves out, what it finds is there, and as far away as it says.
void check_searches(size_t c, Collection& collection, const Points& points, Findings& findings) {
  constexpr size_t kNeighbours = 20;
  for (uint64_t q = 0; q < 12; ++q) {
    const std::vector<std::byte> query = vector_of(c, static_cast<uint32_t>(q * 150), 1 + q % 2);
    auto found =
        collection.search(VectorView(type_of(c), query.data(), kDims[c]), {.k = kNeighbours});
    if (!found) die("search: " + found.status().to_string());
    if (found->size() != std::min(kNeighbours, points.size())) {
      findings.add(collection.name() + ": a search found " + std::to_string(found->size()));
    }
    for (const roxanne::Neighbor& neighbor : *found) {
      const std::optional<uint32_t> key = number_of(neighbor.key);
      const auto point = key ? points.find(*key) : points.end();
      if (point == points.end()) {
        findings.add(collection.name() + ": found " + neighbor.key.to_string() +
                     ", which is not there");
        continue;
      }
      const double distance = distance_of(c, query, vector_of(c, *key, point->second));
      if (!is_distance(distance, neighbor.distance)) {
        findings.add(describe(c, *key) + ": found at distance " +
                     std::to_string(neighbor.distance) + ", is at " + std::to_string(distance));
      }
    }
  }
}

uint64_t batch_at(const Points& points, uint32_t key) {
  const auto found = points.find(key);
  return found == points.end() ? kNothing : found->second;
}

// Takes the batch into `expected` where it is there as a whole.
void settle_in_flight(const Batch& batch, const Points& found, State& expected,
                      Findings& findings) {
  const uint64_t after = batch.is_upsert ? batch.number : kNothing;
  size_t changed = 0;
  size_t unchanged = 0;
  for (const uint32_t key : batch.keys) {
    const uint64_t before = batch_at(expected[batch.collection], key);
    if (before == after) continue;  // a delete of what was not there shows nothing
    const uint64_t now = batch_at(found, key);
    changed += now == after ? 1 : 0;
    unchanged += now == before ? 1 : 0;
  }
  if (changed > 0 && unchanged > 0) {
    findings.half += 1;
    findings.say("thread " + std::to_string(batch.thread) + " batch " +
                 std::to_string(batch.number) + ": " + std::to_string(changed) +
                 " of its points are there, " + std::to_string(unchanged) + " are not");
    for (const uint32_t key : batch.keys) {  // compare() shall not count them as lost, too
      expected[batch.collection][key] = batch_at(found, key);
    }
    return;
  }
  findings.whole += changed > 0 ? 1 : 0;
  findings.absent += changed == 0 ? 1 : 0;
  if (changed > 0) apply(batch, expected);
}

std::string show_batch(uint64_t batch) {
  return batch == kNothing ? "nothing" : "batch " + std::to_string(batch);
}

void compare(size_t c, const Points& expected, const Points& found, Findings& findings) {
  for (uint32_t key = 0; key < kKeyCount; ++key) {
    const uint64_t want = batch_at(expected, key);
    const uint64_t have = batch_at(found, key);
    if (want == have) continue;
    findings.lost += 1;
    findings.say(describe(c, key) + ": expected " + show_batch(want) + ", found " +
                 show_batch(have));
  }
}

void verify(Database& db, Findings& findings) {
  auto report = db.verify();
  if (!report) die("verify: " + report.status().to_string());
  for (const std::string& problem : report->problems) findings.add("verify: " + problem);
}

struct CheckOptions {
  bool close = true;
  bool background = false;  // the engine changes graphs while they are checked
  uint64_t memory_limit_bytes = kMemoryLimitBytes;
};

int check(const std::string& db_path, const std::string& state_path, const std::string& log_path,
          const CheckOptions& options) {
  const LogContents log = read_log(log_path);
  State expected = read_state(state_path);
  for (const Batch& batch : log.acknowledged) apply(batch, expected);

  const auto started = std::chrono::steady_clock::now();
  auto db = Database::open(db_path, {.create_if_missing = true,
                                     .memory_limit_bytes = options.memory_limit_bytes,
                                     .automatic_index = options.background,
                                     .index_points_min = kGraphPointsMin});
  const std::chrono::duration<double, std::milli> open_ms =
      std::chrono::steady_clock::now() - started;
  if (!db) {
    std::fprintf(stderr, "kill_worker: open: %s\n", db.status().to_string().c_str());
    return 4;
  }
  std::vector<Collection> collections = open_collections(*db);
  Findings findings;
  State found;
  for (size_t c = 0; c < kCollectionCount; ++c) {
    found[c] = scan_points(c, collections[c], findings);
    check_lookups(c, collections[c], found[c], findings);
    check_searches(c, collections[c], found[c], findings);
  }
  for (const Batch& batch : log.in_flight) {
    settle_in_flight(batch, found[batch.collection], expected, findings);
  }
  for (size_t c = 0; c < kCollectionCount; ++c) compare(c, expected[c], found[c], findings);
  size_t graphs = 0;
  for (const Collection& collection : collections) {
    graphs += regime_of(collection) != "exact" ? 1 : 0;
  }
  verify(*db, findings);
  write_state(state_path, found);
  for (const std::string& message : findings.messages) {
    std::fprintf(stderr, "  %s\n", message.c_str());
  }
  size_t acknowledged_points = 0;
  for (const Batch& batch : log.acknowledged) acknowledged_points += batch.keys.size();
  std::printf("%zu %zu %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.3f %zu\n",
              log.acknowledged.size(), acknowledged_points, findings.whole, findings.absent,
              findings.lost, findings.half, findings.others, open_ms.count(), graphs);
  std::fflush(stdout);
  if (options.close && graphs == 0) {  // so that the next kill meets one, however slow the machine
    const Status built = collections[kNumbers].build_index();
    if (!built && built.code() != StatusCode::kUnsupported) die("build: " + built.to_string());
  }
  if (!options.close) std::_Exit(findings.none() ? 0 : 5);  // as if killed: no clean close
  if (Status closed = db->close(); !closed) die("close: " + closed.to_string());
  return findings.none() ? 0 : 5;
}

std::optional<Durability> parse_durability(std::string_view name) {
  if (name == "full") return Durability::kFull;
  if (name == "grouped") return Durability::kGrouped;
  if (name == "none") return Durability::kNone;
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 4 || arguments.size() % 2 != 0) {
    die("usage: kill_worker build|run|check DB STATE LOG [--option value]...");
  }
  RunOptions options;
  options.database.memory_limit_bytes = kMemoryLimitBytes;
  CheckOptions check_options;
  for (size_t i = 4; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    const std::string& value = arguments[i + 1];
    if (name == "--seed") {
      options.seed = std::stoull(value);
    } else if (name == "--first-batch") {
      options.first_batch = std::stoull(value);
    } else if (name == "--durability" && parse_durability(value)) {
      options.database.durability = *parse_durability(value);
    } else if (name == "--close") {
      check_options.close = value != "0";
    } else if (name == "--changes" && (value == "builds" || value == "background")) {
      options.builds = value == "builds";
    } else if (name == "--background") {
      check_options.background = value != "0";
    } else if (name == "--memory-mib") {
      check_options.memory_limit_bytes = std::stoull(value) << 20;
      options.database.memory_limit_bytes = check_options.memory_limit_bytes;
    } else {
      die("unknown option " + name + " " + value);
    }
  }
  if (arguments[0] == "build") return build(arguments[1], check_options.memory_limit_bytes);
  if (arguments[0] == "run") return run(arguments[1], arguments[2], arguments[3], options);
  if (arguments[0] == "check")
    return check(arguments[1], arguments[2], arguments[3], check_options);
  die("unknown mode " + arguments[0]);
}
