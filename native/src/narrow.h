// A product of few columns, of which tiles would be nearly empty.
#pragma once

#include "tiles.h"

namespace deltarule {

// Whether c (rows, columns) of an `a` with rows so many numbers apart is computed so.
bool is_narrow(int64_t rows, int64_t columns, int64_t a_row);

// The same as multiply_tiles.
void multiply_narrow(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_row, int64_t a_inner,
                     const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width,
                     const Finish& finish);

}  // namespace deltarule
