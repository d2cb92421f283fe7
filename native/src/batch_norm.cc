// Batch normalisation, and ReLU behind it where that is asked for, as handlers that a compiled XLA program calls.
//
//   y = max(0, gamma x^ + beta),  x^ = (x - mu) r,  r = 1 / sqrt(variance + epsilon)
//   dx = gamma r (g - mean g - x^ mean(g x^)),  g = dy [y > 0]
//
// x, y and their derivatives are rows of i features, cut into one part for each thread. Where i is small a row is
// shorter than a vector, so several are taken as one: what belongs to a feature is laid out as often.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "rows.h"
#include "share.h"
#include "vectorised.h"

namespace ffi = xla::ffi;

namespace deltarule {
namespace {

using Numbers = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

constexpr int64_t kBlock = 1 << 13;  // numbers that stay in a core's first cache while they are read twice

// sums[k] += (x[k] - mu[k])^2
DELTARULE_VECTORISED
void add_squares(int64_t numbers, int64_t width, const float* __restrict x, const float* __restrict mu,
                 float* __restrict sums) {
  for (; numbers > 0; numbers -= width, x += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) sums[k] += (x[k] - mu[k]) * (x[k] - mu[k]);
}

// y[k] = (x[k] - mu[k]) scale[k] + beta[k], or `least` where that is more.
DELTARULE_VECTORISED
void normalise(int64_t numbers, int64_t width, float least, const float* __restrict x, const float* __restrict mu,
               const float* __restrict scale, const float* __restrict beta, float* __restrict y) {
  for (; numbers > 0; numbers -= width, x += width, y += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) {
      const float value = (x[k] - mu[k]) * scale[k] + beta[k];
      y[k] = value < least ? least : value;
    }
}

// dbeta[k] += g[k], dgamma[k] += g[k] (x[k] - mu[k])
DELTARULE_VECTORISED
void add_derivatives(int64_t numbers, int64_t width, float least, const float* __restrict x,
                     const float* __restrict mu, const float* __restrict scale, const float* __restrict beta,
                     const float* __restrict dy, float* __restrict dbeta, float* __restrict dgamma) {
  for (; numbers > 0; numbers -= width, x += width, dy += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) {
      const float deviation = x[k] - mu[k];
      const float g = deviation * scale[k] + beta[k] <= least ? 0.0f : dy[k];
      dbeta[k] += g;
      dgamma[k] += g * deviation;
    }
}

// dx[k] = scale[k] (g[k] - mean[k] - (x[k] - mu[k]) slope[k])
DELTARULE_VECTORISED
void derive(int64_t numbers, int64_t width, float least, const float* __restrict x, const float* __restrict mu,
            const float* __restrict scale, const float* __restrict beta, const float* __restrict mean,
            const float* __restrict slope, const float* __restrict dy, float* __restrict dx) {
  for (; numbers > 0; numbers -= width, x += width, dy += width, dx += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) {
      const float deviation = x[k] - mu[k];
      const float g = deviation * scale[k] + beta[k] <= least ? 0.0f : dy[k];
      dx[k] = scale[k] * (g - mean[k] - deviation * slope[k]);
    }
}

float least(bool relu) { return relu ? 0.0f : -INFINITY; }

// An array of rows of i features: how it is cut into parts and blocks, and how its features are laid out.
struct Rows : WideRows {
  int64_t count, parts;

  Rows(ffi::ThreadPool& pool, const Numbers& x) : WideRows(x.dimensions().back()) {
    count = i == 0 ? 0 : x.element_count() / i;
    parts = std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), count * i / kBlock));
  }

  // block(from, numbers) for every block of a part, of whole rows, counted in numbers.
  template <class Block>
  void walk(int64_t part, const Block& block) const {
    const int64_t step = (kBlock + width - 1) / width * width, end = count * (part + 1) / parts * i;
    for (int64_t from = count * part / parts * i; from < end; from += step) block(from, std::min(step, end - from));
  }
};

// Mean and variance of each feature. A block's are taken in two passes while it is in the cache, and joined to those
// before as Chan, Golub and LeVeque 1979 do; so the numbers are read from memory once, and nothing cancels.
void find_moments(ffi::ThreadPool& pool, const Rows& rows, const float* x, float* mu, float* variance) {
  const int64_t i = rows.i;
  struct Moments {
    double count = 0;
    std::vector<double> mean, squares;

    void join(double other_count, const double* other_mean, const double* other_squares) {
      const double total = count + other_count;
      for (size_t k = 0; k < mean.size(); ++k) {
        const double apart = other_mean[k] - mean[k];
        mean[k] += apart * other_count / total;
        squares[k] += other_squares[k] + apart * apart * count * other_count / total;
      }
      count = total;
    }
  };
  std::vector<Moments> found(rows.parts, {0, std::vector<double>(i), std::vector<double>(i)});
  share(pool, rows.parts, [&](int part) {
    std::vector<float> sums(rows.width);
    std::vector<double> mean(i), squares(i);
    rows.walk(part, [&](int64_t from, int64_t numbers) {
      const double count = numbers / i;
      std::fill(mean.begin(), mean.end(), 0), std::fill(squares.begin(), squares.end(), 0);
      add(numbers, rows.width, x + from, sums.data());
      rows.gather(sums, mean.data());
      for (double& m : mean) m /= count;
      const auto around = rows.laid_out([&](int64_t k) { return mean[k]; });
      for (int64_t k = 0; k < i; ++k) mean[k] = around[k];  // as it was rounded
      add_squares(numbers, rows.width, x + from, around.data(), sums.data());
      rows.gather(sums, squares.data());
      found[part].join(count, mean.data(), squares.data());
    });
  });
  for (int64_t part = 1; part < rows.parts; ++part)
    found[0].join(found[part].count, found[part].mean.data(), found[part].squares.data());
  for (int64_t k = 0; k < i; ++k) mu[k] = found[0].mean[k], variance[k] = found[0].squares[k] / found[0].count;
}

