// Work shared between XLA's threads and the caller's, with each of them one OpenMP thread wide.
//
// oneDNN is built with OpenMP, and an OpenMP team beside XLA's pool would be twice as many threads as cores: each
// waits for the other's time slice. So there is one pool, XLA's: a product is cut into parts, and each part runs
// oneDNN on the thread that took it. The caller takes parts too, and only ever waits for parts that are running,
// so nothing can lock up where all threads of the pool are callers.
#pragma once

#include <omp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "xla/ffi/api/ffi.h"

namespace deltarule {

// While it lives, OpenMP regions of this thread are one thread wide; other users of OpenMP see no change.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

constexpr auto kPatience = std::chrono::microseconds(100);  // waking a thread that sleeps takes half of it

// Runs part(0) ... part(parts - 1), each once, and returns when all are done; throws what the first to fail threw.
template <class Part>
void share(xla::ffi::ThreadPool& pool, int parts, const Part& part) {
  if (parts == 1) {
    OneThread one;
    return part(0);
  }
  struct Work {
    std::atomic<int> next{0};
    std::atomic<int> done{0};
    std::exception_ptr failure;
    std::mutex mutex;
    std::condition_variable all_done;
  };
  auto work = std::make_shared<Work>();
  auto take = [work, parts, &part] {
    OneThread one;
    for (int index; (index = work->next.fetch_add(1)) < parts;) {
      std::exception_ptr failure;
      try {
        part(index);
      } catch (...) {
        failure = std::current_exception();
      }
      std::lock_guard<std::mutex> lock(work->mutex);
      if (failure && !work->failure) work->failure = failure;
      if (work->done.fetch_add(1) + 1 == parts) work->all_done.notify_one();
    }
  };
  for (int helper = 1; helper < parts; ++helper) pool.Schedule([take] { take(); });
  take();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (work->done != parts && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  std::unique_lock<std::mutex> lock(work->mutex);
  work->all_done.wait(lock, [&] { return work->done == parts; });
  if (work->failure) std::rethrow_exception(work->failure);
}

}  // namespace deltarule
