// The walk through time of a recurrent layer, forward and back, in parts of the minibatch: one for each thread.
//
// A part walks through all of time by itself: no thread waits for another before the end. It takes a few steps at a
// time: their products with W are one, and so are their terms of the weights' gradients, while they are in the cache;
// within them a step is one product with U and one pass over its numbers. The weights are put in oneDNN's order once
// a call.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>

#include "cells.h"
#include "onednn.h"
#include "share.h"

namespace deltarule {
namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Numbers = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

constexpr int64_t kRows = 128;  // of a product with W: enough to keep the processor busy, and to stay in its cache

// One product, c = a b for a (rows, k) and b (k, m) in an order of oneDNN's choice, or the one that is given.
struct Product {
  dnnl::matmul run;
  memory::desc a, b, c, scratch;

  Product(int64_t rows, int64_t k, int64_t m, const memory::desc* order) {
    const auto type = memory::data_type::f32;
    a = {{rows, k}, type, memory::format_tag::ab};
    c = {{rows, m}, type, memory::format_tag::ab};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::desc any({k, m}, type, memory::format_tag::any);
    dnnl::matmul::primitive_desc product(cpu(), a, order ? *order : any, c, attributes);
    b = product.weights_desc(), scratch = product.scratchpad_desc();
    run = dnnl::matmul(product);
  }
};

// Made once for each size, one thread wide; the order of b is that for `most` rows.
inline const Product& product(int64_t rows, int64_t most, int64_t k, int64_t m) {
  static std::map<std::array<int64_t, 4>, Product> made;
  static std::mutex mutex;
  const Product* largest = rows == most ? nullptr : &product(most, most, k, m);
  std::lock_guard<std::mutex> lock(mutex);
  const std::array<int64_t, 4> size = {rows, most, k, m};
  auto found = made.find(size);
  if (found == made.end()) found = made.emplace(size, Product(rows, k, m, largest ? &largest->b : nullptr)).first;
  return found->second;
}

// A matrix of weights (k, m), or the transpose of one that lies as (m, k), in oneDNN's order in `place`.
class Weights {
 public:
  Weights(const Numbers& M, bool transposed, int64_t most, Scratch& place)
      : most_(most), k_(M.dimensions()[transposed ? 1 : 0]), m_(M.dimensions()[transposed ? 0 : 1]) {
    const memory::desc ordered = product(most_, most_, k_, m_).b;
    using tag = memory::format_tag;
    const memory::desc plain({k_, m_}, memory::data_type::f32, transposed ? tag::ba : tag::ab);
    numbers_ = place.of(ordered.get_size());
    memory from(plain, cpu(), const_cast<float*>(M.typed_data())), to(ordered, cpu(), numbers_);
    dnnl::stream stream(cpu());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }

  // The product with them for so many rows, on the thread that asks.
  class For {
   public:
    For(const Weights& weights, int64_t rows)
        : product_(product(rows, weights.most_, weights.k_, weights.m_)), stream_(cpu()),
          a_(product_.a, cpu(), nullptr), b_(product_.b, cpu(), weights.numbers_), c_(product_.c, cpu(), nullptr),
          work_(product_.scratch, cpu(), nullptr) {}

    void operator()(const float* a, float* c) {
      a_.set_data_handle(const_cast<float*>(a));
      c_.set_data_handle(c);
      work_.set_data_handle(scratch().of(product_.scratch.get_size()));
      product_.run.execute(stream_, {{DNNL_ARG_SRC, a_},
                                     {DNNL_ARG_WEIGHTS, b_},
                                     {DNNL_ARG_DST, c_},
                                     {DNNL_ARG_SCRATCHPAD, work_}});
      stream_.wait();
    }

   private:
    const Product& product_;
    dnnl::stream stream_;
    memory a_, b_, c_, work_;
  };

 private:
  int64_t most_, k_, m_;
  void* numbers_;
};

struct Sizes {
  int64_t n, steps, i, o, width;  // the last is o for each gate

  Sizes(const Numbers& x, const Numbers& U)
      : n(x.dimensions()[0]), steps(x.dimensions()[1]), i(x.dimensions()[2]), o(U.dimensions()[0]),
        width(U.dimensions()[1]) {}
};

// How the minibatch is cut, and how many steps a part takes at a time.
struct Parts {
  int64_t n, most, chunk;
  int count;

