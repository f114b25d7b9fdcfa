// CPU time of single searches in process, one thread: what a server's requests are compared with.
//
//   search_cpu DB QUERIES.u8bin [SEARCHES] [K] [LIST_SIZE]
//
// Prints one JSON object: searches, cpu_us_per_search.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "roxanne/roxanne.h"

namespace {

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

int fail(const roxanne::Status& status) {
  std::fprintf(stderr, "search_cpu: %s\n", status.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 3) {
    std::fprintf(stderr, "search_cpu DB QUERIES.u8bin [SEARCHES] [K] [LIST_SIZE]\n");
    return 2;
  }
  const size_t searches = argument_count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 100'000;
  roxanne::SearchOptions options;
  if (argument_count > 4) options.k = std::strtoull(arguments[4], nullptr, 10);
  if (argument_count > 5) options.search_list_size = std::strtoull(arguments[5], nullptr, 10);
  const auto database = roxanne::Database::open(arguments[1], {.read_only = true});
  if (!database) return fail(database.status());
  const auto collection = database->collection();
  if (!collection) return fail(collection.status());
  std::ifstream file(arguments[2], std::ios::binary);
  file.seekg(8);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t dim = collection->options().dim;
  const size_t queries = bytes.size() / dim;
  const auto search = [&](size_t i) {
    const roxanne::VectorView query(roxanne::ScalarType::kU8, bytes.data() + i % queries * dim,
                                    dim);
    return collection->search(query, options).status();
  };
  for (size_t i = 0; i < queries; ++i) {  // loads the graph
    if (const auto status = search(i); !status) return fail(status);
  }
  const double before = cpu_us();
  for (size_t i = 0; i < searches; ++i) {
    if (const auto status = search(i); !status) return fail(status);
  }
  std::printf("{\"searches\": %zu, \"cpu_us_per_search\": %.2f}\n", searches,
              (cpu_us() - before) / static_cast<double>(searches));
  return 0;
}
