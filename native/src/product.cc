// A product of two matrices by oneDNN, as a handler that a compiled XLA program calls: c = a b, either transposed.
//
// The result is cut into one part for each thread, along its longer side, at multiples of a cache line.
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <string>

#include "share.h"

namespace ffi = xla::ffi;

namespace deltarule {
namespace {

constexpr int64_t kLine = 16;  // floats
constexpr int64_t kPart = 1 << 19;  // multiply-adds, for which it pays to wake a thread

// Where part `index` of `parts` begins along a side of n numbers.
int64_t begin(int64_t n, int parts, int index) {
  const int64_t lines = (n + kLine - 1) / kLine;
  return std::min(n, lines * index / parts * kLine);
}

ffi::Error product(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> a, ffi::Buffer<ffi::F32> b,
                   ffi::ResultBuffer<ffi::F32> c, bool a_transposed, bool b_transposed) try {
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
    const dnnl_status_t status = dnnl_sgemm(
        a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', by_rows ? length : rows, by_rows ? columns : length,
        inner, 1.0f, a.typed_data() + row * (a_transposed ? 1 : a_width), a_width,
        b.typed_data() + column * (b_transposed ? b_width : 1), b_width, 0.0f,
        c->typed_data() + row * columns + column, columns);
    if (status != dnnl_success) throw std::runtime_error("status " + std::to_string(status));
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, product: ") + error.what());
}

}  // namespace
}  // namespace deltarule

// (a, b) -> c, float32
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_product, deltarule::product,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<bool>("a_transposed")
                                  .Attr<bool>("b_transposed"));
