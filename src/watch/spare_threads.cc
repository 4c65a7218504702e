#include "watch/spare_threads.h"

#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace skep::watch {

// A mutex: work comes once an exec or once an alert, and is held for a few instructions.
struct SpareThreads::Shared {
  std::mutex mutex;
  std::condition_variable more;
  std::deque<std::function<void()>> waiting;
  size_t idle = 0;
  size_t started = 0;
};

void go_first() {
  constexpr int kNice = -10;
  ::setpriority(PRIO_PROCESS, 0, kNice);  // of the thread alone
}

SpareThreads::SpareThreads(size_t most, size_t waiting_max, bool waited_for)
    : most_(most), waiting_max_(waiting_max), waited_for_(waited_for), shared_(std::make_shared<Shared>()) {}

bool SpareThreads::run(std::function<void()> work) {
  const std::lock_guard lock(shared_->mutex);
  const size_t waiting = shared_->waiting.size();
  if (waiting < shared_->idle || shared_->started >= most_) {
    if (waiting >= shared_->idle + waiting_max_) return false;
    shared_->waiting.push_back(std::move(work));
    shared_->more.notify_one();
    return true;
  }
  ++shared_->started;
  std::thread([shared = shared_, first = std::move(work), waited_for = waited_for_]() mutable {
    if (waited_for) go_first();
    live(shared, std::move(first));
  }).detach();
  return true;
}

void SpareThreads::live(const std::shared_ptr<Shared>& shared, std::function<void()> work) {
  while (true) {
    work();
    work = nullptr;  // what it held goes now, not with the next
    std::unique_lock lock(shared->mutex);
    ++shared->idle;
    shared->more.wait(lock, [&] { return !shared->waiting.empty(); });
    --shared->idle;
    work = std::move(shared->waiting.front());
    shared->waiting.pop_front();
  }
}

}  // namespace skep::watch
