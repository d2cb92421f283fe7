// A convolution as oneDNN computes it.
#pragma once

#include "form.h"
#include "onednn.h"

namespace deltarule {
namespace {

using dnnl::memory;

// Channels-last numbers (n, d.., i) as oneDNN's dims (n, i, d..).
memory::desc channels_last(const memory::dims& shape, memory::data_type type) {
  memory::dims dims = {shape.front(), shape.back()}, strides(2);
  dims.insert(dims.end(), shape.begin() + 1, shape.end() - 1);
  strides.resize(dims.size());
  int64_t stride = strides[1] = 1;
  stride = shape.back();
  for (size_t axis = dims.size(); axis-- > 2; stride *= dims[axis]) strides[axis] = stride;
  strides[0] = stride;
  return {dims, type, strides};
}

// A kernel (k.., i/g, o) as oneDNN's dims (g, o/g, i/g, k..); the groups lie side by side in o.
memory::desc kernel(const memory::dims& shape, int64_t groups, memory::data_type type) {
  int64_t o = shape.back(), i = shape[shape.size() - 2];
  memory::dims dims = {groups, o / groups, i}, strides = {o / groups, 1, o};
  dims.insert(dims.end(), shape.begin(), shape.end() - 2);
  strides.resize(dims.size());
  int64_t stride = o * i;
  for (size_t axis = dims.size(); axis-- > 3; stride *= dims[axis]) strides[axis] = stride;
  return {dims, type, strides};
}

memory::desc in_any_order(const memory::desc& desc) {
  return {desc.get_dims(), desc.get_data_type(), memory::format_tag::any};
}

// Making one takes about a millisecond. It runs one thread wide; its scratch memory is the caller's, so that several
// threads may run the same one.
class Primitive : public Form {
 public:
  explicit Primitive(const Geometry& g) : product_(g.product) {
    x_ = channels_last(g.x, g.type), y_ = channels_last(g.y, g.type);
    plain_ = kernel(g.K, g.groups, g.type);
    auto any = in_any_order(plain_);
    memory::dims gaps = g.dilation;
    for (auto& gap : gaps) --gap;  // oneDNN counts the numbers left out between two taps
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto direct = dnnl::algorithm::convolution_direct;
    dnnl::convolution_forward::primitive_desc forward(
        cpu(), dnnl::prop_kind::forward_training, direct, x_, any, y_, g.stride, gaps, g.front, g.behind, attributes);
    if (g.product == Product::kY) {
      K_ = forward.weights_desc(), scratch_ = forward.scratchpad_desc();
      run_ = dnnl::convolution_forward(forward);
    } else if (g.product == Product::kDx) {
      dnnl::convolution_backward_data::primitive_desc backward(
          cpu(), direct, x_, any, y_, g.stride, gaps, g.front, g.behind, forward, attributes);
      K_ = backward.weights_desc(), scratch_ = backward.scratchpad_desc();
      run_ = dnnl::convolution_backward_data(backward);
    } else {
      auto sum = in_any_order(kernel(g.K, g.groups, memory::data_type::f32));
      dnnl::convolution_backward_weights::primitive_desc backward(
          cpu(), direct, x_, sum, y_, g.stride, gaps, g.front, g.behind, forward, attributes);
      K_ = backward.diff_weights_desc(), scratch_ = backward.scratchpad_desc();
      run_ = dnnl::convolution_backward_weights(backward);
    }
    bool out = g.product == Product::kDK;
    dnnl::reorder::primitive_desc order(cpu(), out ? K_ : plain_, cpu(), out ? plain_ : K_, attributes);
    reorder_scratch_ = order.scratchpad_desc();
    reorder_ = dnnl::reorder(order);
  }

  size_t K_bytes() const override { return K_.get_size(); }

  void put_in_order(void* from, void* to) const override {
    const bool out = product_ == Product::kDK;
    dnnl::stream stream(cpu());
    memory work(reorder_scratch_, cpu(), scratch().of(reorder_scratch_.get_size()));
    reorder_.execute(stream, {{DNNL_ARG_FROM, memory(out ? K_ : plain_, cpu(), from)},
                              {DNNL_ARG_TO, memory(out ? plain_ : K_, cpu(), to)},
                              {DNNL_ARG_SCRATCHPAD, work}});
    stream.wait();
  }

  void run(void* x, void* K, void* y) const override {
    const bool dx = product_ == Product::kDx, dK = product_ == Product::kDK;
    dnnl::stream stream(cpu());
    run_.execute(stream, {{dx ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, memory(x_, cpu(), x)},
                          {dK ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, memory(K_, cpu(), K)},
                          {product_ == Product::kY ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, memory(y_, cpu(), y)},
                          {DNNL_ARG_SCRATCHPAD, memory(scratch_, cpu(), scratch().of(scratch_.get_size()))}});
    stream.wait();
  }

  bool orders_like(const Form& more) const override { return K_ == static_cast<const Primitive&>(more).K_; }

 private:
  Product product_;
  dnnl::primitive run_;
  memory::desc x_, K_, y_, plain_, scratch_, reorder_scratch_;
  dnnl::reorder reorder_;  // of K into its order, and of dK out of it
};

}  // namespace
}  // namespace deltarule
