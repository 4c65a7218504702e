#include "judge/leftovers.h"

#include <signal.h>

#include <utility>

#include "base/log.h"

namespace skep::judge {

void Leftovers::over(const skep_flow& flow, int64_t now_ns) {
  if (waiting_.size() >= kWaitingMax) {
    ++refused_;
    return;
  }
  waiting_.push_back({flow, now_ns + kPatienceNs, SIGTERM});
}

void Leftovers::step(int64_t now_ns) {
  while (!waiting_.empty() && waiting_.front().due_ns <= now_ns) {
    Waiting due = std::exchange(waiting_.front(), {});
    waiting_.pop_front();
    const auto sent = end_(due.flow, due.signal);
    if (!sent) log::warning("what a replay has left running could not be ended: {}", sent.error().message);
    if (!sent || *sent == 0 || due.signal == SIGKILL) continue;
    ended_ += *sent;
    due.due_ns = now_ns + kPatienceNs;
    due.signal = SIGKILL;
    waiting_.push_back(due);
  }
}

std::optional<int64_t> Leftovers::next_deadline_ns() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.front().due_ns;
}

}  // namespace skep::judge
