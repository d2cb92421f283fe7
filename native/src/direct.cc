//   y[j]  = sum over taps m of x[js + mr - P] K[m]
//   dx[q] = sum over taps m with js + mr - P = q of dy[j] K[m]^T
//
// A tap's product is one of matrices over features; where a group has one feature (depthwise), of numbers. Positions
// that take the same taps are computed together, a run of them along an axis: so taps that would meet the zeros
// around x are left out.
#include "direct.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tiles.h"

namespace deltarule {
namespace {

constexpr int kAxes = 3;                 // depth, height, width
constexpr int64_t kFew = 9;              // positions side by side, below which examples are taken side by side
constexpr int64_t kFewFeatures = 8;      // of a result, below which vectors are too empty
constexpr int64_t kLargest = 1 << 18;    // numbers of K, above which the caches miss too much
using Axes = std::array<int64_t, kAxes>;

// Some positions of the result along an axis: number t of them takes its u-th tap from `from + t * step + u * apart`,
// and goes to `to + t * to_step`.
struct Run {
  int64_t from, step, apart, positions, to, to_step;
  int64_t first, taps;  // of its class
};

// Positions that take the same taps wherever these do not reach over the edge: all of y; of dx those with the same
// residue by the stride.
struct Class {
  std::vector<int64_t> taps;  // of K, in the order in which they are met
  std::vector<Run> runs;
};

// Cuts positions into runs that have the same taps inside 0 .. size - 1.
void cut(int64_t size, const Run& whole, Class& found) {
  for (int64_t t = 0; t < whole.positions; ++t) {
    const int64_t from = whole.from + t * whole.step;
    int64_t first = 0, end = whole.taps;
    while (first < end && from + first * whole.apart < 0) ++first;
    while (first < end && from + (end - 1) * whole.apart >= size) --end;
    const bool goes_on = t > 0 && found.runs.back().first == first && found.runs.back().taps == end - first;
    if (goes_on)
      ++found.runs.back().positions;
    else
      found.runs.push_back({from + first * whole.apart, whole.step, whole.apart, 1, whole.to + t * whole.to_step,
                            whole.to_step, first, end - first});
  }
}

std::vector<Class> of_y(int64_t size, int64_t positions, int64_t k, int64_t stride, int64_t dilation, int64_t front) {
  Class all;
  for (int64_t m = 0; m < k; ++m) all.taps.push_back(m);
  cut(size, {-front, stride, dilation, positions, 0, 1, 0, k}, all);
  return {all};
}

std::vector<Class> of_dx(int64_t size, int64_t positions, int64_t k, int64_t stride, int64_t dilation, int64_t front) {
  std::vector<Class> found;
  for (int64_t q = 0; q < std::min(stride, positions); ++q) {
    Class each;
    for (int64_t m = k; m-- > 0;)
      if ((q + front - m * dilation) % stride == 0) each.taps.push_back(m);
    const int64_t taps = each.taps.size(), from = taps ? (q + front - each.taps[0] * dilation) / stride : 0;
    const int64_t apart = taps > 1 ? (each.taps[0] - each.taps[1]) * dilation / stride : 1;
    cut(size, {from, 1, apart, (positions - q + stride - 1) / stride, q, stride, 0, taps}, each);
    found.push_back(each);
  }
  return found;
}

// A run along each axis.
struct Sweep {
  struct Loop {
    int64_t count, in, out;  // positions; numbers from one to the next where it is read, and in the result
  };
  std::array<Loop, kAxes + 1> loops;  // with one over the examples; the last one is computed at once
  int64_t in, out, length;        // where position 0 is; length of a piece
  std::vector<Inner::Start> starts;
};

// Sizes along depth, height and width, of which there may be fewer.
Axes three(const Geometry::Sizes& sizes, int64_t otherwise) {
  Axes all;
  all.fill(otherwise);
  std::copy(sizes.begin(), sizes.end(), all.end() - sizes.size());
  return all;
}

Axes space(const Geometry::Sizes& shape) { return three({shape.begin() + 1, shape.end() - 1}, 1); }

int64_t product(const Axes& sizes) { return sizes[0] * sizes[1] * sizes[2]; }

class Direct : public Form {
 public:
  explicit Direct(const Geometry& g)
      : dx_(g.product == Product::kDx),
        depthwise_(g.groups > 1),
        n_(g.x[0]),
        taps_(three({g.K.begin(), g.K.end() - 2}, 1)),
        in_(space(dx_ ? g.y : g.x)),
        out_(space(dx_ ? g.x : g.y)),
        features_in_((dx_ ? g.y : g.x).back()),
        features_out_((dx_ ? g.x : g.y).back()),
        each_(depthwise_ ? features_out_ : features_in_ * features_out_),
        at_once_(*std::max_element(out_.begin(), out_.end()) < kFew ? n_ : 1) {
    const Axes stride = three(g.stride, 1), dilation = three(g.dilation, 1), front = three(g.front, 0);
    for (int a = 0; a < kAxes; ++a)
      classes_[a] = (dx_ ? of_dx : of_y)(in_[a], out_[a], taps_[a], stride[a], dilation[a], front[a]);
    int64_t first = 0;
    for_each(classes_[0], classes_[1], classes_[2], [&](const Class& depth, const Class& height, const Class& width) {
      const Axes taps = {int64_t(depth.taps.size()), int64_t(height.taps.size()), int64_t(width.taps.size())};
      for_each(depth.runs, height.runs, width.runs, [&](const Run& d, const Run& h, const Run& w) {
        sweeps_.push_back(sweep_of({d, h, w}, taps, first));
      });
      first += product(taps) * each_;
    });
  }

