// Threads that can be spared, for work that another process may hold up for as long as it likes: in its memory, in a
// file system of its own. Nobody waits for one that hangs; there are never more than a number, and only so much work
// waits for one of them. Any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace skep::watch {

// The calling thread is one that a held-up call waits for. Where the host does not let it go first, it goes on as it
// is.
void go_first();

class SpareThreads {
 public:
  // `waiting_max`: of work that waits its turn where all threads are busy. `waited_for`: a call is held up meanwhile,
  // so they go before what else the host runs.
  SpareThreads(size_t most, size_t waiting_max, bool waited_for = false);
  // False where all are busy and no more may wait: the work is not done. What it needs must be its own, because it may
  // outlive this object. While all hang, what waits does too: how old it is it must see for itself.
  bool run(std::function<void()> work);

 private:
  struct Shared;
  static void live(const std::shared_ptr<Shared>& shared, std::function<void()> work);

  const size_t most_;
  const size_t waiting_max_;
  const bool waited_for_;
  // Shared with threads that may never come back to be joined.
  std::shared_ptr<Shared> shared_;
};

}  // namespace skep::watch
