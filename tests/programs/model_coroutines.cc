// Many sessions on few threads: each is a coroutine that reads, waits, acts, waits again and answers, each time on
// whichever thread is free.
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>
#include <queue>
#include <thread>

#include "models.h"
#include "net.h"

namespace {

using Clock = std::chrono::steady_clock;

class Scheduler {
 public:
  void resume_later(std::coroutine_handle<> handle) {
    const std::lock_guard lock(mutex_);
    ready_.push_back(handle);
    more_.notify_one();
  }
  void resume_at(Clock::time_point when, std::coroutine_handle<> handle) {
    const std::lock_guard lock(mutex_);
    timers_.push({when, handle});
    more_.notify_one();
  }
  // A thread of the pool: whatever is ready, or due.
  [[noreturn]] void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!timers_.empty() && timers_.top().when <= Clock::now()) {
        ready_.push_back(timers_.top().handle);
        timers_.pop();
      }
      if (ready_.empty()) {
        if (timers_.empty()) {
          more_.wait(lock);
        } else {
          more_.wait_until(lock, timers_.top().when);
        }
        continue;
      }
      const std::coroutine_handle<> next = ready_.front();
      ready_.pop_front();
      lock.unlock();
      next.resume();
      lock.lock();
    }
  }

 private:
  struct Timer {
    Clock::time_point when;
    std::coroutine_handle<> handle;
    bool operator<(const Timer& other) const { return when > other.when; }
  };
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::coroutine_handle<>> ready_;
  std::priority_queue<Timer> timers_;
};

Scheduler scheduler;

struct Yield {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { scheduler.resume_later(handle); }
  void await_resume() const {}
};

struct Sleep {
  int ms;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) const {
    scheduler.resume_at(Clock::now() + std::chrono::milliseconds(ms), handle);
  }
  void await_resume() const {}
};

struct Session {
  struct promise_type {
    Session get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

Session converse(int client) {
  co_await Yield{};
  std::string line;
  receive_until(client, line, 30'000, has_line);
  const Request request = parse_request(line);
  co_await Sleep{request.hold_ms};
  const std::string reply = act(request);
  co_await Yield{};
  send_all(client, reply);
  ::close(client);
  after_answer(line);
}

}  // namespace

void coroutine_model(int listener, int workers) {
  for (int i = 0; i < workers; ++i) std::thread([] { scheduler.work(); }).detach();
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) converse(client);
  }
}
