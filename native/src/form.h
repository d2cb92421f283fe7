// A product of a convolution: what it is asked for, and how some examples of it are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

namespace deltarule {

enum class Product { kY, kDx, kDK };

// What a product is, without its numbers: the key under which its form is kept.
struct Geometry {
  using Sizes = dnnl::memory::dims;

  Product product;
  dnnl::memory::data_type type;
  Sizes x, K, y, stride, dilation, front, behind;
  int64_t groups;

  auto key() const { return std::tie(product, type, x, K, y, stride, dilation, front, behind, groups); }
  bool operator<(const Geometry& other) const { return key() < other.key(); }
};

// How it is computed. K and dK are in an order of the form's own while it runs.
class Form {
 public:
  virtual ~Form() = default;

  virtual size_t K_bytes() const = 0;

  // K into the form's order; dK out of it.
  virtual void put_in_order(void* from, void* to) const = 0;

  virtual void run(void* x, void* K, void* y) const = 0;

  // Whether a form of the same product, of more examples, has the same order.
  virtual bool orders_like(const Form& more) const = 0;
};

}  // namespace deltarule
