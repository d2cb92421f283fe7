// The three products of a convolution, as handlers that a compiled XLA program calls.
//
//   y = K * x        x (n, d.., i), K (k.., i/g, o), y (n, e.., o)
//   dx = K^T * dy
//   dK = x^T * dy
//
// b is added to y, and ReLU taken of it, while y is in the cache; on the way back dy is masked by y on its way into
// the products, and db is summed there.
//
// The minibatch is cut into one part for each thread, and a part, where more than the product is to be done, into
// chunks that stay in its cache. Arrays stay channels-last as XLA holds them; only K is put into an order of its own,
// once a call. dK is summed over the parts, in float32. A product is computed in tiles of registers, or by oneDNN.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "direct.h"
#include "primitive.h"
#include "rows.h"
#include "share.h"
#include "vectorised.h"

namespace ffi = xla::ffi;
using dnnl::memory;

namespace deltarule {
namespace {

memory::data_type type_of(ffi::DataType type) {
  if (type == ffi::DataType::F32) return memory::data_type::f32;
  if (type == ffi::DataType::BF16) return memory::data_type::bf16;
  throw std::invalid_argument("numbers must be float32 or bfloat16");
}

memory::dims dims(ffi::Span<const int64_t> span) { return {span.begin(), span.end()}; }

// The first of `parts` examples of part `index`, of n in all; part `parts` begins at n.
int64_t begin(int64_t n, int parts, int index) { return n * index / parts; }

constexpr size_t kSmall = 1 << 18;  // numbers that are summed sooner than another thread wakes
constexpr size_t kAtOnce = 1 << 19;  // bytes of the largest array that a core takes at once, and finds in its cache
constexpr size_t kDirectAtOnce = 1 << 17;  // in tiles it costs nothing to take less, and the threads end together

// y[k] += b[k], or 0 where that is less and ReLU is asked for, over rows of `width` numbers, the last cut short.
DELTARULE_VECTORISED
void finish(int64_t numbers, int64_t width, float least, const float* __restrict b, float* __restrict y) {
  for (; numbers > 0; numbers -= width, y += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) {
      const float value = y[k] + b[k];
      y[k] = value < least ? least : value;
    }
}

// g[k] = dy[k] where y[k] > 0, else 0
DELTARULE_VECTORISED
void mask(int64_t numbers, const float* __restrict y, const float* __restrict dy, float* __restrict g) {
  for (int64_t k = 0; k < numbers; ++k) g[k] = y[k] > 0 ? dy[k] : 0.0f;
}

// to[k] += from[k]
DELTARULE_VECTORISED
void add_to(size_t numbers, const float* __restrict from, float* __restrict to) {
  for (size_t k = 0; k < numbers; ++k) to[k] += from[k];
}

using Sizes = ffi::Span<const int64_t>;

// Made once for each geometry.
const Form& form(const Geometry& geometry) {
  static std::map<Geometry, std::unique_ptr<Form>> made;
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<Form>& found = made[geometry];
  if (!found) found = is_direct(geometry) ? direct(geometry) : std::make_unique<Primitive>(geometry);
  return *found;
}

// One product of a minibatch, some examples at a time.
struct Work {
  Geometry whole;
  ffi::AnyBuffer x, K, y;
  int64_t n;
  int chunks;  // in how many goes
  const Form *fewer, *more;  // of a chunk of n / chunks examples, and of one more

  Work(Product product, ffi::AnyBuffer x, ffi::AnyBuffer K, ffi::AnyBuffer y, Sizes stride, Sizes dilation,
       Sizes front, Sizes behind, int64_t groups)
      : whole{product, type_of(x.element_type()), dims(x.dimensions()), dims(K.dimensions()), dims(y.dimensions()),
              dims(stride), dims(dilation), dims(front), dims(behind), groups},
        x(x), K(K), y(y), n(whole.x[0]), chunks(1), fewer(nullptr), more(nullptr) {}

