// The C API (C11): Roxanne for every language that can call C.
//
// Handles are opaque. What a function gives in its last-but-one argument is the caller's and is
// freed by the function named after its type; NULL may be freed. Inputs are only read during the
// call. Every function that can fail returns a rox_status and, where `message` is not NULL, leaves
// there NULL or, on failure, a text saying which row, key or file it was and what to do about it:
// free it with rox_free. On failure no other output is written.
//
// A database and a collection may be used by many threads at once; a result or a scan by one.
// Collections and results may be freed before or after their database, a scan only
// before. After rox_database_close calls on its collections return ROX_NOT_FOUND.
//
// This interface grows and does not change: structures that may grow begin with their size, and
// zero in any field means the default.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROX_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rox_database rox_database;
typedef struct rox_collection rox_collection;
typedef struct rox_neighbors rox_neighbors;  // the answers of a search
typedef struct rox_points rox_points;        // points with their vectors
typedef struct rox_scan rox_scan;
typedef struct rox_strings rox_strings;

typedef int32_t rox_status;
enum {
  ROX_OK = 0,
  ROX_INVALID_ARGUMENT = 1,  // the caller's input is wrong; nothing was changed
  ROX_NOT_FOUND = 2,         // no such key, collection or database
  ROX_ALREADY_EXISTS = 3,
  ROX_LOCKED = 4,  // another process writes; the message names its pid
  ROX_CORRUPTION = 5,
  ROX_DISK_FULL = 6,
  ROX_READ_ONLY = 7,
  ROX_IO_ERROR = 8,
  ROX_CANCELLED = 9,
  ROX_UNSUPPORTED = 10,
  ROX_OUT_OF_MEMORY = 11,
};

typedef int32_t rox_scalar_type;
enum { ROX_F32 = 0, ROX_F16 = 1, ROX_U8 = 2, ROX_I8 = 3 };

typedef int32_t rox_metric;
enum {
  ROX_L2 = 0,             // squared Euclidean distance
  ROX_INNER_PRODUCT = 1,  // minus the inner product
  ROX_COSINE = 2,         // one minus the cosine
};

typedef int32_t rox_key_type;
enum { ROX_KEY_U64 = 0, ROX_KEY_STRING = 1 };

// Bytes that another owns; no NUL at the end is needed or promised.
typedef struct {
  const char* data;
  size_t size;
} rox_string;

// A key, read where `type` says.
typedef struct {
  rox_key_type type;
  uint64_t number;
  rox_string string;
} rox_key;

// `count` keys: `numbers` or `strings`, as the collection's key type wants; the other is NULL.
typedef struct {
  const uint64_t* numbers;
  const rox_string* strings;
  size_t count;
} rox_keys;

// rows x dim scalars, row-major and dense, of any alignment; f16 is IEEE 754 binary16.
typedef struct {
  rox_scalar_type type;
  const void* data;
  size_t rows;
  size_t dim;
} rox_matrix;

// Called now and then, by one thread at a time, not always the caller's, with what is being done
// and the fraction done, in [0, 1]; false cancels. Must not call the database, nor leave otherwise
// than by returning: no exception, no longjmp.
typedef bool (*rox_progress)(const char* phase, double fraction, void* context);

// The library's version, "0.1.0". Do not free.
ROX_API const char* rox_version(void);
// The name of a status, "not_found"; "unknown" where there is none. Do not free.
ROX_API const char* rox_status_name(rox_status status);
ROX_API void rox_free(char* message);

// ---- Databases

enum {
  ROX_OPEN_CREATE_IF_MISSING = 1,
  ROX_OPEN_ERROR_IF_EXISTS = 2,
  ROX_OPEN_READ_ONLY = 4,           // as it is at this moment, beside a process that writes
  ROX_OPEN_NO_AUTOMATIC_INDEX = 8,  // graphs are built by rox_collection_build_index alone
};

enum { ROX_DURABILITY_FULL = 0, ROX_DURABILITY_GROUPED = 1, ROX_DURABILITY_NONE = 2 };

typedef struct {
  size_t struct_size;  // sizeof(rox_database_options)
  uint32_t flags;      // ROX_OPEN_...
  int32_t durability;
  uint64_t memory_limit_bytes;  // 0 = half of what the process may use; at least 32 MiB
  uint32_t thread_count;        // of a search or a build; 0 = one a processor
  uint32_t reserved;
} rox_database_options;

