// A product of matrices that fit a core's caches: C = A B in tiles of C, each of which stays in registers.
//
// A tile is a few rows of at most four vectors. For each k it takes the row k of B as vectors, and of A a number for
// each of its rows. So B is read with its rows one after the other; where it is given transposed it is laid so first.
// A convolution's sum is the same, over several pieces of A and B. For processors with AVX-512; others have oneDNN.
#pragma once

#include <cmath>
#include <cstdint>

namespace deltarule {

// What becomes of c while it is in registers: b (columns) is added, what is less than `least` then is that, and c is 0
// where y (rows, columns) is not above 0. Where b or y is missing so is its part.
struct Finish {
  const float* b = nullptr;
  float least = -INFINITY;
  const float* y = nullptr;
  int64_t y_width = 0;

  bool any() const { return b || least > -INFINITY || y; }

  // The same of the part of c that begins at a row and a column.
  Finish from(int64_t row, int64_t column) const {
    return {b ? b + column : nullptr, least, y ? y + row * y_width + column : nullptr, y_width};
  }
};

// The same of c in memory.
void finish_rows(int64_t rows, int64_t columns, const Finish& finish, float* c, int64_t c_width);

// Whether this processor computes tiles.
bool has_tiles();

// c (rows, columns) = a b; a[i * a_row + k * a_inner], b[k * b_width + j], or b[j * b_width + k] where transposed.
void multiply_tiles(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_row, int64_t a_inner,
                    const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width,
                    const Finish& finish);

// The sum that a number of c is, in pieces of one length, with steps of one length in a.
struct Inner {
  struct Start {
    int64_t a, b;
  };
  const Start* starts;
  int64_t pieces, length, step;
};

// c (rows, columns) = a b; a[i * a_row + start.a + k * step], b[start.b + k * b_width + j].
void multiply_pieces(int64_t rows, int64_t columns, const Inner& inner, const float* a, int64_t a_row, const float* b,
                     int64_t b_width, float* c, int64_t c_width);

// The same where column j has numbers of its own in a, at a[i * a_row + start.a + k * step + j].
void multiply_numbers(int64_t rows, int64_t columns, const Inner& inner, const float* a, int64_t a_row, const float* b,
                      int64_t b_width, float* c, int64_t c_width);

// to (rows, columns) = from (columns, rows) transposed.
void transpose(int64_t rows, int64_t columns, const float* from, int64_t width, float* to, int64_t to_width);

}  // namespace deltarule