  // Cuts the examples into equally many goes for each thread, of at least so many bytes.
  int cut(ffi::ThreadPool& pool, size_t bytes) {
    const int threads = std::max<int64_t>(1, std::min<int64_t>(n, pool.num_threads()));
    const size_t most = std::max(x.size_bytes(), y.size_bytes()) / threads;
    const int64_t times = std::clamp<int64_t>(most / std::max<size_t>(bytes, 1), 1, n / threads);
    chunks = threads * times;
    fewer = &of_examples(n / chunks);
    more = n % chunks == 0 ? fewer : &of_examples(n / chunks + 1);
    if (!fewer->orders_like(*more))
      throw std::runtime_error("parts of a minibatch want their kernel in different orders");
    return threads;
  }

  const Form& of_examples(int64_t examples) const {
    Geometry part = whole;
    part.x[0] = part.y[0] = examples;
    return form(part);
  }

  int64_t from(int chunk) const { return begin(n, chunks, chunk); }
  int64_t examples(int chunk) const { return from(chunk + 1) - from(chunk); }
  char* at(const ffi::AnyBuffer& array, int chunk) const {
    return static_cast<char*>(array.untyped_data()) + from(chunk) * (array.size_bytes() / n);
  }

  const Form& of(int chunk) const { return *(examples(chunk) == n / chunks ? fewer : more); }