// `options` may be NULL. ROX_NOT_FOUND, ROX_ALREADY_EXISTS, ROX_LOCKED, ROX_CORRUPTION,
// ROX_UNSUPPORTED, ROX_IO_ERROR.
ROX_API rox_status rox_database_open(const char* path, const rox_database_options* options,
                                     rox_database** database, char** message);
// Makes every acknowledged write durable and releases the lock; no other call may be running. The
// handle still is to be freed.
ROX_API rox_status rox_database_close(rox_database* database, char** message);
// Closes where rox_database_close was not called; its errors are then lost.
ROX_API void rox_database_free(rox_database* database);
// Makes every acknowledged write durable, whatever the durability.
ROX_API rox_status rox_database_flush(rox_database* database, char** message);
// Copies the database as it is at one moment of the call to the folder `path`, which must not be
// there or be empty, while others write. `progress` may be NULL.
ROX_API rox_status rox_database_snapshot(rox_database* database, const char* path,
                                         rox_progress progress, void* context, char** message);
// Reads every byte and checks every invariant. `problems` lists what is wrong: none where all is
// well. A failed status means that the check could not run. `progress` may be NULL.
ROX_API rox_status rox_database_verify(rox_database* database, bool repair, rox_progress progress,
                                       void* context, rox_strings** problems, char** message);
ROX_API rox_status rox_database_collection_names(rox_database* database, rox_strings** names,
                                                 char** message);

ROX_API size_t rox_strings_count(const rox_strings* strings);
// Valid until `strings` is freed; {NULL, 0} where `index` is not below the count. A NUL follows.
ROX_API rox_string rox_strings_at(const rox_strings* strings, size_t index);
ROX_API void rox_strings_free(rox_strings* strings);

// ---- Collections

typedef struct {
  size_t struct_size;  // sizeof(rox_collection_options)
  size_t dim;          // 1..16,384; required
  rox_scalar_type type;
  rox_metric metric;
  rox_key_type key_type;
  uint32_t reserved;
} rox_collection_options;

// `name`: 1..128 of letters, digits, '_', '-' and '.'. ROX_ALREADY_EXISTS, ROX_INVALID_ARGUMENT.
ROX_API rox_status rox_collection_create(rox_database* database, const char* name,
                                         const rox_collection_options* options,
                                         rox_collection** collection, char** message);
// ROX_NOT_FOUND. `name` "default" is the one meant where none is named.
ROX_API rox_status rox_collection_open(rox_database* database, const char* name,
                                       rox_collection** collection, char** message);
ROX_API rox_status rox_collection_drop(rox_database* database, const char* name, char** message);
ROX_API void rox_collection_free(rox_collection* collection);

typedef struct {
  size_t struct_size;  // sizeof(rox_collection_report)
  size_t dim;
  rox_scalar_type type;
  rox_metric metric;
  rox_key_type key_type;
  uint32_t reserved;
  uint64_t points;
  uint64_t indexed_points;    // that the graph finds
  uint64_t unindexed_points;  // that searches compare with one by one beside the graph
  uint64_t bytes_on_disk;
  uint64_t bytes_in_memory;
  char regime[16];  // "resident", "disk", "exact" or "damaged"; ends with a NUL
} rox_collection_report;

// Fills `info`, whose struct_size the caller has set; a smaller one gets the fields it has.
ROX_API rox_status rox_collection_info(rox_collection* collection, rox_collection_report* info,
                                       char** message);
// Points in it, the latest acknowledged write included.
ROX_API uint64_t rox_collection_size(const rox_collection* collection);

// What to do with a key that is there.
enum { ROX_ON_DUPLICATE_REPLACE = 0, ROX_ON_DUPLICATE_ERROR = 1, ROX_ON_DUPLICATE_SKIP = 2 };

typedef struct {
  uint64_t inserted;
  uint64_t replaced;
  uint64_t skipped;
} rox_upsert_counts;

// Inserts or replaces keys->count points in one atomic step, which is as durable on return as the
// database's durability says. At most 1,048,576 points.
//   vectors   count x dim of the collection's scalar type; finite; not zero under cosine
//   payloads  NULL, or count JSON objects as text of at most 64 KiB; an empty one for none
//   counts    may be NULL
// ROX_INVALID_ARGUMENT, ROX_ALREADY_EXISTS, ROX_DISK_FULL, ROX_READ_ONLY, ROX_IO_ERROR.
ROX_API rox_status rox_collection_upsert(rox_collection* collection, const rox_keys* keys,
                                         const rox_matrix* vectors, const rox_string* payloads,
                                         int32_t on_duplicate, rox_upsert_counts* counts,
                                         char** message);
