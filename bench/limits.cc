#include "bench/limits.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace roxanne::bench {
namespace {

uint64_t read_words(const uint8_t* data, size_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes / 8; i += 8) {
    for (size_t s = 0; s < 8; ++s) sums[s] += words[i + s];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)

// Fetching ahead reads faster than the hardware's prefetcher alone.
constexpr size_t kAhead = 4096;

#define ROX_AVX2 __attribute__((target("avx2")))
#define ROX_AVX512 __attribute__((target("avx512f")))

ROX_AVX2 uint64_t read_avx2(const uint8_t* data, size_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (size_t i = 0; i < bytes; i += 128) {
    const auto* p = reinterpret_cast<const __m256i*>(data + i);
    for (size_t line = 0; line < 128; line += 64) __builtin_prefetch(data + i + kAhead + line);
    a = _mm256_add_epi64(a, _mm256_load_si256(p));
    b = _mm256_add_epi64(b, _mm256_load_si256(p + 1));
    c = _mm256_add_epi64(c, _mm256_load_si256(p + 2));
    d = _mm256_add_epi64(d, _mm256_load_si256(p + 3));
  }
  a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  return static_cast<uint64_t>(_mm256_extract_epi64(a, 0) + _mm256_extract_epi64(a, 1) +
                               _mm256_extract_epi64(a, 2) + _mm256_extract_epi64(a, 3));
}

ROX_AVX512 uint64_t read_avx512(const uint8_t* data, size_t bytes) {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (size_t i = 0; i < bytes; i += 256) {
    const uint8_t* p = data + i;
    for (size_t line = 0; line < 256; line += 64) __builtin_prefetch(p + kAhead + line);
    a = _mm512_add_epi64(a, _mm512_load_si512(p));
    b = _mm512_add_epi64(b, _mm512_load_si512(p + 64));
    c = _mm512_add_epi64(c, _mm512_load_si512(p + 128));
    d = _mm512_add_epi64(d, _mm512_load_si512(p + 192));
  }
  a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
  alignas(64) uint64_t sums[8];
  _mm512_store_si512(sums, a);
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

// Twelve independent sums keep two units with a latency of six busy. In assembly, since a compiler
// sees that all of them are the same.
// clang-format off
#define ROX_TWELVE(LINE) \
  LINE("0") LINE("1") LINE("2") LINE("3") LINE("4") LINE("5") \
  LINE("6") LINE("7") LINE("8") LINE("9") LINE("10") LINE("11")
// clang-format on
#define ROX_CHAIN(LINE)                                                                          \
  uint64_t i = kRepeats;                                                                         \
  asm volatile("vzeroall\n1:\n" ROX_TWELVE(LINE) "dec %0\njnz 1b\nvzeroupper\n"                  \
               : "+r"(i)                                                                         \
               :                                                                                 \
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc")

constexpr uint64_t kChains = 12;
constexpr uint64_t kRepeats = 1'000'000;

void chain_avx2_f32() {
#define ROX_LINE(r) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" r "\n"
  ROX_CHAIN(ROX_LINE);
#undef ROX_LINE
}
void chain_avx2_int() {
#define ROX_LINE(r) "vpmaddwd %%ymm12, %%ymm13, %%ymm14\nvpaddd %%ymm14, %%ymm" r ", %%ymm" r "\n"
  ROX_CHAIN(ROX_LINE);
#undef ROX_LINE
}
void chain_avx512_f32() {
#define ROX_LINE(r) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" r "\n"
  ROX_CHAIN(ROX_LINE);
#undef ROX_LINE
}
void chain_avx512_int() {
#define ROX_LINE(r) "vpdpbusd %%zmm12, %%zmm13, %%zmm" r "\n"
  ROX_CHAIN(ROX_LINE);
#undef ROX_LINE
}

double gmac_s(void (*chain)(), double products) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int round = 0; round < 9; ++round) {
    const auto start = Clock::now();
    chain();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, static_cast<double>(kRepeats * kChains) * products / 1e9 / seconds);
  }
  return best;
}

#endif

}  // namespace

uint64_t read_all(const uint8_t* data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_avx512(data, bytes);
  if (__builtin_cpu_supports("avx2")) return read_avx2(data, bytes);
#endif
  return read_words(data, bytes);
}

Peaks measure_peaks(std::string_view isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return {gmac_s(chain_avx512_f32, 16), gmac_s(chain_avx512_int, 64)};
  if (isa == "avx2") return {gmac_s(chain_avx2_f32, 8), gmac_s(chain_avx2_int, 16)};
#else
  (void)isa;
#endif
  return {};
}

}  // namespace roxanne::bench
