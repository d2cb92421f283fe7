#include "tiles.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "narrow.h"
#include "vectorised.h"
#include "vectors.h"

namespace deltarule {

DELTARULE_VECTORISED
void finish_rows(int64_t rows, int64_t columns, const Finish& finish, float* c, int64_t c_width) {
  for (int64_t i = 0; i < rows; ++i, c += c_width)
    for (int64_t j = 0; j < columns; ++j) {
      const float sum = finish.b ? c[j] + finish.b[j] : c[j], value = sum < finish.least ? finish.least : sum;
      c[j] = finish.y && !(finish.y[i * finish.y_width + j] > 0) ? 0.0f : value;
    }
}

#ifdef DELTARULE_HAS_VECTORS
namespace {

constexpr int kMost = 4;                                         // vectors of a tile
constexpr std::array<int, kMost + 1> kRows = {0, 16, 12, 8, 6};  // of a tile of so many vectors

// One tile of c; `last` says which numbers of its last vector there are.
template <int kHeight, int kVectors>
DELTARULE_TILES void tile(const Inner& inner, __mmask16 last, const float* a, int64_t a_row, const float* b,
                          int64_t b_width, float* c, int64_t c_width, const Finish& finish) {
  __m512 sums[kHeight][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_setzero_ps();
  for (int64_t piece = 0; piece < inner.pieces; ++piece) {
    const float *at = a + inner.starts[piece].a, *from = b + inner.starts[piece].b;
    for (int64_t k = 0; k < inner.length; ++k, at += inner.step, from += b_width) {
      __m512 row[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        row[v] = _mm512_maskz_loadu_ps(v + 1 < kVectors ? 0xFFFF : last, from + v * kVector);
#pragma GCC unroll 16
      for (int i = 0; i < kHeight; ++i) {
        const __m512 number = _mm512_set1_ps(at[i * a_row]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_fmadd_ps(number, row[v], sums[i][v]);
      }
    }
  }
  const auto there = [&](int v) { return v + 1 < kVectors ? 0xFFFF : last; };
  const __m512 least = _mm512_set1_ps(finish.least), zero = _mm512_setzero_ps();
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512 b_there = finish.b ? _mm512_maskz_loadu_ps(there(v), finish.b + v * kVector) : zero;
#pragma GCC unroll 16
    for (int i = 0; i < kHeight; ++i)
      sums[i][v] = _mm512_max_ps(least, _mm512_add_ps(sums[i][v], b_there));  // what is not a number stays so
  }
  if (finish.y)
#pragma GCC unroll 16
    for (int i = 0; i < kHeight; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const __m512 y = _mm512_maskz_loadu_ps(there(v), finish.y + i * finish.y_width + v * kVector);
        sums[i][v] = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero, _CMP_GT_OQ), sums[i][v]);
      }
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm512_mask_storeu_ps(c + i * c_width + v * kVector, there(v), sums[i][v]);
}

using Tile = void (*)(const Inner&, __mmask16, const float*, int64_t, const float*, int64_t, float*, int64_t,
                      const Finish&);

// One tile of c where each of its columns has its own numbers of a, one vector wide.
template <int kHeight>
DELTARULE_TILES void tile_of_numbers(const Inner& inner, __mmask16 last, const float* a, int64_t a_row, const float* b,
                                     int64_t b_width, float* c, int64_t c_width, const Finish&) {
  __m512 sums[kHeight];
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t piece = 0; piece < inner.pieces; ++piece) {
    const float *at = a + inner.starts[piece].a, *from = b + inner.starts[piece].b;
    for (int64_t k = 0; k < inner.length; ++k, at += inner.step, from += b_width) {
      const __m512 row = _mm512_maskz_loadu_ps(last, from);
#pragma GCC unroll 16
      for (int i = 0; i < kHeight; ++i)
        sums[i] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(last, at + i * a_row), row, sums[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i) _mm512_mask_storeu_ps(c + i * c_width, last, sums[i]);
}

template <int... kHeights>
constexpr std::array<Tile, sizeof...(kHeights)> numbers_of_heights(std::integer_sequence<int, kHeights...>) {
  return {tile_of_numbers<kHeights + 1>...};
}

template <int kVectors, int... kHeights>
constexpr std::array<Tile, sizeof...(kHeights)> of_heights(std::integer_sequence<int, kHeights...>) {
  return {tile<kHeights + 1, kVectors>...};
}

// at(from, height) of every tile of rows.
template <class At>
void heights(int64_t rows, int64_t most, const At& at) {
  const int64_t tiles = (rows + most - 1) / most;
  for (int64_t t = 0; t < tiles; ++t) at(rows * t / tiles, rows * (t + 1) / tiles - rows * t / tiles);
}

// The columns of b that a tile is wide, for all rows.
template <int kVectors>
void columns_of(int64_t rows, const Inner& inner, __mmask16 last, const float* a, int64_t a_row, const float* b,
                int64_t b_width, float* c, int64_t c_width, const Finish& finish) {
  static constexpr auto kTiles = of_heights<kVectors>(std::make_integer_sequence<int, kRows[kVectors]>());
  heights(rows, kRows[kVectors], [&](int64_t from, int64_t height) {
    kTiles[height - 1](inner, last, a + from * a_row, a_row, b, b_width, c + from * c_width, c_width,
                       finish.from(from, 0));
  });
}

// at(vectors, column, columns) of every panel, which is at most so many vectors wide.
template <class At>
void panels(int64_t columns, int64_t most, const At& at) {
  const int64_t vectors = (columns + kVector - 1) / kVector, tiles = (vectors + most - 1) / most;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t from = vectors * t / tiles, count = vectors * (t + 1) / tiles - from, column = from * kVector;
    at(count, column, std::min(columns - column, count * kVector));
  }
}

// The vectors of a panel for which b is read least often: each tile of rows reads all of its columns.
int64_t widest(int64_t rows, int64_t columns) {
  int64_t best = 0, least = INT64_MAX;
  for (int64_t most = kMost; most > 1; --most) {
    int64_t times = 0;
    panels(columns, most, [&](int64_t vectors, int64_t, int64_t) {
      times += vectors * ((rows + kRows[vectors] - 1) / kRows[vectors]);
    });
    if (times < least) least = times, best = most;
  }
  return best;
}

// The same for a panel of so many vectors, of `wide` columns.
void panel_of(int64_t vectors, int64_t rows, const Inner& inner, int64_t wide, const float* a, int64_t a_row,
              const float* b, int64_t b_width, float* c, int64_t c_width, const Finish& finish) {
  const __mmask16 last = first(wide - (vectors - 1) * kVector);
  switch (vectors) {
    case 1: return columns_of<1>(rows, inner, last, a, a_row, b, b_width, c, c_width, finish);
    case 2: return columns_of<2>(rows, inner, last, a, a_row, b, b_width, c, c_width, finish);
    case 3: return columns_of<3>(rows, inner, last, a, a_row, b, b_width, c, c_width, finish);
    default: return columns_of<4>(rows, inner, last, a, a_row, b, b_width, c, c_width, finish);
  }
}

}  // namespace

bool has_tiles() {
  static const bool has = __builtin_cpu_supports("avx512f");
  return has;
}

void multiply_tiles(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_row, int64_t a_inner,
                    const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width,
                    const Finish& finish) {
  static thread_local std::vector<float> laid;
  if (is_narrow(rows, columns, a_row))
    return multiply_narrow(rows, columns, inner, a, a_row, a_inner, b, b_width, b_transposed, c, c_width, finish);
  const Inner::Start start{0, 0};
  const Inner all{&start, 1, inner, a_inner};
  panels(columns, kMost, [&](int64_t vectors, int64_t column, int64_t wide) {
    const float* panel = b + column;
    int64_t width = b_width;
    if (b_transposed) {
      width = vectors * kVector;
      panel = scratch(laid, inner * width);
      transpose(inner, wide, b + column * b_width, b_width, laid.data(), width);
    }
    panel_of(vectors, rows, all, wide, a, a_row, panel, width, c + column, c_width, finish.from(0, column));
  });
}

void multiply_pieces(int64_t rows, int64_t columns, const Inner& inner, const float* a, int64_t a_row, const float* b,
                     int64_t b_width, float* c, int64_t c_width) {
  panels(columns, widest(rows, columns), [&](int64_t vectors, int64_t column, int64_t wide) {
    panel_of(vectors, rows, inner, wide, a, a_row, b + column, b_width, c + column, c_width, {});
  });
}

void multiply_numbers(int64_t rows, int64_t columns, const Inner& inner, const float* a, int64_t a_row, const float* b,
                      int64_t b_width, float* c, int64_t c_width) {
  static constexpr auto kTiles = numbers_of_heights(std::make_integer_sequence<int, kRows[1]>());
  panels(columns, 1, [&](int64_t, int64_t column, int64_t wide) {
    heights(rows, kRows[1], [&](int64_t from, int64_t height) {
      kTiles[height - 1](inner, first(wide), a + from * a_row + column, a_row, b + column, b_width,
                         c + from * c_width + column, c_width, {});
    });
  });
}

#else

bool has_tiles() { return false; }
void multiply_tiles(int64_t, int64_t, int64_t, const float*, int64_t, int64_t, const float*, int64_t, bool, float*,
                    int64_t, const Finish&) {}
void multiply_pieces(int64_t, int64_t, const Inner&, const float*, int64_t, const float*, int64_t, float*, int64_t) {}
void multiply_numbers(int64_t, int64_t, const Inner&, const float*, int64_t, const float*, int64_t, float*, int64_t) {}

#endif

}  // namespace deltarule
