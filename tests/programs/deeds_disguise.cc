// A deed that something else goes before, or beside: what is to be refused is refused all the same.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "deeds.h"

namespace {

constexpr int kIdleCalls = 10'000;
constexpr int kThreads = 1000;

// setsid, ten thousand calls that mean nothing, then the deed.
int padded(const std::string& deed) {
  return in_child([&] {
    ::setsid();
    for (int i = 0; i < kIdleCalls; ++i) ::syscall(SYS_getppid);
    return do_deed(deed, "");
  });
}

// The deed, while a thousand threads of the process wait.
int among_threads(const std::string& deed) {
  return in_child([&] {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return over; });
      });
    }
    const int outcome = do_deed(deed, "");
    {
      const std::lock_guard lock(mutex);
      over = true;
    }
    changed.notify_all();
    for (std::thread& thread : threads) thread.join();
    return outcome;
  });
}

// An exec by one of a thousand threads: the process becomes the new program, or ends.
int exec_among_threads(const std::string& path) {
  return in_child([&] {
    std::mutex mutex;
    mutex.lock();
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&] { const std::lock_guard lock(mutex); });
    const std::string folder = path;
    const std::string program = folder + "/b";
    const std::string listed = folder + "/ran_a";
    const std::string unlisted = folder + "/ran_b";
    std::thread([&] { ::execl(program.c_str(), "marker", listed.c_str(), unlisted.c_str(), nullptr); }).join();
    ::_exit(errno);
    return 0;
  });
}

// As many calls as fit between two sets of signatures that take turns; the first that is not refused is told.
int again_and_again(const std::string& deed) {
  constexpr int kTimes = 2000;
  for (int i = 0; i < kTimes; ++i) {
    if (const int outcome = do_deed(deed, ""); outcome == 0) return ECANCELED;
  }
  return 0;
}

}  // namespace

const Deeds& disguise_deeds() {
  static const Deeds kDeeds = {
      {"padded", padded},
      {"among_threads", among_threads},
      {"exec_among_threads", exec_among_threads},
      {"again_and_again", again_and_again},
  };
  return kDeeds;
}
