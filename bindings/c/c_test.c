// The C API from C11, through the shared library: what it promises, from outside.
//
//   c_test FOLDER     makes databases in FOLDER, which must be empty
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "c_test.h"
#include "roxanne/c.h"

enum { DIM = 16, ROWS = 500, K = 5 };

static uint32_t random_state = 7;
static uint8_t random_byte(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return (uint8_t)(random_state >> 24);
}

static void fill(uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) bytes[i] = random_byte();
}

static char* path_in(const char* folder, const char* name) {
  static char path[4096];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static rox_database* open_new(const char* path) {
  const rox_database_options options = {
      .struct_size = sizeof(options),
      // Nothing is built but where this asks for it.
      .flags = ROX_OPEN_CREATE_IF_MISSING | ROX_OPEN_ERROR_IF_EXISTS | ROX_OPEN_NO_AUTOMATIC_INDEX,
      .memory_limit_bytes = 512u << 20,
      .thread_count = 2,
  };
  rox_database* database = NULL;
  OK(rox_database_open(path, &options, &database, &message));
  CHECK(database != NULL);
  return database;
}

static rox_collection* create(rox_database* database, const char* name, rox_key_type key_type) {
  const rox_collection_options options = {.struct_size = sizeof(options),
                                          .dim = DIM,
                                          .type = ROX_U8,
                                          .metric = ROX_L2,
                                          .key_type = key_type};
  rox_collection* collection = NULL;
  OK(rox_collection_create(database, name, &options, &collection, &message));
  return collection;
}

static float distance(const uint8_t* a, const uint8_t* b) {
  float sum = 0;
  for (int i = 0; i < DIM; ++i) sum += (float)((a[i] - b[i]) * (a[i] - b[i]));
  return sum;
}

static int ascending(const void* a, const void* b) {
  const float x = *(const float*)a, y = *(const float*)b;
  return (x > y) - (x < y);
}

// The K smallest distances of `query` to `rows`.
static void brute_force(const uint8_t* query, const uint8_t* rows, float* nearest) {
  float all[ROWS];
  for (int row = 0; row < ROWS; ++row) all[row] = distance(query, rows + row * DIM);
  qsort(all, ROWS, sizeof(float), ascending);
  memcpy(nearest, all, K * sizeof(float));
}

static uint64_t numbers[ROWS];
static uint8_t rows[ROWS * DIM];

static rox_status upsert_rows(rox_collection* collection, size_t first, size_t count,
                              int32_t on_duplicate, rox_upsert_counts* counts, char** message) {
  const rox_keys keys = {.numbers = numbers + first, .count = count};
  const rox_matrix vectors = {ROX_U8, rows + first * DIM, count, DIM};
  return rox_collection_upsert(collection, &keys, &vectors, NULL, on_duplicate, counts, message);
}

static void upsert_and_search(rox_collection* collection) {
  rox_upsert_counts counts;
  OK(upsert_rows(collection, 0, ROWS, ROX_ON_DUPLICATE_REPLACE, &counts, &message));
  CHECK(counts.inserted == ROWS && counts.replaced == 0 && counts.skipped == 0);
  CHECK(rox_collection_size(collection) == ROWS);
  FAILS(ROX_ALREADY_EXISTS, "key 30 (row 0 ",
        upsert_rows(collection, 3, 1, ROX_ON_DUPLICATE_ERROR, NULL, &message));
  OK(upsert_rows(collection, 0, 10, ROX_ON_DUPLICATE_SKIP, &counts, &message));
  CHECK(counts.skipped == 10 && counts.inserted == 0);

  enum { QUERIES = 20 };
  uint8_t queries[QUERIES * DIM];
  fill(queries, sizeof(queries));
  const rox_matrix matrix = {ROX_U8, queries, QUERIES, DIM};
  const rox_search_options options = {.struct_size = sizeof(options), .k = K};
  rox_neighbors* neighbors = NULL;
  OK(rox_collection_search(collection, &matrix, &options, &neighbors, &message));
  CHECK(rox_neighbors_query_count(neighbors) == QUERIES);
  uint64_t keys[QUERIES * K];
  float distances[QUERIES * K];
  size_t found[QUERIES];
  OK(rox_collection_search_u64(collection, &matrix, &options, keys, distances, found, &message));
  for (size_t query = 0; query < QUERIES; ++query) {
    float expected[K];
    brute_force(queries + query * DIM, rows, expected);
    CHECK(rox_neighbors_count(neighbors, query) == K && found[query] == K);
    for (size_t i = 0; i < K; ++i) {
      rox_neighbor neighbor;
      CHECK(rox_neighbors_at(neighbors, query, i, &neighbor));
      CHECK(neighbor.distance == expected[i] && distances[query * K + i] == expected[i]);
      CHECK(neighbor.key.type == ROX_KEY_U64 && neighbor.key.number == keys[query * K + i]);
      CHECK(neighbor.payload.data == NULL && neighbor.vector == NULL);
    }
    rox_neighbor none;
    CHECK(!rox_neighbors_at(neighbors, query, K, &none));
  }
  CHECK(rox_neighbors_count(neighbors, QUERIES) == 0);
  rox_neighbors_free(neighbors);
}

// Places that a query does not fill are told apart from answers.
static void fewer_than_k(rox_database* database) {
  rox_collection* collection = create(database, "small", ROX_KEY_U64);
  OK(upsert_rows(collection, 0, 2, ROX_ON_DUPLICATE_REPLACE, NULL, &message));
  const rox_matrix query = {ROX_U8, rows, 1, DIM};
  uint64_t keys[10];
  float distances[10];
  size_t found = 0;
  OK(rox_collection_search_u64(collection, &query, NULL, keys, distances, &found, &message));
  CHECK(found == 2 && keys[0] == numbers[0] && distances[0] == 0);
  for (int i = 2; i < 10; ++i) CHECK(keys[i] == UINT64_MAX && isinf(distances[i]));
  // A point's own place is left out.
  rox_key key = {.type = ROX_KEY_U64, .number = numbers[0]};
  rox_neighbors* neighbors = NULL;
  OK(rox_collection_search_like(collection, &key, NULL, &neighbors, &message));
  rox_neighbor neighbor;
  CHECK(rox_neighbors_query_count(neighbors) == 1 && rox_neighbors_count(neighbors, 0) == 1);
  CHECK(rox_neighbors_at(neighbors, 0, 0, &neighbor) && neighbor.key.number == numbers[1]);
  rox_neighbors_free(neighbors);
  neighbors = NULL;
  key.number = 987654321;
  FAILS(ROX_NOT_FOUND, "987654321",
        rox_collection_search_like(collection, &key, NULL, &neighbors, &message));
  CHECK(neighbors == NULL);
  rox_collection_free(collection);
  OK(rox_collection_drop(database, "small", &message));
  FAILS(ROX_NOT_FOUND, "small", rox_collection_open(database, "small", &collection, &message));
}

static void get_erase_and_scan(rox_collection* collection) {
  const rox_key key = {.type = ROX_KEY_U64, .number = numbers[42]};
  rox_points* points = NULL;
  OK(rox_collection_get(collection, &key, &points, &message));
  rox_point point;
  CHECK(rox_points_count(points) == 1 && rox_points_at(points, 0, &point));
  CHECK(point.vector_bytes == DIM && memcmp(point.vector, rows + 42 * DIM, DIM) == 0);
  CHECK(!rox_points_at(points, 1, &point));
  rox_points_free(points);

  uint64_t erased = 0;
  const uint64_t gone[] = {numbers[42], numbers[43], 999999999};
  const rox_keys keys = {.numbers = gone, .count = 3};
  OK(rox_collection_erase(collection, &keys, &erased, &message));
  CHECK(erased == 2);
  points = NULL;
  FAILS(ROX_NOT_FOUND, "420", rox_collection_get(collection, &key, &points, &message));
  CHECK(points == NULL);

  rox_scan* scan = NULL;
  OK(rox_scan_open(collection, true, &scan, &message));
  FAILS(ROX_INVALID_ARGUMENT, "max_points", rox_scan_next(scan, 0, &points, &message));
  size_t seen = 0;
  uint64_t last = 0;
  while (true) {
    OK(rox_scan_next(scan, 64, &points, &message));
    const size_t count = rox_points_count(points);
    CHECK(count <= 64);
    for (size_t i = 0; i < count; ++i) {
      CHECK(rox_points_at(points, i, &point));
      CHECK(seen == 0 || point.key.number > last);
      last = point.key.number;
      ++seen;
    }
    rox_points_free(points);
    if (count == 0) break;
  }
  CHECK(seen == ROWS - 2);
  rox_scan_free(scan);
  OK(upsert_rows(collection, 42, 2, ROX_ON_DUPLICATE_ERROR, NULL, &message));
}

static void string_keys_and_payloads(rox_database* database) {
  rox_collection* collection = create(database, "names", ROX_KEY_STRING);
  const rox_string names[] = {{"harbour", 7}, {"a\0b", 3}};
  const rox_string payloads[] = {{"{\"title\":\"boats\"}", 17}, {NULL, 0}};
  const rox_keys keys = {.strings = names, .count = 2};
  const rox_matrix vectors = {ROX_U8, rows, 2, DIM};
  OK(rox_collection_upsert(collection, &keys, &vectors, payloads, ROX_ON_DUPLICATE_REPLACE, NULL,
                           &message));
  const rox_search_options options = {.struct_size = sizeof(options),
                                      .k = 2,
                                      .flags = ROX_SEARCH_WITH_PAYLOAD | ROX_SEARCH_WITH_VECTOR};
  const rox_matrix query = {ROX_U8, rows, 1, DIM};
  rox_neighbors* neighbors = NULL;
  OK(rox_collection_search(collection, &query, &options, &neighbors, &message));
  rox_neighbor first, second;
  CHECK(rox_neighbors_at(neighbors, 0, 0, &first) && rox_neighbors_at(neighbors, 0, 1, &second));
  CHECK(first.key.type == ROX_KEY_STRING && first.key.string.size == 7);
  CHECK(memcmp(first.key.string.data, "harbour", 7) == 0);
  CHECK(first.payload.size == 17 && memcmp(first.payload.data, payloads[0].data, 17) == 0);
  CHECK(memcmp(first.vector, rows, DIM) == 0);
  CHECK(second.key.string.size == 3 && memcmp(second.key.string.data, "a\0b", 3) == 0);
  CHECK(second.payload.data == NULL);
  rox_neighbors_free(neighbors);

  uint64_t key = 0;
  float nearest = 0;
  size_t found = 0;
  FAILS(ROX_INVALID_ARGUMENT, "strings",
        rox_collection_search_u64(collection, &query, NULL, &key, &nearest, &found, &message));
  const rox_keys wrong = {.numbers = numbers, .count = 2};
  FAILS(ROX_INVALID_ARGUMENT, "keys are u64",
        rox_collection_erase(collection, &wrong, NULL, &message));
  const rox_string bad_payload[] = {{"{", 1}, {NULL, 0}};
  FAILS(ROX_INVALID_ARGUMENT, "row 0",
        rox_collection_upsert(collection, &keys, &vectors, bad_payload, 0, NULL, &message));
  // A size that no memory has.
  const rox_key endless = {.type = ROX_KEY_STRING, .string = {"a", SIZE_MAX}};
  rox_points* points = NULL;
  FAILS(ROX_INVALID_ARGUMENT, "size", rox_collection_get(collection, &endless, &points, &message));
  CHECK(points == NULL);
  rox_collection_free(collection);
}

static void wrong_arguments(rox_database* database, rox_collection* collection, const char* path) {
  rox_database* other = NULL;
  char holder[64];
  snprintf(holder, sizeof(holder), "process %ld ", (long)getpid());
  FAILS(ROX_LOCKED, holder, rox_database_open(path, NULL, &other, &message));
  FAILS(ROX_INVALID_ARGUMENT, "path", rox_database_open(NULL, NULL, &other, &message));
  FAILS(ROX_NOT_FOUND, "/nowhere/at/all",
        rox_database_open("/nowhere/at/all", NULL, &other, &message));
  rox_database_options options = {.struct_size = 3};
  FAILS(ROX_INVALID_ARGUMENT, "struct_size", rox_database_open(path, &options, &other, &message));
  options = (rox_database_options){.struct_size = sizeof(options), .flags = 1u << 30};
  FAILS(ROX_UNSUPPORTED, "flags", rox_database_open(path, &options, &other, &message));
  struct {
    rox_database_options known;
    uint64_t newer;
  } longer = {{.struct_size = sizeof(longer)}, 1};
  FAILS(ROX_UNSUPPORTED, "field", rox_database_open(path, &longer.known, &other, &message));
  longer.newer = 0;
  FAILS(ROX_LOCKED, holder, rox_database_open(path, &longer.known, &other, &message));
  CHECK(other == NULL);
  // The message may be left out.
  CHECK(rox_database_open("/nowhere/at/all", NULL, &other, NULL) == ROX_NOT_FOUND);

  const uint64_t key = 1;
  const rox_keys keys = {.numbers = &key, .count = 1};
  const rox_matrix short_rows = {ROX_U8, rows, 1, DIM - 1};
  const rox_matrix floats = {ROX_F32, rows, 1, DIM};
  const rox_matrix no_data = {ROX_U8, NULL, 1, DIM};
  const rox_matrix no_type = {9, rows, 1, DIM};
  FAILS(ROX_INVALID_ARGUMENT, "15",
        rox_collection_upsert(collection, &keys, &short_rows, NULL, 0, NULL, &message));
  FAILS(ROX_INVALID_ARGUMENT, "f32",
        rox_collection_upsert(collection, &keys, &floats, NULL, 0, NULL, &message));
  FAILS(ROX_INVALID_ARGUMENT, "NULL",
        rox_collection_upsert(collection, &keys, &no_data, NULL, 0, NULL, &message));
  FAILS(ROX_INVALID_ARGUMENT, "scalar type",
        rox_collection_upsert(collection, &keys, &no_type, NULL, 0, NULL, &message));
  const rox_keys no_keys = {.count = 1};
  const rox_matrix row = {ROX_U8, rows, 1, DIM};
  FAILS(ROX_INVALID_ARGUMENT, "keys: neither numbers nor strings",
        rox_collection_upsert(collection, &no_keys, &row, NULL, 0, NULL, &message));
  const rox_search_options too_many = {.struct_size = sizeof(too_many), .k = 1000000};
  rox_neighbors* neighbors = NULL;
  FAILS(ROX_INVALID_ARGUMENT, "k is 1000000; it must be 1 to 10000",
        rox_collection_search(collection, &row, &too_many, &neighbors, &message));
  CHECK(neighbors == NULL);
  const rox_collection_options same = {.struct_size = sizeof(same), .dim = DIM};
  rox_collection* again = NULL;
  FAILS(ROX_ALREADY_EXISTS, "default",
        rox_collection_create(database, "default", &same, &again, &message));
  CHECK(strcmp(rox_status_name(ROX_DISK_FULL), "disk_full") == 0);
  CHECK(strcmp(rox_status_name(99), "unknown") == 0);
}

// Callers made for an older header, whose structures end earlier, and fields that mean nothing yet.
static void structures_of_other_versions(rox_database* database, rox_collection* collection) {
  // What lies behind the size that was told is never looked at.
  const rox_search_options shorter = {.struct_size = offsetof(rox_search_options, search_list_size),
                                      .k = 1,
                                      .search_list_size = SIZE_MAX,
                                      .flags = UINT32_MAX};
  const rox_matrix query = {ROX_U8, rows, 1, DIM};
  rox_neighbors* neighbors = NULL;
  OK(rox_collection_search(collection, &query, &shorter, &neighbors, &message));
  CHECK(rox_neighbors_count(neighbors, 0) == 1);
  rox_neighbors_free(neighbors);

  rox_collection_report report;
  memset(&report, 0x5a, sizeof(report));
  const size_t known = offsetof(rox_collection_report, indexed_points);
  report.struct_size = known;
  OK(rox_collection_info(collection, &report, &message));
  CHECK(report.struct_size == known && report.dim == DIM);
  CHECK(report.points == rox_collection_size(collection));
  for (size_t i = known; i < sizeof(report); ++i) CHECK(((const char*)&report)[i] == 0x5a);
  report.struct_size = 8;
  FAILS(ROX_INVALID_ARGUMENT, "struct_size", rox_collection_info(collection, &report, &message));

  const rox_database_options reserved = {.struct_size = sizeof(reserved), .reserved = 1};
  rox_database* other = NULL;
  FAILS(ROX_UNSUPPORTED, "reserved", rox_database_open("unused", &reserved, &other, &message));
  const rox_collection_options also = {.struct_size = sizeof(also), .dim = DIM, .reserved = 1};
  rox_collection* none = NULL;
  FAILS(ROX_UNSUPPORTED, "reserved",
        rox_collection_create(database, "unused", &also, &none, &message));
  CHECK(other == NULL && none == NULL);
}

struct worker {
  rox_collection* collection;
  int number;
};

// Writes keys of its own, reads them back, searches.
static void* work(void* context) {
  const struct worker* worker = context;
  for (uint64_t i = 0; i < 50; ++i) {
    const uint64_t number = 1000000u * (uint64_t)(worker->number + 1) + i;
    uint8_t vector[DIM];
    memset(vector, worker->number * 50 + (int)i, DIM);
    const rox_keys keys = {.numbers = &number, .count = 1};
    const rox_matrix row = {ROX_U8, vector, 1, DIM};
    OK(rox_collection_upsert(worker->collection, &keys, &row, NULL, ROX_ON_DUPLICATE_ERROR, NULL,
                             &message));
    const rox_key key = {.type = ROX_KEY_U64, .number = number};
    rox_points* points = NULL;
    OK(rox_collection_get(worker->collection, &key, &points, &message));
    rox_point point;
    CHECK(rox_points_at(points, 0, &point) && memcmp(point.vector, vector, DIM) == 0);
    rox_points_free(points);
    const rox_search_options options = {.struct_size = sizeof(options), .k = 1};
    uint64_t nearest = 0;
    float distance_of_it = -1;
    size_t found = 0;
    OK(rox_collection_search_u64(worker->collection, &row, &options, &nearest, &distance_of_it,
                                 &found, &message));
    CHECK(found == 1 && distance_of_it == 0);
    // Wrong calls of one thread leave their messages to it alone.
    char part[32];
    snprintf(part, sizeof(part), "%d", 20 + worker->number);
    const rox_matrix wide = {ROX_U8, rows, 1, 20 + (size_t)worker->number};
    FAILS(ROX_INVALID_ARGUMENT, part,
          rox_collection_upsert(worker->collection, &keys, &wide, NULL, 0, NULL, &message));
  }
  return NULL;
}

static void many_threads(rox_collection* collection) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  struct worker workers[THREADS];
  const uint64_t before = rox_collection_size(collection);
  for (int i = 0; i < THREADS; ++i) {
    workers[i] = (struct worker){collection, i};
    CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  }
  for (int i = 0; i < THREADS; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(rox_collection_size(collection) == before + THREADS * 50);
}

struct progress {
  int calls;
  bool goes_on;
};

static bool count_calls(const char* phase, double fraction, void* context) {
  struct progress* progress = context;
  CHECK(phase != NULL && fraction >= 0 && fraction <= 1);
  ++progress->calls;
  return progress->goes_on;
}

// Enough points for a graph, built here; cancelling; a copy and a check of it.
static void long_calls(rox_database* database, const char* copy) {
  enum { MANY = 12000 };
  rox_collection* collection = create(database, "many", ROX_KEY_U64);
  uint8_t* vectors = malloc(MANY * DIM);
  uint64_t* keys = malloc(MANY * sizeof(uint64_t));
  fill(vectors, MANY * DIM);
  for (uint64_t i = 0; i < MANY; ++i) keys[i] = i;
  const rox_keys view = {.numbers = keys, .count = MANY};
  const rox_matrix matrix = {ROX_U8, vectors, MANY, DIM};
  OK(rox_collection_upsert(collection, &view, &matrix, NULL, 0, NULL, &message));

  struct progress progress = {0, false};
  FAILS(ROX_CANCELLED, "the graph was stopped",
        rox_collection_build_index(collection, count_calls, &progress, &message));
  CHECK(progress.calls > 0);
  rox_collection_report info = {.struct_size = sizeof(info)};
  OK(rox_collection_info(collection, &info, &message));
  CHECK(strcmp(info.regime, "exact") == 0);
  progress = (struct progress){0, true};
  OK(rox_collection_build_index(collection, count_calls, &progress, &message));
  OK(rox_collection_info(collection, &info, &message));
  CHECK(info.struct_size == sizeof(info) && info.dim == DIM && info.type == ROX_U8);
  CHECK(info.points == MANY && info.indexed_points == MANY && info.unindexed_points == 0);
  CHECK(strcmp(info.regime, "resident") == 0 || strcmp(info.regime, "disk") == 0);

  progress = (struct progress){0, false};
  FAILS(ROX_CANCELLED, "stopped on request",
        rox_database_snapshot(database, copy, count_calls, &progress, &message));
  rox_strings* problems = NULL;
  FAILS(ROX_CANCELLED, "the check was stopped",
        rox_database_verify(database, false, count_calls, &progress, &problems, &message));
  progress = (struct progress){0, true};
  OK(rox_database_snapshot(database, copy, count_calls, &progress, &message));
  CHECK(progress.calls > 0);
  OK(rox_database_verify(database, false, count_calls, &progress, &problems, &message));
  CHECK(rox_strings_count(problems) == 0 && rox_strings_at(problems, 0).data == NULL);
  rox_strings_free(problems);

  // Without a graph in the way: both say the same of themselves.
  const rox_search_options exact = {
      .struct_size = sizeof(exact), .k = 1, .flags = ROX_SEARCH_EXACT};
  const rox_matrix query = {ROX_U8, vectors + 77 * DIM, 1, DIM};
  uint64_t key = 0;
  float nearest = -1;
  size_t found = 0;
  OK(rox_collection_search_u64(collection, &query, &exact, &key, &nearest, &found, &message));
  CHECK(found == 1 && key == 77 && nearest == 0);
  rox_collection_free(collection);
  free(vectors);
  free(keys);
}

static void read_copy(const char* path) {
  const rox_database_options options = {.struct_size = sizeof(options),
                                        .flags = ROX_OPEN_READ_ONLY};
  rox_database* database = NULL;
  OK(rox_database_open(path, &options, &database, &message));
  rox_strings* names = NULL;
  OK(rox_database_collection_names(database, &names, &message));
  CHECK(rox_strings_count(names) == 3);
  CHECK(strcmp(rox_strings_at(names, 0).data, "default") == 0);
  CHECK(strcmp(rox_strings_at(names, 1).data, "many") == 0);
  CHECK(strcmp(rox_strings_at(names, 2).data, "names") == 0);
  rox_strings_free(names);
  rox_collection* collection = NULL;
  OK(rox_collection_open(database, "default", &collection, &message));
  CHECK(rox_collection_size(collection) == ROWS + 200);
  FAILS(ROX_READ_ONLY, "is open read-only", upsert_rows(collection, 0, 1, 0, NULL, &message));
  // A collection outlives its database and says so.
  rox_database_free(database);
  const rox_key key = {.type = ROX_KEY_U64, .number = numbers[0]};
  rox_points* points = NULL;
  FAILS(ROX_NOT_FOUND, "closed", rox_collection_get(collection, &key, &points, &message));
  rox_collection_free(collection);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: c_test FOLDER\n");
    return 2;
  }
  CHECK(strchr(rox_version(), '.') != NULL);
  fill(rows, sizeof(rows));
  for (size_t i = 0; i < ROWS; ++i) numbers[i] = 10 * i;

  char path[4096];
  snprintf(path, sizeof(path), "%s", path_in(argv[1], "c.rox"));
  rox_database* database = open_new(path);
  rox_collection* collection = create(database, "default", ROX_KEY_U64);
  upsert_and_search(collection);
  fewer_than_k(database);
  get_erase_and_scan(collection);
  string_keys_and_payloads(database);
  wrong_arguments(database, collection, path);
  structures_of_other_versions(database, collection);
  many_threads(collection);
  OK(rox_database_flush(database, &message));
  long_calls(database, path_in(argv[1], "copy.rox"));
  OK(rox_database_close(database, &message));
  rox_database_free(database);
  rox_collection_free(collection);
  read_copy(path_in(argv[1], "copy.rox"));
  // NULL may be freed.
  rox_database_free(NULL);
  rox_neighbors_free(NULL);
  rox_points_free(NULL);
  rox_scan_free(NULL);
  rox_strings_free(NULL);
  rox_free(NULL);
  puts("c_test: all is well");
  return 0;
}
