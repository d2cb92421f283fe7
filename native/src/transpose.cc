#include "tiles.h"
#include "vectors.h"

namespace deltarule {

#ifdef DELTARULE_HAS_VECTORS
namespace {

// to[k * to_width + j] = from[j * width + k] for a block of at most 16 by 16.
DELTARULE_TILES void turn(int64_t columns, int64_t inner, const float* from, int64_t width, float* to,
                          int64_t to_width) {
  __m512 x[16], y[16];
  const __mmask16 taken = first(inner), written = first(columns);
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j)
    x[j] = j < columns ? _mm512_maskz_loadu_ps(taken, from + j * width) : _mm512_setzero_ps();
#pragma GCC unroll 8
  for (int j = 0; j < 16; j += 2) {
    y[j] = _mm512_unpacklo_ps(x[j], x[j + 1]);
    y[j + 1] = _mm512_unpackhi_ps(x[j], x[j + 1]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 16; j += 4) {
    x[j] = _mm512_shuffle_ps(y[j], y[j + 2], 0x44);
    x[j + 1] = _mm512_shuffle_ps(y[j], y[j + 2], 0xEE);
    x[j + 2] = _mm512_shuffle_ps(y[j + 1], y[j + 3], 0x44);
    x[j + 3] = _mm512_shuffle_ps(y[j + 1], y[j + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    y[j] = _mm512_shuffle_f32x4(x[j], x[j + 4], 0x88);
    y[j + 4] = _mm512_shuffle_f32x4(x[j], x[j + 4], 0xDD);
    y[j + 8] = _mm512_shuffle_f32x4(x[j + 8], x[j + 12], 0x88);
    y[j + 12] = _mm512_shuffle_f32x4(x[j + 8], x[j + 12], 0xDD);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    x[j] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0x88);
    x[j + 8] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0xDD);
    x[j + 4] = _mm512_shuffle_f32x4(y[j + 4], y[j + 12], 0x88);
    x[j + 12] = _mm512_shuffle_f32x4(y[j + 4], y[j + 12], 0xDD);
  }
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k)
    if (k < inner) _mm512_mask_storeu_ps(to + k * to_width, written, x[k]);
}

}  // namespace

void transpose(int64_t rows, int64_t columns, const float* from, int64_t width, float* to, int64_t to_width) {
  for (int64_t j = 0; j < columns; j += kVector)
    for (int64_t k = 0; k < rows; k += kVector)
      turn(columns - j, rows - k, from + j * width + k, width, to + k * to_width + j, to_width);
}
#else
void transpose(int64_t, int64_t, const float*, int64_t, float*, int64_t) {}
#endif

}  // namespace deltarule
