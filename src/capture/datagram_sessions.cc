#include "capture/datagram_sessions.h"

#include <algorithm>

#include "base/result.h"

namespace skep::capture {

DatagramSessions::DatagramSessions(StreamEvents& events, const DatagramLimits& limits)
    : events_(events), limits_(limits) {
  SKEP_CHECK(limits.sessions > 0);
}

void DatagramSessions::take(const Datagram& datagram) {
  const auto is_over = [&](const Session& session) {
    return datagram.time_ns - session.connection.now_ns > limits_.silence_ns;
  };
  while (!by_silence_.empty() && is_over(sessions_.find(*by_silence_.front())->second))
    end_longest_silent(EndReason::timeout);
  const Ends ends = std::minmax(datagram.source, datagram.destination);
  auto found = sessions_.find(ends);
  if (found == sessions_.end()) found = open(ends, datagram);
  Session& session = found->second;
  by_silence_.splice(by_silence_.end(), by_silence_, session.place);
  session.connection.now_ns = datagram.time_ns;
  const Direction direction = datagram.source == session.connection.client ? Direction::to_bait : Direction::to_client;
  uint64_t& next = session.next[static_cast<size_t>(direction)];
  ++counts_.datagrams;
  events_.sent(session.connection, direction, next, datagram.payload);
  next += datagram.payload.size();
  if (const uint64_t lost = datagram.bytes - datagram.payload.size(); lost > 0) {
    counts_.lost_bytes += lost;
    events_.lost(session.connection, direction, next, lost);
    next += lost;
  }
}

DatagramSessions::Sessions::iterator DatagramSessions::open(const Ends& ends, const Datagram& first) {
  while (sessions_.size() >= limits_.sessions) {
    ++counts_.put_out;
    end_longest_silent(EndReason::open);
  }
  const auto made = sessions_.emplace(ends, Session{}).first;
  Connection& connection = made->second.connection;
  connection.number = ++counts_.sessions;
  connection.protocol = Protocol::udp;
  connection.client = first.source;
  connection.server = first.destination;
  connection.begun_ns = connection.now_ns = first.time_ns;
  made->second.place = by_silence_.insert(by_silence_.end(), &made->first);
  return made;
}

void DatagramSessions::end_longest_silent(EndReason reason) {
  const auto session = sessions_.find(*by_silence_.front());
  events_.ended(session->second.connection, reason);
  by_silence_.pop_front();
  sessions_.erase(session);
}

void DatagramSessions::finish() {
  while (!by_silence_.empty()) end_longest_silent(EndReason::open);
}

}  // namespace skep::capture
