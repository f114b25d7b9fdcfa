// bench_kernels: how fast the distance kernels are, next to what this machine can do at most.
//
//   bench_kernels [--json] [--isa NAME] [--quick]
//
// One to many is L2, in ns a distance: `hot` rows fit the first caches, `stream` reads a large
// array from its beginning to its end, `random` reads one row at a time anywhere in it. `read` is
// the bandwidth of a plain sum over the same array and `ratio` is stream's share of it. Many to
// many is G multiply-adds a second with the panels packed in the measured time, then without;
// `peak` is what registers alone reach, OpenBLAS what sgemm reaches on one thread. All on one
// thread; the best of several rounds, since other work only ever slows one down.
#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/f16.h"
#include "bench/limits.h"
#include "kernels/distance.h"

namespace roxanne::bench {
namespace {

using kernels::KernelTable;
using kernels::PanelKernels;

constexpr size_t kArrayBytes = size_t{512} << 20;
constexpr size_t kHotBytes = 16 << 10;
constexpr size_t kDims[] = {128, 384, 768, 1536};

struct Options {
  bool json = false;
  bool quick = false;
  std::string isa;
  int rounds() const { return quick ? 1 : 5; }
};

using Clock = std::chrono::steady_clock;

template <typename Work>
double seconds_min(int rounds, const Work& work) {
  double best = 1e30;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

// Anonymous memory in huge pages where the machine has them, or random reads measure the TLB.
class Array {
 public:
  explicit Array(size_t bytes) : bytes_(bytes) {
    void* map = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
      std::perror("mmap");
      std::exit(1);
    }
    map_ = map;
    const auto address = reinterpret_cast<uintptr_t>(map);
    data_ = reinterpret_cast<uint8_t*>((address + kHugePage - 1) / kHugePage * kHugePage);
    madvise(data_, bytes, MADV_HUGEPAGE);
  }
  ~Array() { munmap(map_, bytes_ + kHugePage); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  uint8_t* data() { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;
  void* map_;
  uint8_t* data_;
  size_t bytes_;
};

struct ElementType {
  const char* name;
  size_t row_bytes;  // of an element
  size_t query_bytes;
  kernels::FloatToRowsFn KernelTable::*float_l2;
  kernels::IntToRowsFn KernelTable::*int_l2;
};

constexpr ElementType kTypes[] = {
    {"f32", 4, 4, &KernelTable::l2_f32, nullptr},
    {"f16", 2, 4, &KernelTable::l2_f16, nullptr},
    {"u8", 1, 1, nullptr, &KernelTable::l2_u8},
    {"i8", 1, 1, nullptr, &KernelTable::l2_i8},
};

// Fills with elements of the type: values in [-1, 1], or any bytes.
void fill(uint8_t* to, size_t bytes, size_t element_bytes) {
  constexpr size_t kBlock = 1 << 20;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<uint8_t> block(std::min(bytes, kBlock));
  for (size_t i = 0; i + element_bytes <= block.size(); i += element_bytes) {
    const float value = values(random);
    const uint16_t half = base::f32_to_f16(value);
    const auto byte = static_cast<uint8_t>(random());
    const void* from = &byte;
    if (element_bytes == 4) from = &value;
    if (element_bytes == 2) from = &half;
    std::memcpy(&block[i], from, element_bytes);
  }
  for (size_t at = 0; at < bytes; at += kBlock) {
    std::memcpy(to + at, block.data(), std::min(kBlock, bytes - at));
  }
}

// L2 of a type with its result type forgotten: results are 4 bytes each.
class OneToMany {
 public:
  OneToMany(const KernelTable& table, const ElementType& type, size_t dim, size_t most_rows)
      : table_(table), type_(type), dim_(dim), query_(dim * type.query_bytes), out_(most_rows) {
    fill(query_.data(), query_.size(), type.query_bytes);
  }
  void run(const void* rows, size_t row_count) {
    if (type_.float_l2 != nullptr) {
      (table_.*type_.float_l2)(query_.data(), rows, row_count, dim_,
                               reinterpret_cast<float*>(out_.data()));
    } else {
      (table_.*type_.int_l2)(query_.data(), rows, row_count, dim_, out_.data());
    }
  }

 private:
  const KernelTable& table_;
  const ElementType& type_;
  size_t dim_;
  std::vector<uint8_t> query_;
  std::vector<int32_t> out_;
};

struct OneToManyResult {
  const char* isa;
  const char* type;
  size_t dim;
  double hot_ns, hot_gb_s;
  double stream_ns, stream_gb_s, read_gb_s;
  double random_ns;
};

OneToManyResult measure(const KernelTable& table, const ElementType& type, size_t dim, Array& array,
                        const Options& options) {
  // Rows of one call as a scan would have: results stay in the cache.
  constexpr size_t kCallRows = 4096;
  const size_t row_bytes = dim * type.row_bytes;
  const size_t row_count = array.bytes() / row_bytes;
  OneToMany kernel(table, type, dim, kCallRows);
  OneToManyResult result = {table.isa, type.name, dim, 0, 0, 0, 0, 0, 0};

  const size_t hot_rows = std::max<size_t>(8, kHotBytes / row_bytes / 4 * 4);
  const size_t repeats = 1 + 20'000'000 / (hot_rows * row_bytes);
  const double hot = seconds_min(options.rounds(), [&] {
    for (size_t i = 0; i < repeats; ++i) kernel.run(array.data(), hot_rows);
  });
  result.hot_ns = hot * 1e9 / static_cast<double>(repeats * hot_rows);
  result.hot_gb_s = static_cast<double>(row_bytes) / result.hot_ns;

  // The plain read alternates with the kernel, so that both see the same neighbours on the machine.
  double stream = 1e30, read = 1e30;
  for (int round = 0; round < options.rounds(); ++round) {
    read = std::min(read, seconds_min(1, [&] { read_all(array.data(), array.bytes()); }));
    stream =
        std::min(stream, seconds_min(1, [&] {
                   for (size_t r = 0; r < row_count; r += kCallRows) {
                     kernel.run(array.data() + r * row_bytes, std::min(kCallRows, row_count - r));
                   }
                 }));
  }
  result.stream_ns = stream * 1e9 / static_cast<double>(row_count);
  result.stream_gb_s = static_cast<double>(row_bytes) / result.stream_ns;
  result.read_gb_s = static_cast<double>(array.bytes()) / read / 1e9;

  const size_t picks = options.quick ? 50'000 : 200'000;
  std::mt19937_64 random(2);
  std::vector<size_t> order(picks);
  for (size_t& pick : order) pick = random() % row_count;
  const double gather = seconds_min(options.rounds(), [&] {
    for (const size_t pick : order) kernel.run(array.data() + pick * row_bytes, 1);
  });
  result.random_ns = gather * 1e9 / static_cast<double>(picks);
  return result;
}

void print(const OneToManyResult& r, const Options& options) {
  const double ratio = r.stream_gb_s / r.read_gb_s;
  if (options.json) {
    std::printf(
        "{\"bench\":\"one_to_many\",\"isa\":\"%s\",\"type\":\"%s\",\"dim\":%zu,\"hot_ns\":%.3f,"
        "\"hot_gb_s\":%.2f,\"stream_ns\":%.3f,\"stream_gb_s\":%.2f,\"read_gb_s\":%.2f,"
        "\"stream_ratio\":%.3f,\"random_ns\":%.2f}\n",
        r.isa, r.type, r.dim, r.hot_ns, r.hot_gb_s, r.stream_ns, r.stream_gb_s, r.read_gb_s, ratio,
        r.random_ns);
  } else {
    std::printf("%-7s %-4s %5zu  %9.2f %8.1f  %9.2f %8.1f %8.1f %6.2f  %9.1f\n", r.isa, r.type,
                r.dim, r.hot_ns, r.hot_gb_s, r.stream_ns, r.stream_gb_s, r.read_gb_s, ratio,
                r.random_ns);
  }
  std::fflush(stdout);
}

struct Aligned {
  explicit Aligned(size_t bytes)
      : data(static_cast<uint8_t*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), &std::free) {
    std::memset(data.get(), 0, bytes);
  }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data.get());
  }
  std::unique_ptr<uint8_t, void (*)(void*)> data;
};

constexpr size_t kPanelQueries = 240;
constexpr size_t kPanelRowsTotal = 4096;

struct ManyToMany {
  double packed_gmac_s = 0;  // pack() in the measured time
  double dot_gmac_s = 0;
};

template <typename Out>
ManyToMany measure_panels(const PanelKernels<Out>& panels, size_t dim, size_t row_element_bytes,
                          size_t query_element_bytes, const Options& options) {
  Aligned rows(kPanelRowsTotal * dim * row_element_bytes);
  Aligned queries(kPanelQueries * dim * query_element_bytes);
  fill(rows.data.get(), kPanelRowsTotal * dim * row_element_bytes, row_element_bytes);
  fill(queries.data.get(), kPanelQueries * dim * query_element_bytes, query_element_bytes);
  Aligned panel(panels.panel_bytes(dim));
  Aligned prepared(panels.prepared_bytes(kPanelQueries, dim));
  Aligned out(kPanelQueries * panels.panel_rows * sizeof(Out));
  panels.prepare(queries.as<void>(), kPanelQueries, dim, prepared.as<void>());
  const auto pass = [&](bool with_pack) {
    for (size_t r = 0; r < kPanelRowsTotal; r += panels.panel_rows) {
      if (with_pack || r == 0) {
        panels.pack(rows.data.get() + r * dim * row_element_bytes, panels.panel_rows, dim,
                    panel.as<void>());
      }
      panels.dot(panel.as<void>(), prepared.as<void>(), 0, kPanelQueries, dim, out.as<Out>(),
                 panels.panel_rows);
    }
  };
  const double gmac = static_cast<double>(kPanelRowsTotal * kPanelQueries * dim) / 1e9;
  const int rounds = options.quick ? 1 : 7;
  return {gmac / seconds_min(rounds, [&] { pass(true); }),
          gmac / seconds_min(rounds, [&] { pass(false); })};
}

// sgemm of OpenBLAS, where the machine has it.
class OpenBlas {
 public:
  OpenBlas() {
    void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    load(library, "cblas_sgemm", sgemm_);
    load(library, "openblas_get_corename", core_name_);
    void (*set_threads)(int) = nullptr;
    load(library, "openblas_set_num_threads", set_threads);
    if (set_threads != nullptr) set_threads(1);
  }
  bool is_there() const { return sgemm_ != nullptr; }
  const char* core() const { return core_name_ != nullptr ? core_name_() : "unknown core"; }

