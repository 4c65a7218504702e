// Threads that can be spared, for work that another process may hold up for as long as it likes: in its memory, in a
// file system of its own. Nobody waits for one that hangs; there are never more than a number. Any thread.
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
  // `waited_for`: a call is held up meanwhile, so they go before what else the host runs.
  explicit SpareThreads(size_t most, bool waited_for = false);
  // False where all are busy: the work is not done. What it needs must be its own, because it may outlive this object.
  bool run(std::function<void()> work);

 private:
  struct Shared;
  static void live(const std::shared_ptr<Shared>& shared, std::function<void()> work);

  const size_t most_;
  const bool waited_for_;
  // Shared with threads that may never come back to be joined.
  std::shared_ptr<Shared> shared_;
};

}  // namespace skep::watch
