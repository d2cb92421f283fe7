#include "narrow.h"

#include <algorithm>
#include <vector>

#include "vectors.h"

#ifdef DELTARULE_HAS_VECTORS

namespace deltarule {
namespace {

constexpr int64_t kMostTurned = 12, kMostDots = 4;  // columns, where a is transposed, and where not

// The upper half of each added to the lower.
DELTARULE_TILES inline __m512 add_halves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
}

// out[k] = the sum of the numbers of x[k].
DELTARULE_TILES inline __m512 sums_of(const __m512 (&x)[16]) {
  __m512 twos[8], fours[4];
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k)
    twos[k] = _mm512_add_ps(_mm512_unpacklo_ps(x[2 * k], x[2 * k + 1]), _mm512_unpackhi_ps(x[2 * k], x[2 * k + 1]));
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k)
    fours[k] = _mm512_add_ps(_mm512_shuffle_ps(twos[2 * k], twos[2 * k + 1], 0x44),
                             _mm512_shuffle_ps(twos[2 * k], twos[2 * k + 1], 0xEE));
  const __m512 low = add_halves(fours[0], fours[1]), high = add_halves(fours[2], fours[3]);
  return _mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xDD));
}

// c of at most kColumns columns, 16 numbers at a time: rows of a by rows of b (columns, inner), along k.
template <int kColumns>
DELTARULE_TILES void dots(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_row, const float* b,
                          int64_t b_width, float* c, int64_t c_width, const Finish& finish) {
  constexpr int kGroup = kVector / kColumns;
  alignas(64) float out[kVector], bias[kVector];
  for (int k = 0; k < kVector; ++k) bias[k] = finish.b && k % kColumns < columns ? finish.b[k % kColumns] : 0.0f;
  for (int64_t row = 0; row < rows; row += kGroup) {
    const int64_t last = std::min<int64_t>(kGroup, rows - row) - 1;
    __m512 sums[kVector];
#pragma GCC unroll 16
    for (int k = 0; k < kVector; ++k) sums[k] = _mm512_setzero_ps();
    for (int64_t k = 0; k < inner; k += kVector) {
      const __mmask16 there = first(inner - k);
      __m512 weights[kColumns];
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j)
        weights[j] = _mm512_maskz_loadu_ps(there, b + std::min<int64_t>(j, columns - 1) * b_width + k);
#pragma GCC unroll 16
      for (int i = 0; i < kGroup; ++i) {
        const __m512 numbers = _mm512_maskz_loadu_ps(there, a + (row + std::min<int64_t>(i, last)) * a_row + k);
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j)
          sums[i * kColumns + j] = _mm512_fmadd_ps(numbers, weights[j], sums[i * kColumns + j]);
      }
    }
    const __m512 sum = _mm512_add_ps(sums_of(sums), _mm512_load_ps(bias));
    const __m512 value = _mm512_max_ps(_mm512_set1_ps(finish.least), sum);
    if (columns == kColumns && c_width == kColumns) {
      _mm512_mask_storeu_ps(c + row * kColumns, first((last + 1) * kColumns), value);
      continue;
    }
    _mm512_store_ps(out, value);
    for (int64_t i = 0; i <= last; ++i)
      for (int64_t j = 0; j < columns; ++j) c[(row + i) * c_width + j] = out[i * kColumns + j];
  }
}

}  // namespace

bool is_narrow(int64_t rows, int64_t columns, int64_t a_row) {
  return rows >= kVector && columns <= (a_row == 1 ? kMostTurned : kMostDots);
}

void multiply_narrow(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_row, int64_t a_inner,
                     const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width,
                     const Finish& finish) {
  static thread_local std::vector<float> laid;
  if (a_row == 1) {  // as the transpose of c^T = b^T a^T, whose rows fill vectors
    float* narrow = scratch(laid, columns * rows);
    multiply_tiles(columns, rows, inner, b, b_transposed ? b_width : 1, b_transposed ? 1 : b_width, a, a_inner, false,
                   narrow, rows, {});
    transpose(rows, columns, narrow, rows, c, c_width);
    if (finish.any()) finish_rows(rows, columns, finish, c, c_width);
    return;
  }
  if (!b_transposed) {
    transpose(columns, inner, b, b_width, scratch(laid, columns * inner), inner);
    b = laid.data(), b_width = inner;
  }
  (columns == 1 ? dots<1> : columns == 2 ? dots<2> : dots<4>)(rows, columns, inner, a, a_row, b, b_width, c, c_width,
                                                              finish);
  if (finish.y) finish_rows(rows, columns, {nullptr, -INFINITY, finish.y, finish.y_width}, c, c_width);
}

}  // namespace deltarule

#endif