  double gmac_s(size_t dim, const Options& options) const {
    constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;
    std::vector<float> queries(kPanelQueries * dim), rows(kPanelRowsTotal * dim);
    std::vector<float> out(kPanelQueries * kPanelRowsTotal);
    fill(reinterpret_cast<uint8_t*>(queries.data()), queries.size() * 4, 4);
    fill(reinterpret_cast<uint8_t*>(rows.data()), rows.size() * 4, 4);
    const int k = static_cast<int>(dim), n = kPanelRowsTotal, m = kPanelQueries;
    const double seconds = seconds_min(options.quick ? 2 : 7, [&] {
      sgemm_(kRowMajor, kNoTranspose, kTranspose, m, n, k, 1.0f, queries.data(), k, rows.data(), k,
             0.0f, out.data(), n);
    });
    return static_cast<double>(kPanelRowsTotal * kPanelQueries * dim) / 1e9 / seconds;
  }

 private:
  template <typename Function>
  static void load(void* library, const char* name, Function& function) {
    void* symbol = dlsym(library, name);
    std::memcpy(&function, &symbol, sizeof(function));
  }
  void (*sgemm_)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                 float*, int) = nullptr;
  char* (*core_name_)() = nullptr;
};

void print(const char* isa, const char* type, size_t dim, const ManyToMany& result, double peak,
           double blas, const Options& options) {
  if (options.json) {
    std::printf(
        "{\"bench\":\"many_to_many\",\"isa\":\"%s\",\"type\":\"%s\",\"dim\":%zu,"
        "\"packed_gmac_s\":%.1f,\"dot_gmac_s\":%.1f,\"peak_gmac_s\":%.1f,\"sgemm_gmac_s\":%.1f}\n",
        isa, type, dim, result.packed_gmac_s, result.dot_gmac_s, peak, blas);
  } else {
    std::printf("%-7s %-4s %5zu  %9.1f %9.1f", isa, type, dim, result.packed_gmac_s,
                result.dot_gmac_s);
    if (peak > 0) std::printf("  %8.1f %6.2f", peak, result.dot_gmac_s / peak);
    if (blas > 0) std::printf("  %8.1f %6.2f", blas, result.packed_gmac_s / blas);
    std::printf("\n");
  }
  std::fflush(stdout);
}