// Removes the keys that are there in one atomic step; `erased`, which may be NULL, is how many.
ROX_API rox_status rox_collection_erase(rox_collection* collection, const rox_keys* keys,
                                        uint64_t* erased, char** message);
// The point of a key, alone in `points`. ROX_NOT_FOUND, ROX_CORRUPTION.
ROX_API rox_status rox_collection_get(rox_collection* collection, const rox_key* key,
                                      rox_points** points, char** message);
// Builds the graph, or brings it up to the points of now. `progress` may be NULL.
ROX_API rox_status rox_collection_build_index(rox_collection* collection, rox_progress progress,
                                              void* context, char** message);

// ---- Searching

enum { ROX_SEARCH_EXACT = 1, ROX_SEARCH_WITH_PAYLOAD = 2, ROX_SEARCH_WITH_VECTOR = 4 };

typedef struct {
  size_t struct_size;       // sizeof(rox_search_options)
  size_t k;                 // 0 = 10; at most 10,000
  size_t search_list_size;  // recall against work; 0 = the engine's choice
  uint32_t flags;           // ROX_SEARCH_...
  uint32_t thread_count;    // 0 = the database's
} rox_search_options;

// One answer; its pointers are valid until its rox_neighbors is freed.
typedef struct {
  rox_key key;
  float distance;      // smaller is nearer
  rox_string payload;  // {NULL, 0} where there is none, or ROX_SEARCH_WITH_PAYLOAD was not asked
  const void* vector;  // dim scalars; NULL where ROX_SEARCH_WITH_VECTOR was not asked
} rox_neighbor;

// The k nearest points of each query, nearest first. `options` may be NULL.
// ROX_INVALID_ARGUMENT, ROX_CORRUPTION, ROX_IO_ERROR.
ROX_API rox_status rox_collection_search(rox_collection* collection, const rox_matrix* queries,
                                         const rox_search_options* options,
                                         rox_neighbors** neighbors, char** message);
// The k nearest of a point that is there, which is itself left out, as of one query. ROX_NOT_FOUND
// too, where it is not there.
ROX_API rox_status rox_collection_search_like(rox_collection* collection, const rox_key* key,
                                              const rox_search_options* options,
                                              rox_neighbors** neighbors, char** message);
ROX_API size_t rox_neighbors_query_count(const rox_neighbors* neighbors);
// Answers of query `query`: fewer than k where the collection has fewer points.
ROX_API size_t rox_neighbors_count(const rox_neighbors* neighbors, size_t query);
// Whether there is an answer `index` of query `query`; then `neighbor` is filled.
ROX_API bool rox_neighbors_at(const rox_neighbors* neighbors, size_t query, size_t index,
                              rox_neighbor* neighbor);
ROX_API void rox_neighbors_free(rox_neighbors* neighbors);

// The same into the caller's buffers, for u64 keys.
//   keys, distances  queries->rows x k of them; those of query q begin at q * k
//   counts           queries->rows of them: how many of its k places query q filled; what lies
//                    beyond is UINT64_MAX and infinity
// ROX_INVALID_ARGUMENT too where the keys are strings, or a payload or vector is asked for.
ROX_API rox_status rox_collection_search_u64(rox_collection* collection, const rox_matrix* queries,
                                             const rox_search_options* options, uint64_t* keys,
                                             float* distances, size_t* counts, char** message);

// ---- Reading points

// One point; its pointers are valid until its rox_points is freed.
typedef struct {
  rox_key key;
  const void* vector;  // dim scalars of the collection's type
  size_t vector_bytes;
  rox_string payload;  // {NULL, 0} where there is none
} rox_point;

ROX_API size_t rox_points_count(const rox_points* points);
// Whether there is a point `index`; then `point` is filled.
ROX_API bool rox_points_at(const rox_points* points, size_t index, rox_point* point);
ROX_API void rox_points_free(rox_points* points);

// Visits every point as it was when the scan was opened, in key order or in the fastest one.
ROX_API rox_status rox_scan_open(rox_collection* collection, bool in_key_order, rox_scan** scan,
                                 char** message);
// The next at most `max_points`, which must not be 0; none at the end.
ROX_API rox_status rox_scan_next(rox_scan* scan, size_t max_points, rox_points** points,
                                 char** message);
ROX_API void rox_scan_free(rox_scan* scan);

#ifdef __cplusplus
}  // extern "C"
#endif
