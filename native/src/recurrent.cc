// The recurrent layers, forward and back through time, as handlers that a compiled XLA program calls.
//
// x and y, and their derivatives, are (n, t, .), as the layer has them; the gates and c, which forward keeps, are
// (t, n, o). dy may be that of the last state alone, (n, o).
#include <string>
#include <vector>

#include "walk.h"

namespace deltarule {
namespace {

ffi::Error failed(const std::exception& error) {
  return ffi::Error::Internal(std::string("oneDNN, recurrent layer: ") + error.what());
}

ffi::Error lstm_forward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers b, Numbers h0, Numbers c0,
                        Result y, Result c, Result i, Result f, Result g, Result out, bool reverse) try {
  const int64_t o = U.dimensions()[0];
  walk(pool, x, W, U, h0, reverse, [&](const Step& now, const float* u, const float* s, float* h) {
    auto at = [&](Result& result) { return now.of(result->typed_data(), o); };
    lstm(now.rows, o, u, s, b.typed_data(), now.previous(c->typed_data(), c0.typed_data()), at(i), at(f), at(g),
         at(out), at(c), h, now.among(y->typed_data(), o), now.apart(o));
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

ffi::Error lstm_backward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers h0, Numbers c0, Numbers y,
                         Numbers c, Numbers i, Numbers f, Numbers g, Numbers out, Numbers dy, Result dx, Result dU,
                         Result dW, Result db, bool reverse) try {
  const int64_t o = U.dimensions()[0];
  std::vector<float> dc(h0.element_count());
  walk_back(pool, x, y, h0, dy, W, U, reverse, {dx, dU, dW, db},
            [&](const Step& now, const float*, const float* dy, int64_t apart, const float* dh, float* da, float*) {
              auto at = [&](const Numbers& numbers) { return now.of(numbers.typed_data(), o); };
              lstm_back(now.rows, o, at(i), at(f), at(g), at(out), at(c),
                        now.previous(c.typed_data(), c0.typed_data()), dy, apart, dh, dc.data() + now.from * o, da);
            });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

ffi::Error gru_forward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers b, Numbers bias, Numbers h0,
                       Result y, Result r, Result z, Result n, Result v, bool reverse) try {
  const int64_t o = U.dimensions()[0];
  walk(pool, x, W, U, h0, reverse, [&](const Step& now, const float* u, const float* s, float* h) {
    auto at = [&](Result& result) { return now.of(result->typed_data(), o); };
    gru(now.rows, o, u, s, b.typed_data(), bias.typed_data(), at(r), at(z), at(n), at(v), h,
        now.among(y->typed_data(), o), now.apart(o));
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

ffi::Error gru_backward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers h0, Numbers y, Numbers r,
                        Numbers z, Numbers n, Numbers v, Numbers dy, Result dx, Result dU, Result dW, Result db,
                        Result dbias, bool reverse) try {
  const int64_t o = U.dimensions()[0], v_apart = x.dimensions()[2] + o;
  std::vector<float> through(h0.element_count());
  walk_back(pool, x, y, h0, dy, W, U, reverse, {dx, dU, dW, db, dbias->typed_data()},
            [&](const Step& now, const float* before, const float* dy, int64_t apart, const float* dh, float* da,
                float* ds) {
              auto at = [&](const Numbers& numbers) { return now.of(numbers.typed_data(), o); };
              gru_back(now.rows, o, at(r), at(z), at(n), at(v), before, v_apart, dy, apart, dh,
                       through.data() + now.from * o, da, ds);
            });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

ffi::Error rnn_forward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers b, Numbers h0, Result y,
                       bool relu, bool reverse) try {
  const int64_t o = U.dimensions()[0];
  walk(pool, x, W, U, h0, reverse, [&](const Step& now, const float* u, const float* s, float* h) {
    rnn(now.rows, o, relu, u, s, b.typed_data(), h, now.among(y->typed_data(), o), now.apart(o));
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

ffi::Error rnn_backward(ffi::ThreadPool pool, Numbers x, Numbers W, Numbers U, Numbers h0, Numbers y, Numbers dy,
                        Result dx, Result dU, Result dW, Result db, bool relu, bool reverse) try {
  const int64_t o = U.dimensions()[0];
  walk_back(pool, x, y, h0, dy, W, U, reverse, {dx, dU, dW, db},
            [&](const Step& now, const float*, const float* dy, int64_t apart, const float* dh, float* da, float*) {
              rnn_back(now.rows, o, relu, now.among(y.typed_data(), o), now.apart(o), dy, apart, dh, da);
            });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return failed(error);
}

}  // namespace
}  // namespace deltarule

#define IN .Arg<deltarule::Numbers>()
#define OUT .Ret<deltarule::Numbers>()
#define POOL xla::ffi::Ffi::Bind().Ctx<xla::ffi::ThreadPool>()

// (x, W, U, b, h0, c0) -> (y, c, i, f, g, o),  (x, W, U, h0, c0, y, c, i, f, g, o, dy) -> (dx, dU, dW, db)
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_lstm_forward, deltarule::lstm_forward,
                              POOL IN IN IN IN IN IN OUT OUT OUT OUT OUT OUT.Attr<bool>("reverse"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_lstm_backward, deltarule::lstm_backward,
                              POOL IN IN IN IN IN IN IN IN IN IN IN IN OUT OUT OUT OUT.Attr<bool>("reverse"));
// (x, W, U, b, bias, h0) -> (y, r, z, n, v),  (x, W, U, h0, y, r, z, n, v, dy) -> (dx, dU, dW, db, dbias)
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_gru_forward, deltarule::gru_forward,
                              POOL IN IN IN IN IN IN OUT OUT OUT OUT OUT.Attr<bool>("reverse"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_gru_backward, deltarule::gru_backward,
                              POOL IN IN IN IN IN IN IN IN IN IN OUT OUT OUT OUT OUT.Attr<bool>("reverse"));
// (x, W, U, b, h0) -> y,  (x, W, U, h0, y, dy) -> (dx, dU, dW, db)
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_rnn_forward, deltarule::rnn_forward,
                              POOL IN IN IN IN IN OUT.Attr<bool>("relu").Attr<bool>("reverse"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(deltarule_rnn_backward, deltarule::rnn_backward,
                              POOL IN IN IN IN IN IN OUT OUT OUT OUT.Attr<bool>("relu").Attr<bool>("reverse"));
