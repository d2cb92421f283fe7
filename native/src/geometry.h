// A convolution as oneDNN computes it: what it is asked for, in which order its arrays lie, and its primitives.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "onednn.h"

namespace deltarule {
namespace {

using dnnl::memory;

enum class Product { kY, kDx, kDK };

// What a product is, without its numbers: the key under which its primitives are kept.
struct Geometry {
  Product product;
  memory::data_type type;
  memory::dims x, K, y, stride, dilation, front, behind;
  int64_t groups;

  auto key() const { return std::tie(product, type, x, K, y, stride, dilation, front, behind, groups); }
  bool operator<(const Geometry& other) const { return key() < other.key(); }
};

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

// A convolution as oneDNN computes it: its primitive, and the order in which it wants K.
struct Primitive {
  dnnl::primitive run;
  memory::desc x, K, y, scratch, reorder_scratch;
  dnnl::reorder reorder;  // of K into that order, and of dK out of it

  explicit Primitive(const Geometry& g) {
    x = channels_last(g.x, g.type), y = channels_last(g.y, g.type);
    auto plain = kernel(g.K, g.groups, g.type);
    auto any = in_any_order(plain);
    memory::dims gaps = g.dilation;
    for (auto& gap : gaps) --gap;  // oneDNN counts the numbers left out between two taps
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto direct = dnnl::algorithm::convolution_direct;
    dnnl::convolution_forward::primitive_desc forward(
        cpu(), dnnl::prop_kind::forward_training, direct, x, any, y, g.stride, gaps, g.front, g.behind, attributes);
    if (g.product == Product::kY) {
      K = forward.weights_desc(), scratch = forward.scratchpad_desc();
      run = dnnl::convolution_forward(forward);
    } else if (g.product == Product::kDx) {
      dnnl::convolution_backward_data::primitive_desc backward(
          cpu(), direct, x, any, y, g.stride, gaps, g.front, g.behind, forward, attributes);
      K = backward.weights_desc(), scratch = backward.scratchpad_desc();
      run = dnnl::convolution_backward_data(backward);
    } else {
      auto sum = in_any_order(kernel(g.K, g.groups, memory::data_type::f32));
      dnnl::convolution_backward_weights::primitive_desc backward(
          cpu(), direct, x, sum, y, g.stride, gaps, g.front, g.behind, forward, attributes);
      K = backward.diff_weights_desc(), scratch = backward.scratchpad_desc();
      run = dnnl::convolution_backward_weights(backward);
    }
    bool out = g.product == Product::kDK;
    dnnl::reorder::primitive_desc order(cpu(), out ? K : plain, cpu(), out ? plain : K, attributes);
    reorder_scratch = order.scratchpad_desc();
    reorder = dnnl::reorder(order);
  }

  void put_in_order(const memory& from, const memory& to) const {
    dnnl::stream stream(cpu());
    memory work(reorder_scratch, cpu(), deltarule::scratch().of(reorder_scratch.get_size()));
    reorder.execute(stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, work}});
    stream.wait();
  }
};

// Primitives are made once for each geometry, one thread wide; making one takes about a millisecond. Their scratch
// memory is the caller's, so that several threads may run the same one.
const Primitive& primitive(const Geometry& geometry) {
  static std::map<Geometry, Primitive> made;
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = made.find(geometry);
  if (found == made.end()) found = made.emplace(geometry, Primitive(geometry)).first;
  return found->second;
}

}  // namespace
}  // namespace deltarule
