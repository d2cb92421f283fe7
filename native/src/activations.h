// σ and tanh as plain arithmetic that the compiler turns into vector instructions, to a few units in the last place.
#pragma once

#include <cstdint>
#include <cstring>

namespace deltarule {

#define DELTARULE_INLINE static inline __attribute__((always_inline))

// exp x = 2^k exp r with r in [-ln 2 / 2, ln 2 / 2], and exp r by its series; x is cut to [-87, 88].
DELTARULE_INLINE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const float k = (x * 1.44269504f + round) - round;
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;  // Cephes' expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t exponent = (static_cast<int32_t>(k) + 127) << 23;
  float power;
  std::memcpy(&power, &exponent, sizeof power);
  return p * power;
}

DELTARULE_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// x p(x^2) / q(x^2), the rational function by which Eigen and XLA compute tanh too; beyond 7.9 it is 1 in float32.
DELTARULE_INLINE float hyperbolic_tangent(float x) {
  x = x < -7.90531111f ? -7.90531111f : x;
  x = x > 7.90531111f ? 7.90531111f : x;
  const float square = x * x;
  float p = -2.76076847742355e-16f;
  p = p * square + 2.00018790482477e-13f;
  p = p * square - 8.60467152213735e-11f;
  p = p * square + 5.12229709037114e-08f;
  p = p * square + 1.48572235717979e-05f;
  p = p * square + 6.37261928875436e-04f;
  p = p * square + 4.89352455891786e-03f;
  float q = 1.19825839466702e-06f;
  q = q * square + 1.18534705686654e-04f;
  q = q * square + 2.26843463243900e-03f;
  q = q * square + 4.89352518554385e-03f;
  return x * p / q;
}

}  // namespace deltarule