  size_t K_bytes() const override { return product(taps_) * each_ * sizeof(float); }

  // Class by class; for dx each tap's matrix is transposed.
  void put_in_order(void* from, void* to) const override {
    float* at = static_cast<float*>(to);
    for_each(classes_[0], classes_[1], classes_[2], [&](const Class& depth, const Class& height, const Class& width) {
      for_each(depth.taps, height.taps, width.taps, [&](int64_t d, int64_t h, int64_t w) {
        const float* K = static_cast<float*>(from) + ((d * taps_[1] + h) * taps_[2] + w) * each_;
        if (dx_ && !depthwise_)
          transpose(features_in_, features_out_, K, features_in_, at, features_out_);
        else
          std::copy_n(K, each_, at);
        at += each_;
      });
    });
  }

  void run(void* x, void* K, void* y) const override {
    const float *in = static_cast<float*>(dx_ ? y : x), *in_order = static_cast<float*>(K);
    float* out = static_cast<float*>(dx_ ? x : y);
    for (int64_t example = 0; example < n_; example += at_once_) {
      for (const Sweep& sweep : sweeps_) compute(sweep, in, in_order, out);
      in += at_once_ * product(in_) * features_in_, out += at_once_ * product(out_) * features_out_;
    }
  }

  bool orders_like(const Form&) const override { return true; }

 private:
  template <class Values, class At>
  static void for_each(const Values& depth, const Values& height, const Values& width, const At& at) {
    for (const auto& d : depth)
      for (const auto& h : height)
        for (const auto& w : width) at(d, h, w);
  }

  Sweep sweep_of(const std::array<Run, kAxes>& runs, const Axes& taps, int64_t first) const {
    Sweep found{};
    int64_t in = features_in_, out = features_out_;
    for (int a = kAxes; a-- > 0; in *= in_[a], out *= out_[a]) {
      found.loops[a + 1] = {runs[a].positions, runs[a].step * in, runs[a].to_step * out};
      found.in += runs[a].from * in, found.out += runs[a].to * out;
    }
    found.loops[0] = {at_once_, in, out};
    const auto& [d, h, w] = runs;
    const int64_t row = in_[2] * features_in_, together = w.apart == 1 ? w.taps : 1;
    found.length = together * (depthwise_ ? 1 : features_in_);
    for (int64_t i = 0; i < d.taps; ++i)
      for (int64_t j = 0; j < h.taps; ++j)
        for (int64_t k = 0; k < w.taps; k += together) {
          const int64_t tap = ((d.first + i) * taps[1] + h.first + j) * taps[2] + w.first + k;
          found.starts.push_back({(i * d.apart * in_[1] + j * h.apart) * row + k * w.apart * features_in_,
                                  first + tap * each_});
        }
    as_long_as_possible(found.loops);
    return found;
  }

  // Two loops whose positions follow upon each other become one; the longest becomes the last.
  static void as_long_as_possible(std::array<Sweep::Loop, kAxes + 1>& loops) {
    for (int a = kAxes + 1; a-- > 1;) {
      Sweep::Loop &outer = loops[a - 1], &inner = loops[a];
      if (outer.in != inner.in * inner.count || outer.out != inner.out * inner.count) continue;
      outer = {outer.count * inner.count, inner.in, inner.out};
      inner.count = 1;
    }
    std::stable_sort(loops.begin(), loops.end(), [](const auto& a, const auto& b) { return a.count < b.count; });
  }

  void compute(const Sweep& sweep, const float* in, const float* K, float* out) const {
    const auto multiply = depthwise_ ? multiply_numbers : multiply_pieces;
    const Inner inner{sweep.starts.data(), int64_t(sweep.starts.size()), sweep.length, depthwise_ ? features_in_ : 1};
    const auto& [first, second, third, last] = sweep.loops;
    for (int64_t i = 0; i < first.count; ++i)
      for (int64_t j = 0; j < second.count; ++j)
        for (int64_t k = 0; k < third.count; ++k) {
          const float* from = in + sweep.in + i * first.in + j * second.in + k * third.in;
          float* to = out + sweep.out + i * first.out + j * second.out + k * third.out;
          multiply(last.count, features_out_, inner, from, last.in, K, features_out_, to, last.out);
        }
  }

  bool dx_, depthwise_;
  int64_t n_;
  Axes taps_, in_, out_;  // of K; positions of what is read, and of the result
  int64_t features_in_, features_out_, each_;  // numbers of a tap
  int64_t at_once_;                            // examples
  std::array<std::vector<Class>, kAxes> classes_;
  std::vector<Sweep> sweeps_;
};

}  // namespace

bool is_direct(const Geometry& g) {
  const int64_t features = (g.product == Product::kDx ? g.x : g.y).back();
  const bool depthwise = g.groups == g.x.back() && g.groups == g.y.back();
  int64_t numbers = 1;
  for (int64_t size : g.K) numbers *= size;
  if (!has_tiles() || g.product == Product::kDK || g.type != dnnl::memory::data_type::f32) return false;
  if (g.K.size() > kAxes + 2 || (g.groups > 1 && !depthwise)) return false;
  return features >= kFewFeatures && numbers <= kLargest;
}

std::unique_ptr<Form> direct(const Geometry& geometry) { return std::make_unique<Direct>(geometry); }

}  // namespace deltarule
