// One step of each recurrent cell, and one step back, over the rows of a minibatch: all but the products.
//
// u (rows, g o) = x_t W and s (rows, g o) = h U are what the input and the state before give, gate beside gate. In
// the end h holds the new state, and so does y, whose rows lie `apart` numbers apart, as do those of dy; a name that
// ends in _back gives derivatives: dh comes from the step after, and da is with respect to u. The gates of an LSTM
// are i, f, g, o, those of a GRU r, z and its candidate n.
#pragma once

#include <algorithm>

#include "activations.h"
#include "vectorised.h"

namespace deltarule {
namespace {

DELTARULE_VECTORISED
void lstm(int64_t rows, int64_t o, const float* __restrict u, const float* __restrict s, const float* __restrict b,
          const float* __restrict c_before, float* __restrict i, float* __restrict f, float* __restrict g,
          float* __restrict out, float* __restrict c, float* __restrict h, float* __restrict y, int64_t apart) {
  for (int64_t row = 0; row < rows; ++row, u += 4 * o, s += 4 * o, c_before += o, i += o, f += o, g += o, out += o,
               c += o, h += o, y += apart)
    for (int64_t k = 0; k < o; ++k) {
      i[k] = sigmoid(u[k] + s[k] + b[k]);
      f[k] = sigmoid(u[k + o] + s[k + o] + b[k + o]);
      g[k] = hyperbolic_tangent(u[k + 2 * o] + s[k + 2 * o] + b[k + 2 * o]);
      out[k] = sigmoid(u[k + 3 * o] + s[k + 3 * o] + b[k + 3 * o]);
      c[k] = f[k] * c_before[k] + i[k] * g[k];
      y[k] = h[k] = out[k] * hyperbolic_tangent(c[k]);
    }
}

// dc is the cell's, of step t + 1, and becomes that of step t.
DELTARULE_VECTORISED
void lstm_back(int64_t rows, int64_t o, const float* __restrict i, const float* __restrict f,
               const float* __restrict g, const float* __restrict out, const float* __restrict c,
               const float* __restrict c_before, const float* __restrict dy, int64_t apart,
               const float* __restrict dh_after, float* __restrict dc, float* __restrict da) {
  for (int64_t row = 0; row < rows; ++row, i += o, f += o, g += o, out += o, c += o, c_before += o, dy += apart,
               dh_after += o, dc += o, da += 4 * o)
    for (int64_t k = 0; k < o; ++k) {
      const float dh = dy[k] + dh_after[k];
      const float tanh_c = hyperbolic_tangent(c[k]);
      const float dcell = dc[k] + dh * out[k] * (1 - tanh_c * tanh_c);
      da[k] = dcell * g[k] * i[k] * (1 - i[k]);
      da[k + o] = dcell * c_before[k] * f[k] * (1 - f[k]);
      da[k + 2 * o] = dcell * i[k] * (1 - g[k] * g[k]);
      da[k + 3 * o] = dh * tanh_c * out[k] * (1 - out[k]);
      dc[k] = dcell * f[k];
    }
}

// v = h U_n + bias, which the reset gate multiplies.
DELTARULE_VECTORISED
void gru(int64_t rows, int64_t o, const float* __restrict u, const float* __restrict s, const float* __restrict b,
         const float* __restrict bias, float* __restrict r, float* __restrict z, float* __restrict n,
         float* __restrict v, float* __restrict h, float* __restrict y, int64_t apart) {
  for (int64_t row = 0; row < rows;
       ++row, u += 3 * o, s += 3 * o, r += o, z += o, n += o, v += o, h += o, y += apart)
    for (int64_t k = 0; k < o; ++k) {
      r[k] = sigmoid(u[k] + s[k] + b[k]);
      z[k] = sigmoid(u[k + o] + s[k + o] + b[k + o]);
      v[k] = s[k + 2 * o] + bias[k];
      n[k] = hyperbolic_tangent(u[k + 2 * o] + b[k + 2 * o] + r[k] * v[k]);
      y[k] = h[k] = (1 - z[k]) * n[k] + z[k] * h[k];
    }
}

// ds is with respect to h U: it differs from da in the candidate, by r. `through` is the part of dh that the update
// gate lets through.
DELTARULE_VECTORISED
void gru_back(int64_t rows, int64_t o, const float* __restrict r, const float* __restrict z,
              const float* __restrict n, const float* __restrict v, const float* __restrict h_before,
              int64_t before_apart, const float* __restrict dy, int64_t apart, const float* __restrict dh_after,
              float* __restrict through, float* __restrict da, float* __restrict ds) {
  for (int64_t row = 0; row < rows; ++row, r += o, z += o, n += o, v += o, h_before += before_apart, dy += apart,
               dh_after += o, through += o, da += 3 * o, ds += 3 * o)
    for (int64_t k = 0; k < o; ++k) {
      const float dh = dy[k] + dh_after[k] + through[k];
      const float dn = dh * (1 - z[k]) * (1 - n[k] * n[k]);
      da[k] = ds[k] = dn * v[k] * r[k] * (1 - r[k]);
      da[k + o] = ds[k + o] = dh * (h_before[k] - n[k]) * z[k] * (1 - z[k]);
      da[k + 2 * o] = dn;
      ds[k + 2 * o] = dn * r[k];
      through[k] = dh * z[k];
    }
}

DELTARULE_VECTORISED
void rnn(int64_t rows, int64_t o, bool relu, const float* __restrict u, const float* __restrict s,
         const float* __restrict b, float* __restrict h, float* __restrict y, int64_t apart) {
  for (int64_t row = 0; row < rows; ++row, u += o, s += o, h += o, y += apart)
    if (relu)
      for (int64_t k = 0; k < o; ++k) y[k] = h[k] = std::max(u[k] + s[k] + b[k], 0.0f);
    else
      for (int64_t k = 0; k < o; ++k) y[k] = h[k] = hyperbolic_tangent(u[k] + s[k] + b[k]);
}

DELTARULE_VECTORISED
void rnn_back(int64_t rows, int64_t o, bool relu, const float* __restrict h, int64_t h_apart,
              const float* __restrict dy, int64_t apart, const float* __restrict dh_after, float* __restrict da) {
  for (int64_t row = 0; row < rows; ++row, h += h_apart, dy += apart, dh_after += o, da += o)
    if (relu)
      for (int64_t k = 0; k < o; ++k) da[k] = h[k] > 0 ? dy[k] + dh_after[k] : 0.0f;
    else
      for (int64_t k = 0; k < o; ++k) da[k] = (dy[k] + dh_after[k]) * (1 - h[k] * h[k]);
}

DELTARULE_VECTORISED
void add_rows(int64_t rows, int64_t width, const float* __restrict a, float* __restrict sum) {
  for (int64_t row = 0; row < rows; ++row, a += width)
    for (int64_t k = 0; k < width; ++k) sum[k] += a[k];
}

}  // namespace
}  // namespace deltarule
