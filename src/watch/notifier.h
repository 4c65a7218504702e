// The notifier: a thread that answers seccomp's questions. It holds no opinion: each question goes to the kernel
// program `decide`, which runs the automata over the caller's own state, and the answer is passed on. Before an exec is
// answered, `copier` may look at what is to run.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "watch/copier.h"
#include "watch/kernel.h"

namespace skep::watch {

class Notifier {
 public:
  Notifier(const Kernel& kernel, Copier& copier) : kernel_(kernel), copier_(copier) {}
  ~Notifier();

  Status start();
  // `notices` stays open until its service and all descendants are gone; then it is closed here.
  Status serve(Fd notices);
  uint64_t answered() const { return answered_; }
  uint64_t refused() const { return refused_; }

 private:
  void run();
  void answer_one(int notices);

  const Kernel& kernel_;
  Copier& copier_;
  Fd epoll_;
  Fd stop_;
  std::thread thread_;
  std::atomic<uint64_t> answered_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace skep::watch
