#include "proxy/control_link.h"

#include <poll.h>

#include <algorithm>

#include "base/clock.h"
#include "base/threads.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

}  // namespace

ControlLink::ControlLink(const Endpoint& monitor, wire::TlsContext tls, int64_t silence_ns)
    : client_(monitor, std::move(tls)), silence_ns_(silence_ns) {}

void ControlLink::start(Turn turn) {
  turn_ = std::move(turn);
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, "link");
}

void ControlLink::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

wire::ChannelCounters ControlLink::counters() const {
  wire::ChannelCounters counters;
  counters.missing = missing_;
  counters.malformed = malformed_;
  return counters;
}

void ControlLink::send_queued() {
  for (wire::Frame& frame : out_.take_all()) client_.send(frame);
}

void ControlLink::run() {
  int64_t last_word_ns = 0;
  while (!stopping_) {
    pollfd fds[] = {{client_.poll_fd(), POLLIN, 0}, {out_.wake_fd(), POLLIN, 0}};
    const int64_t left_ms = (client_.next_deadline_ns() - now_monotonic_ns()) / kMillisecond;
    ::poll(fds, std::size(fds), static_cast<int>(std::clamp<int64_t>(left_ms + 1, 0, kTurnMs)));
    const int64_t now = now_monotonic_ns();
    auto events = client_.step(now);
    if (!events.empty()) last_word_ns = now;
    if (client_.connected() && now - last_word_ns > silence_ns_) client_.drop("the monitor is silent", events, now);
    turn_(events, now);
    // What waited for a connection that is gone is not for the next one: the bait tells that anew.
    if (client_.connected()) {
      send_queued();
    } else {
      out_.take_all();
    }
    missing_ = client_.counters().missing;
    malformed_ = client_.counters().malformed;
  }
}

}  // namespace skep::proxy
