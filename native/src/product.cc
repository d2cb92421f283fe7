// The product of two matrices, as a handler that a compiled XLA program calls: c = a b, either transposed.
//
// So the three of a dense layer, with what belongs to them: b is added to y, and ReLU taken of it, while it is in
// registers; so dx is masked by the x that ReLU gave; and db is summed beside dW.
//
// The result is cut into one part for each thread, along its longer side, at multiples of a cache line. A part that
// fits the caches is computed in tiles, which takes less than oneDNN, most of all where it is small; any other by it.
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "share.h"
#include "tiles.h"
#include "vectorised.h"

namespace ffi = xla::ffi;

namespace deltarule {
namespace {

using Numbers = ffi::Buffer<ffi::F32>;

constexpr int64_t kLine = 16;  // floats
constexpr int64_t kPart = 1 << 20;  // multiply-adds, for which it pays to wake a thread

constexpr int64_t kFits = 1 << 20;  // numbers of a, b and c
constexpr int64_t kBlock = 128;     // rows that are summed one after the other
constexpr int64_t kTurned = 12;     // rows of a, for which it pays to lay a transposed b anew

// c (rows, columns) = a b, finished, of arrays whose rows are so many numbers apart.
void multiply(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_width, bool a_transposed,
              const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width, const Finish& finish) {
  const bool fits = rows * inner + inner * columns + rows * columns <= kFits;
  if (has_tiles() && fits && (rows >= kTurned || !b_transposed))
    return multiply_tiles(rows, columns, inner, a, a_transposed ? 1 : a_width, a_transposed ? a_width : 1, b, b_width,
                          b_transposed, c, c_width, finish);
  OneThread one;
  const dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', rows, columns, inner,
                                          1.0f, a, a_width, b, b_width, 0.0f, c, c_width);
  if (status != dnnl_success) throw std::runtime_error("status " + std::to_string(status));
  if (finish.any()) finish_rows(rows, columns, finish, c, c_width);
}

// Where part `index` of `parts` begins along a side of n numbers.
int64_t begin(int64_t n, int parts, int index) {
  const int64_t lines = (n + kLine - 1) / kLine;
  return std::min(n, lines * index / parts * kLine);
}

struct Block {
  int64_t row, rows, column, columns;
};

// Runs part(block) of every part of c.
template <class Part>
void in_parts(ffi::ThreadPool& pool, int64_t rows, int64_t columns, int64_t inner, const Part& part) {
  const bool by_rows = rows > columns;
  const int64_t side = by_rows ? rows : columns;
  const int64_t most = std::min(side / kLine, rows * columns * inner / kPart);
  const int parts = most > 1 ? std::min<int64_t>(pool.num_threads(), most) : 1;
  if (parts == 1) return part(Block{0, rows, 0, columns});
  share(pool, parts, [&](int index) {
    const int64_t from = begin(side, parts, index), length = begin(side, parts, index + 1) - from;
    part(by_rows ? Block{from, length, 0, columns} : Block{0, rows, from, length});
  });
}

// Numbers whose rows are so many apart.
struct Matrix {
  const float* numbers;
  int64_t width;

  Matrix from(int64_t row, int64_t column) const { return {numbers + row * width + column, width}; }
};

// sums[j] += the sum of column j, four rows at a time, so that what is summed is fetched and put back less often.
DELTARULE_VECTORISED
void add_rows(int64_t rows, int64_t columns, const float* __restrict x, int64_t width, float* __restrict sums) {
  for (; rows >= 4; rows -= 4, x += 4 * width)
    for (int64_t j = 0; j < columns; ++j)
      sums[j] += (x[j] + x[j + width]) + (x[j + 2 * width] + x[j + 3 * width]);
  for (; rows > 0; --rows, x += width)
    for (int64_t j = 0; j < columns; ++j) sums[j] += x[j];
}

// sums[j] = the sum of column j. Rows are summed in blocks, so that rounding grows with the number of blocks alone.
void sum_rows(int64_t rows, int64_t columns, const float* x, int64_t width, float* sums) {
  std::fill_n(sums, columns, 0.0f);
  if (rows <= kBlock) return add_rows(rows, columns, x, width, sums);
  std::vector<float> block(columns);
  for (int64_t row = 0; row < rows; row += kBlock) {
    std::fill(block.begin(), block.end(), 0.0f);
    add_rows(std::min(kBlock, rows - row), columns, x + row * width, width, block.data());
    add_rows(1, columns, block.data(), columns, sums);
  }
}

ffi::Error product(ffi::ThreadPool pool, Numbers a, Numbers b, ffi::RemainingArgs rest,
                   ffi::ResultBuffer<ffi::F32> c, ffi::RemainingRets more, bool a_transposed, bool b_transposed,
                   bool relu) try {
  const int64_t rows = c->dimensions()[0], columns = c->dimensions()[1], inner = a.dimensions()[a_transposed ? 0 : 1];
  const Matrix whole_a = {a.typed_data(), a.dimensions()[1]}, whole_b = {b.typed_data(), b.dimensions()[1]};
  const float* beside = rest.size() == 0 ? nullptr : rest.get<Numbers>(0).value().typed_data();
  float* db = more.size() == 0 ? nullptr : more.get<Numbers>(0).value()->typed_data();
  const Finish finish = {b_transposed ? nullptr : beside, relu ? 0.0f : -INFINITY, b_transposed ? beside : nullptr,
                         columns};
  in_parts(pool, rows, columns, inner, [&](Block part) {
    const Matrix a = a_transposed ? whole_a.from(0, part.row) : whole_a.from(part.row, 0);
    const Matrix b = b_transposed ? whole_b.from(part.column, 0) : whole_b.from(0, part.column);
    if (db && part.row == 0) sum_rows(inner, part.columns, b.numbers, b.width, db + part.column);
    multiply(part.rows, part.columns, inner, a.numbers, a.width, a_transposed, b.numbers, b.width, b_transposed,
             c->typed_data() + part.row * columns + part.column, columns, finish.from(part.row, part.column));
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, product: ") + error.what());
}

}  // namespace
}  // namespace deltarule

// (a, b) -> c, float32; of a dense layer (x, W, b) -> y, (dy, W, x) -> dx, (x, dy) -> (dW, db). The third, and db, may
// be missing.
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_product, deltarule::product,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .RemainingRets()
                                  .Attr<bool>("a_transposed")
                                  .Attr<bool>("b_transposed")
                                  .Attr<bool>("relu"));