  // dy of a chunk, 0 where y is not above 0; dy itself where no y is given.
  void* masked(int chunk, const float* rectified) const {
    if (!rectified) return at(y, chunk);
    thread_local Scratch place;
    const int64_t each = y.element_count() / n, numbers = examples(chunk) * each;
    float* g = static_cast<float*>(place.of(numbers * sizeof(float)));
    mask(numbers, rectified + from(chunk) * each, reinterpret_cast<float*>(at(y, chunk)), g);
    return g;
  }
};

const float* numbers_of(ffi::RemainingArgs& rest) {
  return rest.size() == 0 ? nullptr : rest.get<ffi::Buffer<ffi::F32>>(0).value().typed_data();
}

// Runs chunk(k) of every k. A thread takes those of its own part, which its cache may know from the product before,
// and then what others have not begun.
template <class Chunk>
void walk(ffi::ThreadPool& pool, int threads, int chunks, const Chunk& chunk) {
  std::vector<std::atomic<int>> next(threads);
  const int times = chunks / threads;
  share(pool, threads, [&](int part) {
    for (int turn = 0; turn < threads; ++turn) {
      const int owner = (part + turn) % threads;
      for (int k; (k = next[owner].fetch_add(1)) < times;) chunk(owner * times + k);
    }
  });
}

// y or dx.
void compute(Work work, ffi::ThreadPool& pool, const float* b, const float* rectified, bool relu) {
  const bool forward = work.whole.product == Product::kY;
  const size_t otherwise = b || relu || rectified ? kAtOnce : SIZE_MAX;
  const int threads = work.cut(pool, is_direct(work.whole) ? kDirectAtOnce : otherwise);
  const Form& typical = work.of(0);
  thread_local Scratch ordered;
  void* const K_ordered = ordered.of(typical.K_bytes());
  std::once_flag once;
  const WideRows rows(work.whole.y.back());
  const auto laid = rows.laid_out([&](int64_t k) { return b ? b[k] : 0.0f; });
  const int64_t each = work.y.element_count() / work.n;
  walk(pool, threads, work.chunks, [&](int chunk) {
    std::call_once(once, [&] { typical.put_in_order(work.K.untyped_data(), K_ordered); });
    work.of(chunk).run(work.at(work.x, chunk), K_ordered, work.masked(chunk, rectified));
    if (forward && (b || relu))
      finish(work.examples(chunk) * each, rows.width, relu ? 0.0f : -INFINITY, laid.data(),
             reinterpret_cast<float*>(work.at(work.y, chunk)));
  });
}

// dK, summed over a thread's chunks and then over the threads, always the same ones; and db.
void compute_dK(Work work, ffi::ThreadPool& pool, const float* rectified, float* db) {
  const size_t least = rectified ? std::max(kAtOnce, work.K.size_bytes()) : SIZE_MAX;
  const int threads = work.cut(pool, least), times = work.chunks / threads;
  const Form& typical = work.of(0);
  const size_t K_bytes = (typical.K_bytes() + 63) / 64 * 64, numbers = K_bytes / sizeof(float);
  thread_local Scratch places;
  float* const sums = static_cast<float*>(places.of(K_bytes * threads * (times > 1 ? 2 : 1)));
  const WideRows rows(work.whole.y.back());
  std::vector<double> totals(db ? threads * rows.i : 0);
  const int64_t each = work.y.element_count() / work.n;
  share(pool, threads, [&](int part) {
    std::vector<float> of_g(db ? rows.width : 0);
    float *const sum = sums + part * numbers, *const term = sum + threads * numbers;
    for (int chunk = part * times; chunk < (part + 1) * times; ++chunk) {
      const bool first = chunk == part * times;
      void* g = work.masked(chunk, rectified);
      work.of(chunk).run(work.at(work.x, chunk), first ? sum : term, g);
      if (!first) add_to(numbers, term, sum);
      if (!db) continue;
      add(work.examples(chunk) * each, rows.width, static_cast<float*>(g), of_g.data());
      rows.gather(of_g, &totals[part * rows.i]);
    }
  });
  const int adding = numbers < kSmall ? 1 : threads;
  share(pool, adding, [&](int chunk) {
    const size_t from = begin(numbers, adding, chunk), to = begin(numbers, adding, chunk + 1);
    for (int part = 1; part < threads; ++part) add_to(to - from, sums + part * numbers + from, sums + from);
  });
  typical.put_in_order(sums, work.K.untyped_data());
  if (!db) return;
  for (int64_t k = 0; k < rows.i; ++k) {
    double total = 0;
    for (int part = 0; part < threads; ++part) total += totals[part * rows.i + k];
    db[k] = total;
  }
}

template <Product product>
ffi::Error handle(ffi::ThreadPool pool, ffi::AnyBuffer first, ffi::AnyBuffer second, ffi::RemainingArgs rest,
                  ffi::Result<ffi::AnyBuffer> result, ffi::RemainingRets more, Sizes stride, Sizes dilation,
                  Sizes front, Sizes behind, int64_t groups, bool relu) try {
  OneThread one;
  const float* beside = numbers_of(rest);
  if constexpr (product == Product::kY)
    compute({product, first, second, *result, stride, dilation, front, behind, groups}, pool, beside, nullptr, relu);
  else if constexpr (product == Product::kDx)
    compute({product, *result, second, first, stride, dilation, front, behind, groups}, pool, nullptr, beside, false);
  else
    compute_dK({product, first, *result, second, stride, dilation, front, behind, groups}, pool, beside,
               more.size() == 0 ? nullptr : more.get<ffi::Buffer<ffi::F32>>(0).value()->typed_data());
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, convolution: ") + error.what());
}

auto binding() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>()
      .RemainingArgs()
      .Ret<ffi::AnyBuffer>()
      .RemainingRets()
      .Attr<Sizes>("stride")
      .Attr<Sizes>("dilation")
      .Attr<Sizes>("front")
      .Attr<Sizes>("behind")
      .Attr<int64_t>("groups")
      .Attr<bool>("relu");
}

}  // namespace
}  // namespace deltarule

// (x, K, b) -> y,  (dy, K, y) -> dx,  (x, dy, y) -> (dK, db); b, y and db may be missing
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_convolution_y, deltarule::handle<deltarule::Product::kY>,
                              deltarule::binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_convolution_dx, deltarule::handle<deltarule::Product::kDx>,
                              deltarule::binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_convolution_dK, deltarule::handle<deltarule::Product::kDK>,
                              deltarule::binding());