  Parts(ffi::ThreadPool& pool, const Sizes& sizes)
      : n(sizes.n), count(std::max<int64_t>(1, std::min(n, pool.num_threads()))) {
    most = (n + count - 1) / count;
    chunk = std::clamp<int64_t>(kRows / std::max<int64_t>(1, most), 1, sizes.steps);
  }
  int64_t begin(int part) const { return n * part / count; }
};

// A step of one part, whose examples are from ... from + rows - 1, counted by `index` from where the layer begins.
struct Step {
  const Sizes& sizes;
  int64_t from, rows, index;
  bool reverse;

  int64_t t() const { return reverse ? sizes.steps - 1 - index : index; }

  // Its block in an array (t, n, width), and in one that is (n, t, width).
  template <class Number>
  Number* of(Number* array, int64_t width) const { return array + (t() * sizes.n + from) * width; }
  template <class Number>
  Number* among(Number* array, int64_t width) const { return array + (from * sizes.steps + t()) * width; }

  // How far apart the rows lie in an array (n, t, width).
  int64_t apart(int64_t width) const { return sizes.steps * width; }

  Step before() const { return {sizes, from, rows, index - 1, reverse}; }

  // c before the step: of the step before, or of the beginning.
  const float* previous(const float* c, const float* c0) const {
    return index == 0 ? c0 + from * sizes.o : before().of(c, sizes.o);
  }
};

// rows of `length` numbers, `from_apart` and `to_apart` numbers apart.
inline void copy_rows(int64_t rows, int64_t length, const float* from, int64_t from_apart, float* to,
                      int64_t to_apart) {
  for (int64_t row = 0; row < rows; ++row) std::copy_n(from + row * from_apart, length, to + row * to_apart);
}

// Memory of this thread for each of so many arrays, beside each other.
template <size_t Count>
std::array<float*, Count> buffers(const int64_t (&sizes)[Count]) {
  thread_local Scratch mine;
  int64_t total = 0;
  for (int64_t size : sizes) total += (size + 15) / 16 * 16;
  std::array<float*, Count> found;
  float* next = static_cast<float*>(mine.of(total * sizeof(float)));
  for (size_t k = 0; k < Count; next += (sizes[k] + 15) / 16 * 16, ++k) found[k] = next;
  return found;
}

// cell(step, u, s, h) with u = x_t W and s = h U, from the first step to the last; the cell makes the new h of h.
template <class Cell>
void walk(ffi::ThreadPool& pool, const Numbers& x, const Numbers& W, const Numbers& U, const Numbers& h0,
          bool reverse, const Cell& cell) {
  OneThread one;
  const Sizes sizes(x, U);
  const auto [n, steps, i, o, width] = sizes;
  const Parts parts(pool, sizes);
  thread_local Scratch W_place, U_place;
  const Weights by_W(W, false, parts.chunk * parts.most, W_place), by_U(U, false, parts.most, U_place);
  share(pool, parts.count, [&, i = i, o = o, width = width, steps = steps](int part) {
    const int64_t from = parts.begin(part), rows = parts.begin(part + 1) - from, most = parts.chunk * rows;
    auto [inputs, u, s, h] = buffers({most * i, most * width, rows * width, rows * o});
    std::copy_n(h0.typed_data() + from * o, rows * o, h);
    Weights::For times_U(by_U, rows);
    for (int64_t first = 0; first < steps; first += parts.chunk) {
      const int64_t length = std::min(parts.chunk, steps - first);
      for (int64_t k = 0; k < length; ++k) {
        const Step step{sizes, from, rows, first + k, reverse};
        copy_rows(rows, i, step.among(x.typed_data(), i), step.apart(i), inputs + k * rows * i, i);
      }
      Weights::For(by_W, length * rows)(inputs, u);
      for (int64_t k = 0; k < length; ++k) {
        times_U(h, s);
        cell(Step{sizes, from, rows, first + k, reverse}, u + k * rows * width, s, h);
      }
    }
  });
}

// Where the derivatives go; `bias` is what is added to h U alone, or null.
struct Gradients {
  Result x, U, W, b;
  float* bias = nullptr;
};

// c (m, width) = a^T b, or with what c holds before, for a (rows, m) whose rows lie `apart`, and b (rows, width).
inline void add_product(int64_t m, int64_t width, int64_t rows, const float* a, int64_t apart, const float* b,
                        bool first, float* c) {
  const dnnl_status_t status =
      dnnl_sgemm('T', 'N', m, width, rows, 1.0f, a, apart, b, width, first ? 0.0f : 1.0f, c, width);
  if (status != dnnl_success) throw std::runtime_error("status " + std::to_string(status));
}

// to[k] = the sum of the parts' numbers, of which this thread takes one part.
inline void add_parts(int part, int parts, const float* terms, int64_t apart, int64_t numbers, float* to) {
  const int64_t from = numbers * part / parts, length = numbers * (part + 1) / parts - from;
  std::copy_n(terms + from, length, to + from);
  for (int other = 1; other < parts; ++other) add_rows(1, length, terms + other * apart + from, to + from);
}

// cell(step, dy, apart, dh, da, ds), from the last step to the first, makes da and ds, the derivatives of x_t W and
// h U, which are one where no bias is added to h U alone; dh comes from the step after.
template <class Cell>
void walk_back(ffi::ThreadPool& pool, const Numbers& x, const Numbers& y, const Numbers& h0, const Numbers& dy,
               const Numbers& W, const Numbers& U, bool reverse, Gradients to, const Cell& cell) {
  OneThread one;
  const Sizes sizes(x, U);
  const auto [n, steps, i, o, width] = sizes;
  const Parts parts(pool, sizes);
  const bool last = dy.dimensions().size() == 2, two = to.bias != nullptr;
  thread_local Scratch W_place, U_place, terms_place;
  const Weights by_W(W, true, parts.chunk * parts.most, W_place), by_U(U, true, parts.most, U_place);
  const int64_t terms_size = (i + o + 2) * width;  // dW, dU, db, and the sum of ds
  float* const terms = static_cast<float*>(terms_place.of(parts.count * terms_size * sizeof(float)));

  share(pool, parts.count, [&, i = i, o = o, width = width, steps = steps](int part) {
    const int64_t from = parts.begin(part), rows = parts.begin(part + 1) - from, most = parts.chunk * rows;
    auto [v, da, ds, dinputs, dh, nothing] =
        buffers({most * (i + o), most * width, two ? most * width : 0, most * i, rows * o, o});
    float* const dW = terms + part * terms_size;
    float* const sums = dW + (i + o) * width;
    std::fill_n(sums, 2 * width, 0.0f);
    std::fill_n(nothing, o, 0.0f);
    std::fill_n(dh, rows * o, 0.0f);
    if (last) std::copy_n(dy.typed_data() + from * o, rows * o, dh);
    Weights::For times_U(by_U, rows);
    for (int64_t end = steps; end > 0; end -= std::min(parts.chunk, end)) {
      const int64_t first = std::max<int64_t>(0, end - parts.chunk), all = (end - first) * rows;
      for (int64_t index = end; index-- > first;) {
        const Step step{sizes, from, rows, index, reverse};
        const int64_t row = (index - first) * rows;
        float* const own_v = v + row * (i + o);
        copy_rows(rows, i, step.among(x.typed_data(), i), step.apart(i), own_v, i + o);
        if (index == 0) copy_rows(rows, o, h0.typed_data() + from * o, o, own_v + i, i + o);
        else copy_rows(rows, o, step.before().among(y.typed_data(), o), step.apart(o), own_v + i, i + o);
        float* const own_da = da + row * width;
        float* const own_ds = two ? ds + row * width : own_da;
        const float* const own_dy = last ? nothing : step.among(dy.typed_data(), o);
        cell(step, own_v + i, own_dy, last ? 0 : step.apart(o), dh, own_da, own_ds);
        times_U(own_ds, dh);
      }
      Weights::For(by_W, all)(da, dinputs);
      for (int64_t index = first; index < end; ++index) {
        const Step step{sizes, from, rows, index, reverse};
        copy_rows(rows, i, dinputs + (index - first) * rows * i, i, step.among(to.x->typed_data(), i),
                  step.apart(i));
      }
      add_product(two ? i : i + o, width, all, v, i + o, da, end == steps, dW);
      add_rows(all, width, da, sums);
      if (two) {
        add_product(o, width, all, v + i, i + o, ds, end == steps, dW + i * width);
        add_rows(all, width, ds, sums + width);
      }
    }
  });

  share(pool, parts.count, [&, i = i, o = o, width = width](int part) {
    auto add = [&](int64_t offset, int64_t numbers, float* where) {
      add_parts(part, parts.count, terms + offset, terms_size, numbers, where);
    };
    add(0, i * width, to.W->typed_data());
    add(i * width, o * width, to.U->typed_data());
    add((i + o) * width, width, to.b->typed_data());
    if (two) add((i + o + 2) * width - o, o, to.bias);
  });
}

}  // namespace
}  // namespace deltarule
