// The way back through max pooling, as a handler that a compiled XLA program calls:
//
//   dx[n, q, i] = sum over the windows j whose tap m = index[n, j, i] lies at q of dy[n, j, i]
//
// XLA would find the index of every maximum once more for each number of dx, since it computes inside what reads.
#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <utility>

#include "share.h"
#include "vectorised.h"

namespace ffi = xla::ffi;

namespace deltarule {
namespace {

using Three = std::array<int64_t, 3>;

// Numbers for each axis of space as numbers for three, the missing ones in front.
template <class Iterator>
Three three(Iterator first, Iterator behind, int64_t missing) {
  Three all = {missing, missing, missing};
  std::copy(first, behind, all.end() - (behind - first));
  return all;
}
Three three(ffi::Span<const int64_t> given, int64_t missing) { return three(given.begin(), given.end(), missing); }

constexpr int64_t kBlock = 8;  // numbers that are computed side by side
typedef uint8_t Bytes __attribute__((vector_size(kBlock)));
typedef int32_t Integers __attribute__((vector_size(kBlock * 4)));

// dx[k] += index[k] == m ? dy[k] : 0 over a block
inline __attribute__((always_inline)) void give_block(int32_t m, const uint8_t* index, const float* dy, float* dx) {
  typedef float Floats __attribute__((vector_size(kBlock * 4)));
  Bytes bytes;
  Floats given, sum;
  std::memcpy(&bytes, index, sizeof bytes), std::memcpy(&given, dy, sizeof given), std::memcpy(&sum, dx, sizeof sum);
  const Integers taken = __builtin_convertvector(bytes, Integers) == m;
  sum += (Floats)(taken & (Integers)given);
  std::memcpy(dx, &sum, sizeof sum);
}

// One tap of the windows of one row, each of which gives to i numbers; those of the next lie `step` further on.
DELTARULE_VECTORISED
void give(int64_t windows, int64_t i, int64_t step, int32_t m, const uint8_t* index, const float* dy, float* dx) {
  for (int64_t c = 0; c < windows; ++c, index += i, dy += i, dx += step) {
    int64_t k = 0;
    for (; k + kBlock <= i; k += kBlock) give_block(m, index + k, dy + k, dx + k);
    for (; k < i; ++k) dx[k] += index[k] == m ? dy[k] : 0.0f;
  }
}

// The windows along an axis whose tap at `offset` (m r - P) lies inside d numbers: the first, and their end.
std::pair<int64_t, int64_t> inside(int64_t windows, int64_t stride, int64_t offset, int64_t d) {
  const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t end = offset >= d ? 0 : (d - 1 - offset) / stride + 1;
  return {first, std::min(end, windows)};
}

ffi::Error backward(ffi::ThreadPool pool, ffi::Buffer<ffi::U8> index, ffi::Buffer<ffi::F32> dy,
                    ffi::ResultBuffer<ffi::F32> dx, ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> strides,
                    ffi::Span<const int64_t> dilations, ffi::Span<const int64_t> fronts) {
  const auto x = dx->dimensions(), y = dy.dimensions();
  const int64_t n = x.front(), i = x.back();
  const Three d = three(x.begin() + 1, x.end() - 1, 1), o = three(y.begin() + 1, y.end() - 1, 1);
  const Three size = three(sizes, 1), stride = three(strides, 1), dilation = three(dilations, 1);
  const Three front = three(fronts, 0);
  const int64_t numbers = d[0] * d[1] * d[2] * i, taken = o[0] * o[1] * o[2] * i;

  auto example = [&](const uint8_t* index, const float* dy, float* dx) {
    std::fill_n(dx, numbers, 0.0f);
    for (int64_t m = 0; m < size[0] * size[1] * size[2]; ++m) {
      const Three tap = {m / size[2] / size[1], m / size[2] % size[1], m % size[2]};
      Three offset, from, end;
      for (int axis = 0; axis < 3; ++axis) {
        offset[axis] = tap[axis] * dilation[axis] - front[axis];
        std::tie(from[axis], end[axis]) = inside(o[axis], stride[axis], offset[axis], d[axis]);
      }
      for (int64_t a = from[0]; a < end[0]; ++a)
        for (int64_t b = from[1]; b < end[1]; ++b) {
          const int64_t window = ((a * o[1] + b) * o[2] + from[2]) * i;
          const int64_t row = (a * stride[0] + offset[0]) * d[1] + b * stride[1] + offset[1];
          const int64_t place = (row * d[2] + from[2] * stride[2] + offset[2]) * i;
          give(end[2] - from[2], i, stride[2] * i, m, index + window, dy + window, dx + place);
        }
    }
  };
  const int parts = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), n));
  share(pool, parts, [&](int part) {
    for (int64_t k = n * part / parts; k < n * (part + 1) / parts; ++k)
      example(index.typed_data() + k * taken, dy.typed_data() + k * taken, dx->typed_data() + k * numbers);
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace deltarule

// (index, dy) -> dx
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_max_pool_backward, deltarule::backward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::U8>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<ffi::Span<const int64_t>>("size")
                                  .Attr<ffi::Span<const int64_t>>("stride")
                                  .Attr<ffi::Span<const int64_t>>("dilation")
                                  .Attr<ffi::Span<const int64_t>>("front"));
