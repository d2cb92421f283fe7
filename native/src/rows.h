// Rows of i features that are taken several as one where i is small, so that they are as long as some vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "vectorised.h"

namespace deltarule {

constexpr int64_t kWidth = 128;  // numbers of the rows that are taken as one, at least

// sums[k] += x[k] over rows of `width` numbers, of which the last may be cut short.
DELTARULE_VECTORISED
static void add(int64_t numbers, int64_t width, const float* __restrict x, float* __restrict sums) {
  for (; numbers > 0; numbers -= width, x += width)
    for (int64_t k = 0, all = std::min(numbers, width); k < all; ++k) sums[k] += x[k];
}

struct WideRows {
  int64_t i, repeats, width;

  explicit WideRows(int64_t i)
      : i(i), repeats((kWidth + i - 1) / std::max<int64_t>(i, 1)), width(repeats * i) {}

  // The same values for each of the rows that are taken as one.
  template <class Value>
  std::vector<float> laid_out(const Value& value) const {
    std::vector<float> all(width);
    for (int64_t k = 0; k < i; ++k) all[k] = value(k);
    for (int64_t k = i; k < width; ++k) all[k] = all[k - i];
    return all;
  }

  // totals[k] += what the rows that are taken as one sum up to, which then is 0 again.
  void gather(std::vector<float>& sums, double* totals) const {
    for (int64_t row = 0; row < width; row += i)
      for (int64_t k = 0; k < i; ++k) totals[k] += sums[row + k], sums[row + k] = 0;
  }
};

}  // namespace deltarule
