// What replays have left running. An attack that is replayed by degrees (a twin, a smaller one) often ends in a loop,
// and a bait full of them answers nobody. Each is asked to end a moment after its connection was over, and then made
// to: a service's own processes have left off by themselves meanwhile. Pure: the time is passed in. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "base/result.h"
#include "model/kernel_event.h"

namespace skep::judge {

class Leftovers {
 public:
  static constexpr size_t kWaitingMax = 1024;
  static constexpr int64_t kPatienceNs = 1'000'000'000;  // before the first signal, and before the second

  // Sends the signal to what works for that flow: to how many.
  using End = std::function<Result<uint32_t>(const skep_flow& flow, int signal)>;
  explicit Leftovers(End end) : end_(std::move(end)) {}

  // The replay on a flow with these ends, that was opened before `flow.opened_ns`, is over.
  void over(const skep_flow& flow, int64_t now_ns);
  void step(int64_t now_ns);
  std::optional<int64_t> next_deadline_ns() const;

  uint64_t ended() const { return ended_; }      // processes that were sent a signal, each once
  uint64_t refused() const { return refused_; }  // replays for which there was no room

 private:
  struct Waiting {
    skep_flow flow;
    int64_t due_ns = 0;
    int signal = 0;
  };
  const End end_;
  std::deque<Waiting> waiting_;  // the first is due first
  uint64_t ended_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace skep::judge
