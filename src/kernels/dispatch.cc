// Chooses the instruction set once, from what the processor has or from ROX_ISA.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/tables.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace roxanne::kernels {
namespace {

struct Candidate {
  const KernelTable* table;
  bool (*is_available)();
};

#if defined(__x86_64__)
// clang 14 does not know the name "f16c".
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
#endif

// Best last.
constexpr Candidate kCandidates[] = {
    {&kScalarTable, [] { return true; }},
#if defined(__x86_64__)
    {&kAvx2Table, has_avx2},
    {&kAvx512Table, has_avx512},
#elif defined(__aarch64__)
    {&kNeonTable, [] { return true; }},
#endif
};
constexpr size_t kCandidateCount = sizeof(kCandidates) / sizeof(kCandidates[0]);

struct Survey {
  const KernelTable* available[kCandidateCount] = {};
  size_t available_count = 0;
  const char* unavailable[kCandidateCount] = {};
  size_t unavailable_count = 0;

  Survey() {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (const Candidate& candidate : kCandidates) {
      if (candidate.is_available()) {
        available[available_count++] = candidate.table;
      } else {
        unavailable[unavailable_count++] = candidate.table->isa;
      }
    }
  }
};

const Survey& survey() {
  static const Survey result;
  return result;
}

// Running on with other kernels than the ones asked for would make a measurement or a bug report
// lie, and there is no caller to return a Status to.
[[noreturn]] void refuse(const char* isa) {
  std::fprintf(stderr,
               "roxanne: ROX_ISA=%s is not an instruction set of this machine; it has:", isa);
  for (const KernelTable* table : available_kernels()) std::fprintf(stderr, " %s", table->isa);
  std::fprintf(stderr, "\n");
  std::_Exit(2);
}

const KernelTable& choose() {
  const std::span<const KernelTable* const> tables = available_kernels();
  const char* forced = std::getenv("ROX_ISA");  // NOLINT(concurrency-mt-unsafe): read once
  if (forced == nullptr || *forced == '\0') return *tables.back();
  for (const KernelTable* table : tables) {
    if (std::strcmp(table->isa, forced) == 0) return *table;
  }
  refuse(forced);
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable& chosen = choose();
  return chosen;
}

std::span<const KernelTable* const> available_kernels() {
  return {survey().available, survey().available_count};
}

std::span<const char* const> unavailable_isas() {
  return {survey().unavailable, survey().unavailable_count};
}

}  // namespace roxanne::kernels