// What a feature's normalisation takes, laid out.
struct Scales {
  std::vector<float> mu, scale, beta;

  Scales(const Rows& rows, const float* mu, const float* variance, const float* gamma, const float* beta,
         float epsilon)
      : mu(rows.laid_out([&](int64_t k) { return mu[k]; })),
        scale(rows.laid_out([&](int64_t k) { return gamma[k] / std::sqrt(variance[k] + epsilon); })),
        beta(rows.laid_out([&](int64_t k) { return beta[k]; })) {}
};

void normalise_all(ffi::ThreadPool& pool, const Rows& rows, const Scales& of, bool relu, const float* x, float* y) {
  share(pool, rows.parts, [&](int part) {
    rows.walk(part, [&](int64_t from, int64_t numbers) {
      normalise(numbers, rows.width, least(relu), x + from, of.mu.data(), of.scale.data(), of.beta.data(), y + from);
    });
  });
}

ffi::Error forward(ffi::ThreadPool pool, Numbers x, Numbers gamma, Numbers beta, Result y, Result mu,
                   Result variance, float epsilon, bool relu) {
  const Rows rows(pool, x);
  find_moments(pool, rows, x.typed_data(), mu->typed_data(), variance->typed_data());
  const Scales scales(rows, mu->typed_data(), variance->typed_data(), gamma.typed_data(), beta.typed_data(), epsilon);
  normalise_all(pool, rows, scales, relu, x.typed_data(), y->typed_data());
  return ffi::Error::Success();
}

ffi::Error again(ffi::ThreadPool pool, Numbers x, Numbers mu, Numbers variance, Numbers gamma, Numbers beta,
                 Result y, float epsilon, bool relu) {
  const Rows rows(pool, x);
  const Scales scales(rows, mu.typed_data(), variance.typed_data(), gamma.typed_data(), beta.typed_data(), epsilon);
  normalise_all(pool, rows, scales, relu, x.typed_data(), y->typed_data());
  return ffi::Error::Success();
}

ffi::Error backward(ffi::ThreadPool pool, Numbers x, Numbers mu, Numbers variance, Numbers dy, Numbers gamma,
                    Numbers beta, Result dx, Result dgamma, Result dbeta, float epsilon, bool relu) {
  const Rows rows(pool, x);
  const int64_t i = rows.i;
  const Scales of(rows, mu.typed_data(), variance.typed_data(), gamma.typed_data(), beta.typed_data(), epsilon);
  std::vector<double> totals(rows.parts * 2 * i);  // of g, and of g (x - mu)
  share(pool, rows.parts, [&](int part) {
    std::vector<float> of_g(rows.width), of_products(rows.width);
    rows.walk(part, [&](int64_t from, int64_t numbers) {
      add_derivatives(numbers, rows.width, least(relu), x.typed_data() + from, of.mu.data(), of.scale.data(),
                      of.beta.data(), dy.typed_data() + from, of_g.data(), of_products.data());
      rows.gather(of_g, &totals[part * 2 * i]);
      rows.gather(of_products, &totals[part * 2 * i + i]);
    });
  });
  for (int64_t part = 1; part < rows.parts; ++part)
    for (int64_t k = 0; k < 2 * i; ++k) totals[k] += totals[part * 2 * i + k];
  auto square_of_r = [&](int64_t k) { return 1.0 / (variance.typed_data()[k] + double(epsilon)); };
  for (int64_t k = 0; k < i; ++k) {
    dbeta->typed_data()[k] = totals[k];
    dgamma->typed_data()[k] = totals[i + k] * std::sqrt(square_of_r(k));
  }
  const auto mean = rows.laid_out([&](int64_t k) { return totals[k] / rows.count; });
  const auto slope = rows.laid_out([&](int64_t k) { return totals[i + k] * square_of_r(k) / rows.count; });
  share(pool, rows.parts, [&](int part) {
    rows.walk(part, [&](int64_t from, int64_t numbers) {
      derive(numbers, rows.width, least(relu), x.typed_data() + from, of.mu.data(), of.scale.data(), of.beta.data(),
             mean.data(), slope.data(), dy.typed_data() + from, dx->typed_data() + from);
    });
  });
  return ffi::Error::Success();
}

}  // namespace
}  // namespace deltarule

#define POOL xla::ffi::Ffi::Bind().Ctx<xla::ffi::ThreadPool>()
#define IN .Arg<deltarule::Numbers>()
#define OUT .Ret<deltarule::Numbers>()
#define SETTINGS .Attr<float>("epsilon").Attr<bool>("relu")

// (x, gamma, beta) -> (y, mu, variance)
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_batch_norm_forward, deltarule::forward, POOL IN IN IN OUT OUT OUT SETTINGS);
// (x, mu, variance, gamma, beta) -> y
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_batch_norm_again, deltarule::again, POOL IN IN IN IN IN OUT SETTINGS);
// (x, mu, variance, dy, gamma, beta) -> (dx, dgamma, dbeta)
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_batch_norm_backward, deltarule::backward,
                              POOL IN IN IN IN IN IN OUT OUT OUT SETTINGS);
