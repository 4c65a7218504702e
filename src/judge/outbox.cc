#include "judge/outbox.h"

#include <algorithm>
#include <utility>

namespace skep::judge {
namespace {

bool must_arrive(const wire::Frame& frame) {
  return frame.has_alert() || frame.has_file_found() || frame.has_records_lost();
}

}  // namespace

void Outbox::put(wire::Frame frame) {
  if (!connected_ && !must_arrive(frame)) return;
  if (waiting_.size() >= kFramesMax && !must_arrive(frame)) {
    ++lost_;
    return;
  }
  waiting_.push_back(std::move(frame));
  if (must_arrive(waiting_.back())) keep(waiting_.back());
  keep_within(connected_ ? kFramesMax : kAlertsMax);
}

// A full journal is written anew from what still waits, where that is half of it or less.
void Outbox::keep(const wire::Frame& frame) {
  ++pending_;
  if (journal_ == nullptr || journal_->add(frame)) return;
  if (pending_ * 2 > journal_->frames()) {
    ++unjournaled_;
    return;
  }
  journal_->clear();
  for (const std::deque<wire::Frame>* frames : {&under_way_, &waiting_}) {
    for (const wire::Frame& each : *frames) {
      if (must_arrive(each) && !journal_->add(each)) ++unjournaled_;
    }
  }
}

// One that had to arrive has, or never will.
void Outbox::settle() {
  --pending_;
  if (pending_ == 0 && journal_ != nullptr) journal_->clear();
}

void Outbox::keep_within(size_t most) {
  while (waiting_.size() > most) {
    const auto news =
        std::find_if(waiting_.begin(), waiting_.end(), [](const wire::Frame& frame) { return !must_arrive(frame); });
    const auto leaves = news != waiting_.end() ? news : waiting_.begin();
    const bool kept = must_arrive(*leaves);
    waiting_.erase(leaves);
    if (kept) settle();
    ++lost_;
  }
}

void Outbox::peer_came() {
  connected_ = true;
  acknowledged_ = 0;
}

void Outbox::peer_gone() {
  connected_ = false;
  std::deque<wire::Frame> alerts = std::exchange(under_way_, {});
  for (wire::Frame& frame : waiting_) {
    if (must_arrive(frame)) alerts.push_back(std::move(frame));
  }
  waiting_ = std::move(alerts);
  keep_within(kAlertsMax);
}

void Outbox::sent() {
  if (must_arrive(waiting_.front())) {
    under_way_.push_back(std::move(waiting_.front()));
    if (under_way_.size() > kAlertsMax) {
      // It was sent, and most likely arrived: it only cannot be sent again.
      under_way_.pop_front();
      ++acknowledged_;
      settle();
    }
  }
  waiting_.pop_front();
}

bool Outbox::refused() {
  if (must_arrive(waiting_.front())) return false;
  waiting_.pop_front();
  return true;
}

void Outbox::acknowledged(uint64_t alerts) {
  while (acknowledged_ < alerts && !under_way_.empty()) {
    under_way_.pop_front();
    ++acknowledged_;
    settle();
  }
}

}  // namespace skep::judge
