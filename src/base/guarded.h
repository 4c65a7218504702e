// Guarded: a value that several threads use, one at a time. `guarded->f()` holds its lock for that expression; whoever
// wants more at once takes `hold()`. Never two of them in one expression.
#pragma once

#include <mutex>
#include <utility>

namespace skep {

template <typename T>
class Guarded {
 public:
  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  class Held {
   public:
    explicit Held(Guarded& of) : lock_(of.mutex_), value_(of.value_) {}
    T* operator->() { return &value_; }
    T& operator*() { return value_; }

   private:
    std::lock_guard<std::mutex> lock_;
    T& value_;
  };
  Held operator->() { return Held(*this); }
  Held hold() { return Held(*this); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace skep
