// What tiles of registers are made with: AVX-512's vectors, of a function for processors that have them.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define DELTARULE_HAS_VECTORS
#pragma GCC diagnostic ignored "-Wuninitialized"  // of GCC 12's own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#define DELTARULE_TILES __attribute__((target("avx512f")))

namespace deltarule {

constexpr int64_t kVector = 16;  // numbers

// Those of a vector that there are, of so many left.
inline __mmask16 first(int64_t numbers) { return numbers >= kVector ? 0xFFFF : (1u << numbers) - 1; }

// At least so many numbers, which the thread keeps for the next time.
inline float* scratch(std::vector<float>& kept, int64_t numbers) {
  kept.resize(std::max<size_t>(kept.size(), numbers));
  return kept.data();
}

}  // namespace deltarule

#endif
