// BoundedQueue: messages between threads. It never blocks the sender: at its bound it refuses and counts.
// Any thread may push; one thread takes. `wake_fd()` is readable (an eventfd) once something waits, until all is taken.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "base/fd.h"

namespace skep {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t slots_max) : slots_max_(slots_max), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // False where the queue is full: the message is dropped and counted.
  bool push(T message) {
    bool first = false;
    {
      // A mutex, not a lock-free ring: messages are per session, not per byte, and the section is a few instructions.
      const std::lock_guard lock(mutex_);
      if (items_.size() >= slots_max_) {
        ++refused_;
        return false;
      }
      first = items_.empty();
      items_.push_back(std::move(message));
    }
    // Whoever takes lowers the descriptor before it takes: one raise for all that waits is enough.
    const uint64_t one = 1;
    if (first) [[maybe_unused]]
      const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    return true;
  }

  // Everything that waits, in order; also lowers `wake_fd()`.
  std::deque<T> take_all() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
    const std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }

  int wake_fd() const { return wake_.get(); }
  uint64_t refused() const { return refused_.load(); }

 private:
  const size_t slots_max_;
  Fd wake_;
  std::mutex mutex_;
  std::deque<T> items_;
  std::atomic<uint64_t> refused_{0};
};

}  // namespace skep
