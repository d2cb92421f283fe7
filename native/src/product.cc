// Products of two matrices, as handlers that a compiled XLA program calls: c = a b, either transposed; and the
// gradients of a dense layer, dW = x^T dy and db = sum of dy.
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

using Matrix = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

constexpr int64_t kLine = 16;  // floats
constexpr int64_t kPart = 1 << 20;  // multiply-adds, for which it pays to wake a thread

constexpr int64_t kFits = 1 << 20;  // numbers of a, b and c
constexpr int64_t kBlock = 128;     // rows that are summed one after the other
constexpr int64_t kTurned = 12;     // rows of a, for which it pays to lay a transposed b anew

// c (rows, columns) = a b, of arrays whose rows are so many numbers apart.
void multiply(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_width, bool a_transposed,
              const float* b, int64_t b_width, bool b_transposed, float* c, int64_t c_width) {
  const bool fits = rows * inner + inner * columns + rows * columns <= kFits;
  if (has_tiles() && fits && (rows >= kTurned || !b_transposed))
    return multiply_tiles(rows, columns, inner, a, a_transposed ? 1 : a_width, a_transposed ? a_width : 1, b, b_width,
                          b_transposed, c, c_width);
  const dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', rows, columns, inner,
                                          1.0f, a, a_width, b, b_width, 0.0f, c, c_width);
  if (status != dnnl_success) throw std::runtime_error("status " + std::to_string(status));
}

// Where part `index` of `parts` begins along a side of n numbers.
int64_t begin(int64_t n, int parts, int index) {
  const int64_t lines = (n + kLine - 1) / kLine;
  return std::min(n, lines * index / parts * kLine);
}

// c = a b, in parts; part 0 does `besides` too.
template <class Besides>
void multiply_in_parts(ffi::ThreadPool& pool, const Matrix& a, const Matrix& b, Result& c, bool a_transposed,
                       bool b_transposed, const Besides& besides) {
  const int64_t rows = c->dimensions()[0], columns = c->dimensions()[1];
  const int64_t a_width = a.dimensions()[1], b_width = b.dimensions()[1];
  const int64_t inner = a.dimensions()[a_transposed ? 0 : 1];
  const bool by_rows = rows > columns;
  const int64_t side = by_rows ? rows : columns;
  const int64_t most = std::min(side / kLine, rows * columns * inner / kPart);
  const int parts = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), most));
  share(pool, parts, [&](int index) {
    const int64_t from = begin(side, parts, index), length = begin(side, parts, index + 1) - from;
    const int64_t row = by_rows ? from : 0, column = by_rows ? 0 : from;
    multiply(by_rows ? length : rows, by_rows ? columns : length, inner,
             a.typed_data() + row * (a_transposed ? 1 : a_width), a_width, a_transposed,
             b.typed_data() + column * (b_transposed ? b_width : 1), b_width, b_transposed,
             c->typed_data() + row * columns + column, columns);
    if (index == 0) besides();
  });
}

// sums[j] = the sum of column j. Rows are summed in blocks, so that rounding grows with the number of blocks alone.
DELTARULE_VECTORISED
void sum_rows(int64_t rows, int64_t columns, const float* __restrict x, float* __restrict sums) {
  std::vector<float> block(columns);
  std::fill_n(sums, columns, 0.0f);
  for (int64_t row = 0; row < rows;) {
    std::fill(block.begin(), block.end(), 0.0f);
    float* __restrict to = block.data();
    for (const int64_t end = std::min(rows, row + kBlock); row < end; ++row, x += columns)
      for (int64_t j = 0; j < columns; ++j) to[j] += x[j];
    for (int64_t j = 0; j < columns; ++j) sums[j] += to[j];
  }
}

ffi::Error product(ffi::ThreadPool pool, Matrix a, Matrix b, Result c, bool a_transposed, bool b_transposed) try {
  multiply_in_parts(pool, a, b, c, a_transposed, b_transposed, [] {});
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, product: ") + error.what());
}

ffi::Error gradients(ffi::ThreadPool pool, Matrix x, Matrix dy, Result dw, Result db) try {
  multiply_in_parts(pool, x, dy, dw, true, false, [&] {
    sum_rows(dy.dimensions()[0], dy.dimensions()[1], dy.typed_data(), db->typed_data());
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, gradients: ") + error.what());
}

}  // namespace
}  // namespace deltarule

// (a, b) -> c, float32
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_product, deltarule::product,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Attr<bool>("a_transposed")
                                  .Attr<bool>("b_transposed"));

// (x, dy) -> (dW, db), float32
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_gradients, deltarule::gradients,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .Ret<xla::ffi::Buffer<xla::ffi::F32>>());