void bench_one_to_many(const std::vector<const KernelTable*>& tables, const Options& options) {
  if (!options.json) {
    std::printf("one to many, L2\n%-7s %-4s %5s  %9s %8s  %9s %8s %8s %6s  %9s\n", "isa", "type",
                "dim", "hot ns", "GB/s", "stream ns", "GB/s", "read", "ratio", "random ns");
  }
  Array array(kArrayBytes);
  for (const ElementType& type : kTypes) {
    fill(array.data(), array.bytes(), type.row_bytes);
    for (const KernelTable* table : tables) {
      for (const size_t dim : kDims) print(measure(*table, type, dim, array, options), options);
    }
  }
}

void bench_many_to_many(const std::vector<const KernelTable*>& tables, const Options& options) {
  const OpenBlas blas;
  if (!options.json) {
    std::printf("\nmany to many, %zu queries, %zu rows, G multiply-adds/s; OpenBLAS %s\n",
                kPanelQueries, kPanelRowsTotal,
                blas.is_there() ? blas.core() : "not found (apt-get install libopenblas0)");
    std::printf("%-7s %-4s %5s  %9s %9s  %8s %6s  %8s %6s\n", "isa", "type", "dim", "with pack",
                "dot", "peak", "ratio", "sgemm", "ratio");
  }
  for (const KernelTable* table : tables) {
    const Peaks peaks = measure_peaks(table->isa);
    for (const size_t dim : kDims) {
      const double sgemm = blas.is_there() ? blas.gmac_s(dim, options) : 0;
      print(table->isa, "f32", dim, measure_panels(table->panel_f32, dim, 4, 4, options),
            peaks.f32_gmac_s, sgemm, options);
      print(table->isa, "f16", dim, measure_panels(table->panel_f16, dim, 2, 4, options),
            peaks.f32_gmac_s, sgemm, options);
      print(table->isa, "u8", dim, measure_panels(table->panel_u8, dim, 1, 1, options),
            peaks.int_gmac_s, 0, options);
      print(table->isa, "i8", dim, measure_panels(table->panel_i8, dim, 1, 1, options),
            peaks.int_gmac_s, 0, options);
    }
  }
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") {
      options.json = true;
    } else if (argument == "--quick") {
      options.quick = true;
    } else if (argument == "--isa" && i + 1 < argc) {
      options.isa = argv[++i];
    } else {
      std::fprintf(stderr, "usage: bench_kernels [--json] [--quick] [--isa NAME]\n");
      return 2;
    }
  }
  std::vector<const KernelTable*> tables;
  for (const KernelTable* table : kernels::available_kernels()) {
    if (options.isa.empty() || options.isa == table->isa) tables.push_back(table);
  }
  if (tables.empty()) {
    std::fprintf(stderr, "bench_kernels: this machine has no %s\n", options.isa.c_str());
    return 2;
  }
  bench_one_to_many(tables, options);
  bench_many_to_many(tables, options);
  return 0;
}

}  // namespace
}  // namespace roxanne::bench

int main(int argc, char** argv) { return roxanne::bench::run(argc, argv); }
