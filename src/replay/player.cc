#include "replay/player.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/clock.h"
#include "io/datagrams.h"
#include "io/sockets.h"
#include "model/socket_address.h"
#include "replay/answer_end.h"
#include "replay/exchange.h"
#include "replay/pace.h"

namespace skep::replay {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kPortsTried = 16;                // one after the other, where the oracle wants another
constexpr int64_t kGraceNs = 200'000'000;      // after an alert, for what else comes of it
constexpr int64_t kAskNs = 20'000'000;         // between two questions to the oracle
constexpr size_t kAlwaysLookedAt = 64 * 1024;  // a longer answer is only looked at again when it has grown

int64_t ms(uint32_t milliseconds) {
  return milliseconds * kMillisecond;
}

// The address from which this machine would speak to the target. Nothing is sent by it.
Result<Endpoint> own_address(const Endpoint& target) {
  const auto socket = io::connect_udp(target, 0);
  if (!socket) return tl::unexpected<Error>(socket.error());
  Endpoint own = io::local_end(socket->get());
  own.port = 0;
  return own;
}

// With a source port of its own, before anything is sent.
Result<Fd> bound_socket(const Endpoint& own) {
  const SocketAddress address = to_socket_address(own);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  if (::bind(socket.get(), address.get(), address.bytes) != 0) return fail_errno("bind a port of " + to_string(own));
  return socket;
}

// One attempt, from the first source port to the last question. Its order is the dialogue's, so that it is one class.
class Performance {
 public:
  Performance(const Recording& recording, const Plan& plan, const Endpoint& target, const PlayerOptions& options,
              Oracle* oracle, const std::atomic<bool>& stop)
      : recording_(recording),
        plan_(plan),
        options_(options),
        pace_(recording_, options_),
        oracle_(oracle),
        exchange_(recording, options.answer_bytes_max, stop),
        watched_(recording.connections.size()),
        last_heard_(recording.connections.size()) {
    attempt_.target = target;
    attempt_.begun_ns = now_realtime_ns();
    attempt_.sent.resize(recording.messages.size());
    attempt_.answers.resize(recording.messages.size());
    if (const auto trigger = recording.trigger()) {
      trigger_ = *trigger;
      for (uint32_t i = 0; i <= trigger_; ++i) attempt_.steps_total += is_sent(i) ? 1 : 0;
    }
    deadline_ns_ = now_monotonic_ns() + ms(options.attempt_ms_max);
  }

  Attempt perform() {
    if (recording_.connections.empty() || recording_.empty()) {
      over(Ending::failed, "nothing was sent in the recording");
      return finish();
    }
    if (auto begun = begin(); !begun) over(Ending::failed, begun.error().message);
    for (uint32_t i = 0; i < recording_.messages.size() && going(); ++i) {
      end_directions(i);
      open_due(i);
      if (going() && options_.as_recorded_timing) pause_before(i);
      if (going()) is_sent(i) ? say(i) : hear(i);
    }
    // What ended early may have done something all the same: a crash is told after the connection is gone, and a target
    // may be overcome before it has taken all of the trigger.
    if (!triggered() && (trigger_begun_ || attempt_.steps_done > 0)) listen_for(ms(options_.after_ms));
    if (listen_until_ns_ != 0) listen_on();
    return finish();
  }

 private:
  // --- How far it is.
  bool is_sent(uint32_t i) const { return recording_.messages[i].direction == Direction::to_bait; }
  bool triggered() const { return attempt_.triggered_ns != 0; }
  bool going() {
    if (over_) return false;
    if (exchange_.stopped()) over(Ending::failed, "it was told to stop");
    if (exchange_.flooded()) over(Ending::flooded, fmt::format("more than {} bytes came", options_.answer_bytes_max));
    if (now_monotonic_ns() >= deadline_ns_)
      over(Ending::timed_out, fmt::format("the attempt took longer than {} ms", options_.attempt_ms_max));
    return !over_;
  }
  // The dialogue cannot go on. Behind the trigger that is no failure of the attempt, but for a flood.
  void over(Ending ending, std::string lacking) {
    if (std::exchange(over_, true)) return;
    if (triggered() && ending != Ending::flooded) return;
    ending_ = ending;
    attempt_.lacking = std::move(lacking);
  }
  int64_t soonest(int64_t until_ns) const {
    return std::min({until_ns, deadline_ns_, listen_until_ns_ != 0 ? listen_until_ns_ : INT64_MAX});
  }
  // False: the time has come, or it is over.
  bool wait(int64_t until_ns, const Line* writable = nullptr) {
    if (!going() || now_monotonic_ns() >= until_ns) return false;
    exchange_.wait(until_ns, writable);
    return true;
  }
  std::string step(uint32_t i) const { return fmt::format("message {} of {}", i, recording_.messages.size()); }

  // --- Connections.
  Status begin() {
    const auto own = own_address(attempt_.target);
    if (!own) return tl::unexpected<Error>(own.error());
    attempt_.own = *own;
    if (auto listening = open_sink(); !listening) return listening;
    open(0, attempt_.target);
    return {};
  }
  // Where the service called back, or is told by the client to.
  Status open_sink() {
    std::vector<uint16_t> ports;
    for (const RecordedConnection& connection : recording_.connections) {
      if (connection.by_service && connection.protocol == Protocol::tcp &&
          std::ranges::find(ports, connection.server.port) == ports.end() && ports.size() < Exchange::kListenersMax)
        ports.push_back(connection.server.port);
    }
    const bool told = std::ranges::any_of(plan_.fields, [](const Field& field) {
      const auto* const address = std::get_if<Address>(&field.what);
      return address != nullptr && address->of == AddressOf::sink_port;
    });
    if (ports.empty() && told) ports.push_back(0);
    for (const uint16_t port : ports) {
      if (auto listening = exchange_.listen(attempt_.own, port); !listening) return listening;
    }
    return {};
  }

  // To the target's address alone.
  void open(uint32_t connection, const Endpoint& to) {
    Line& line = exchange_.line(connection);
    auto made = line.protocol == Protocol::udp ? io::connect_udp(to, 0) : watched_socket(connection, to);
    if (!made) return over(Ending::failed, made.error().message);
    line.socket = std::move(*made);
    if (connection == 0) attempt_.own = io::local_end(line.socket.get());
    line.state = line.protocol == Protocol::udp ? Line::State::open : Line::State::connecting;
    if (line.protocol == Protocol::udp) {
      stood_ = true;
      return unwatched("no monitor tells whose a datagram was");
    }
    const SocketAddress address = to_socket_address(to);
    if (::connect(line.socket.get(), address.get(), address.bytes) != 0 && errno != EINPROGRESS) {
      line.state = Line::State::reset;
      line.error = errno;
    }
    const int64_t until_ns = soonest(now_monotonic_ns() + ms(options_.connect_timeout_ms));
    while (line.state == Line::State::connecting && wait(until_ns)) {
    }
    if (line.state == Line::State::open && connection == 0) stood_ = true;
    if (line.state == Line::State::open || over_) return;
    if (line.state == Line::State::connecting)
      return over(Ending::connect_timeout,
                  fmt::format("{}: no answer in {} ms", to_string(to), options_.connect_timeout_ms));
    over(Ending::not_connected, fmt::format("{}: {}", to_string(to), std::strerror(line.error)));
  }
  // The oracle is told of it before it is connected.
  Result<Fd> watched_socket(uint32_t connection, const Endpoint& to) {
    Endpoint own = attempt_.own;
    own.port = 0;
    for (int i = 0;; ++i) {
      auto socket = bound_socket(own);
      if (!socket || oracle_ == nullptr) return socket;
      const auto number = oracle_->watch(io::local_end(socket->get()), to);
      if (number) {
        watched_[connection] = *number;
        return socket;
      }
      if (number.error().code == EADDRINUSE && i < kPortsTried) continue;
      unwatched(number.error().message);
      return socket;
    }
  }
  void unwatched(std::string because) {
    if (attempt_.unwatched_because.empty()) attempt_.unwatched_because = std::move(because);
  }

  // Other connections that the client had opened by the time of this message.
  void open_due(uint32_t i) {
    const Message& message = recording_.messages[i];
    for (uint32_t c = 1; c < recording_.connections.size() && going(); ++c) {
      const RecordedConnection& recorded = recording_.connections[c];
      if (recorded.by_service || opened_.contains(c)) continue;
      if (c != message.connection && (recorded.opened_ns == 0 || recorded.opened_ns > message.begun_ns)) continue;
      opened_.insert(c);
      open_other(c);
    }
  }
  void open_other(uint32_t connection) {
    Endpoint to = attempt_.target;
    const bool named =
        std::ranges::any_of(plan_.named_ports, [=](const NamedPort& each) { return each.connection == connection; });
    const uint16_t recorded = recording_.connections[connection].server.port;
    if (recorded != recording_.connections[0].server.port) to.port = recorded;
    if (named) {
      const auto port = named_port(recording_, plan_, connection, around());
      if (!port) return over(Ending::lacks_value, "the service did not name the port of another connection");
      to.port = *port;
    }
    open(connection, to);
  }
  // False: it has not come.
  bool await_call_back(uint32_t i, const Line& line) {
    const int64_t until_ns = soonest(now_monotonic_ns() + ms(options_.answer_timeout_ms));
    while (line.state == Line::State::unopened && wait(until_ns)) {
    }
    if (line.state != Line::State::unopened) return true;
    over(Ending::timed_out, fmt::format("{}: the service did not call back", step(i)));
    return false;
  }

  // Half closes that had been seen before this message began.
  void end_directions(uint32_t next) {
    for (; half_closed_ < next; ++half_closed_) {
      const Message& message = recording_.messages[half_closed_];
      if (!message.ends_direction || message.direction != Direction::to_bait) continue;
      ends_.emplace_back(std::max(message.fin_before, half_closed_ + 1), message.connection);
    }
    std::erase_if(ends_, [&](const auto& end) {
      if (end.first > next) return false;
      const Line& line = exchange_.line(end.second);
      if (line.lives() && line.protocol == Protocol::tcp) ::shutdown(line.socket.get(), SHUT_WR);
      return true;
    });
  }

  // As long as the client waited, from the end of the message before on.
  void pause_before(uint32_t i) {
    const int64_t until_ns = now_monotonic_ns() + pace_.pause_ns(i);
    while (is_sent(i) && wait(soonest(until_ns))) {
    }
  }

  // --- What is said.
  Surroundings around() const {
    return {attempt_.target, attempt_.own, exchange_.sink_port(), now_realtime_ns(), &attempt_.answers};
  }
  void say(uint32_t i) {
    const Message& message = recording_.messages[i];
    Line& line = exchange_.line(message.connection);
    if (line.state == Line::State::unopened && !await_call_back(i, line)) return;
    exchange_.look(line);
    give_rest(message.connection);
    if (!may_speak(i, line)) return;
    auto bytes = fill(recording_, plan_, i, around());
    if (!bytes) return over(Ending::lacks_value, bytes.error().message);
    if (i == trigger_) begin_trigger();
    if (!send(i, line, *bytes)) return;
    attempt_.sent[i] = std::move(*bytes);
    last_heard_[message.connection].reset();
    if (!triggered() || i <= trigger_) ++attempt_.steps_done;
    if (i != trigger_) return;
    attempt_.triggered_ns = now_realtime_ns();
    listen_for(pace_.listening_ns(trigger_));
  }
  void begin_trigger() {
    trigger_begun_ = true;
    exchange_.copy_to(&attempt_.after);
  }
  void listen_for(int64_t time_ns) {
    listen_from_ns_ = now_monotonic_ns();
    listen_until_ns_ = listen_from_ns_ + time_ns;
  }
  // A service that only ended its own direction still listens, if it did so when it was recorded.
  bool may_speak(uint32_t i, const Line& line) {
    if (line.state == Line::State::open) return true;
    if (line.state == Line::State::ended && ended_as_recorded(i)) return true;
    const bool reset = line.state == Line::State::reset;
    over(reset ? Ending::reset : Ending::closed,
         fmt::format("{}: the target had {} the connection by then", step(i), reset ? "reset" : "closed"));
    return false;
  }
  bool ended_as_recorded(uint32_t i) const {
    for (uint32_t before = 0; before < i; ++before) {
      const Message& message = recording_.messages[before];
      if (message.connection == recording_.messages[i].connection && !is_sent(before) && message.ends_direction &&
          message.fin_before <= i)
        return true;
    }
    return false;
  }
  bool send(uint32_t i, Line& line, ByteView bytes) {
    int64_t until_ns = now_monotonic_ns() + ms(options_.answer_timeout_ms);
    do {
      const size_t left = bytes.size();
      if (!exchange_.send(line, bytes)) {
        over(Ending::reset, fmt::format("{}: {}", step(i), std::strerror(line.error)));
        return false;
      }
      if (bytes.empty()) return true;
      if (bytes.size() < left) until_ns = now_monotonic_ns() + ms(options_.answer_timeout_ms);
    } while (wait(soonest(until_ns), &line));
    over(Ending::timed_out, fmt::format("{}: the target takes no more bytes", step(i)));
    return false;
  }

  // --- What is heard.
  void hear(uint32_t i) {
    const Message& message = recording_.messages[i];
    Line& line = exchange_.line(message.connection);
    if (line.state == Line::State::unopened && !await_call_back(i, line)) return;
    last_heard_[message.connection] = i;
    looked_at_ = 0;
    const int64_t begun_ns = now_monotonic_ns();
    const int64_t until_ns = soonest(begun_ns + pace_.patience_ns(i));
    while (true) {
      if (take_answer(i, line, begun_ns)) return;
      if (line.state != Line::State::open) return take_all(line, attempt_.answers[i]);
      if (wait(std::min(until_ns, next_look_ns(i, line)))) continue;
      if (over_ || now_monotonic_ns() >= until_ns) break;
    }
    take_all(line, attempt_.answers[i]);
    if (attempt_.answers[i].empty()) over(Ending::timed_out, fmt::format("{}: no answer came", step(i)));
  }
  // Over UDP a message is a datagram; over TCP what comes until the answer is over.
  bool take_answer(uint32_t i, Line& line, int64_t begun_ns) {
    Bytes& answer = attempt_.answers[i];
    if (line.protocol == Protocol::udp) {
      if (line.datagrams.empty()) return false;
      answer = std::move(line.datagrams.front());
      line.datagrams.pop_front();
      return true;
    }
    if (another_follows(i)) return take_first(i, line, begun_ns);
    take_all(line, answer);
    return is_over(i, line, answer, begun_ns);
  }
  // The service goes on without having been asked: what came may be of two messages.
  bool take_first(uint32_t i, Line& line, int64_t begun_ns) {
    Bytes& answer = attempt_.answers[i];
    const auto end = end_of_first(recording_.messages[i].bytes, line.came);
    if (end && holds_all_sources(recording_, plan_, i, ByteView(line.came).first(*end))) {
      const auto behind = line.came.begin() + static_cast<ptrdiff_t>(*end);
      answer.assign(line.came.begin(), behind);
      line.came.erase(line.came.begin(), behind);
      return true;
    }
    if (!is_over(i, line, line.came, begun_ns)) return false;
    take_all(line, answer);
    return true;
  }
  static void take_all(Line& line, Bytes& answer) {
    answer.insert(answer.end(), line.came.begin(), line.came.end());
    line.came.clear();
  }
  bool another_follows(uint32_t i) const {
    for (uint32_t next = i + 1; next < recording_.messages.size(); ++next) {
      if (recording_.messages[next].connection == recording_.messages[i].connection) return !is_sent(next);
    }
    return false;
  }
  bool is_over(uint32_t i, const Line& line, ByteView came, int64_t begun_ns) {
    if (came.empty()) return false;
    const int64_t quiet_since_ns = std::max(line.came_ns, begun_ns);
    const int64_t quiet_for_ns = now_monotonic_ns() - quiet_since_ns;
    const bool quiet = quiet_for_ns >= pace_.quiet_ns(i, came.size(), false);
    if (!quiet && came.size() > kAlwaysLookedAt && came.size() < looked_at_ + looked_at_ / 16) return false;
    looked_at_ = came.size();
    if (!quiet && !looks_whole(recording_.messages[i].bytes, came)) return false;
    return holds_all_sources(recording_, plan_, i, came) || quiet_for_ns >= pace_.quiet_ns(i, came.size(), true);
  }
  // When silence would say something.
  int64_t next_look_ns(uint32_t i, const Line& line) const {
    const Bytes& answer = another_follows(i) ? line.came : attempt_.answers[i];
    if (answer.empty()) return INT64_MAX;
    const int64_t quiet_at_ns = line.came_ns + pace_.quiet_ns(i, answer.size(), false);
    return quiet_at_ns > now_monotonic_ns() ? quiet_at_ns : now_monotonic_ns() + ms(options_.quiet_ms);
  }
  // What came behind an answer, before the client spoke again, is the end of it.
  void give_rest(uint32_t connection) {
    Line& line = exchange_.line(connection);
    line.datagrams.clear();
    if (last_heard_[connection]) take_all(line, attempt_.answers[*last_heard_[connection]]);
  }

  // --- What comes of it.
  // The client's last ends of directions come as late as they came, for a service may leave off there; but early enough
  // for what they bring about.
  int64_t last_ends_ns() const {
    return listen_from_ns_ + std::min(pace_.last_end_ns(), (listen_until_ns_ - listen_from_ns_) / 2);
  }
  void listen_on() {
    int64_t alerted_ns = 0;
    int64_t ask_ns = 0;
    int64_t ends_ns = over_ ? INT64_MAX : last_ends_ns();  // a dialogue that broke off has come to none
    while (!exchange_.stopped() && !exchange_.flooded()) {
      const int64_t now = now_monotonic_ns();
      if (now >= ends_ns) {
        end_directions(static_cast<uint32_t>(recording_.messages.size()));
        ends_ns = INT64_MAX;
      }
      if (now >= ask_ns) ask();
      if (now >= ask_ns) ask_ns = now + kAskNs;
      if (!attempt_.alerts.empty() && alerted_ns == 0) alerted_ns = now;
      const int64_t until_ns =
          alerted_ns == 0 ? soonest(INT64_MAX) : std::min(soonest(INT64_MAX), alerted_ns + kGraceNs);
      if (now >= until_ns || nothing_can_come(alerted_ns != 0)) break;
      exchange_.wait(std::min({until_ns, ends_ns, watching() ? ask_ns : INT64_MAX}));
    }
    if (exchange_.flooded()) {
      over_ = false;
      going();
    }
    for (uint32_t c = 0; c < recording_.connections.size(); ++c) give_rest(c);
  }
  bool watching() const {
    return std::ranges::any_of(watched_, [](const auto& number) { return number.has_value(); });
  }
  // All connections are over, and nobody is awaited.
  bool nothing_can_come(bool alerted) {
    if (exchange_.sink_port() != 0 || (watching() && !alerted)) return false;
    for (uint32_t c = 0; c < recording_.connections.size(); ++c) {
      if (exchange_.line(c).state == Line::State::open) return false;
    }
    return true;
  }
  void ask() {
    if (!watching()) return;
    std::vector<Alert> alerts;
    for (auto& number : watched_) {
      if (!number) continue;
      auto seen = oracle_->seen(*number);
      if (!seen) {
        unwatched(seen.error().message);
        number.reset();
        continue;
      }
      if (!seen->supervised) unwatched("its monitor was away, or lost records");
      if (seen->served_by_pid != 0 && attempt_.served_by_pid == 0) attempt_.served_by_pid = seen->served_by_pid;
      std::move(seen->alerts.begin(), seen->alerts.end(), std::back_inserter(alerts));
    }
    if (alerts.size() >= attempt_.alerts.size()) attempt_.alerts = std::move(alerts);
  }

  // --- The end.
  Attempt finish() {
    ask();
    // A monitor on that host need not supervise that service: only where it names who served us it had an eye on us.
    if (watching() && attempt_.served_by_pid == 0)
      unwatched("the monitor told of no process that served the connection");
    attempt_.watched = watching() && attempt_.unwatched_because.empty();
    for (const auto& number : watched_) {
      if (number) oracle_->over(*number);
    }
    attempt_.ending = ending_ ? *ending_ : ending_of_first();
    attempt_.sink_hits = std::move(exchange_.hits());
    attempt_.ended_ns = now_realtime_ns();
    attempt_.alive_after = is_alive();
    // Looked at only where the first answer is not the recorded one: it may be another service altogether.
    if (options_.look_for_greeting && attempt_.alive_after && is_sent(0) && first_answer_differs())
      attempt_.greeted = greets();
    return std::move(attempt_);
  }
  Ending ending_of_first() {
    const Line::State state = exchange_.line(0).state;
    if (state == Line::State::ended) return Ending::closed;
    return state == Line::State::reset ? Ending::reset : Ending::open;
  }
  // Of a service that speaks by datagrams: it has not been refused.
  bool is_alive() {
    if (recording_.connections.empty() || exchange_.stopped()) return false;
    Line& first = exchange_.line(0);
    if (!stood_ || first.protocol == Protocol::udp) return stood_ && first.state == Line::State::open;
    for (uint32_t c = 0; c < recording_.connections.size(); ++c) exchange_.line(c) = Line();
    auto socket = io::connect_tcp(attempt_.target, 0);
    if (!socket) return false;
    first.socket = std::move(*socket);
    first.state = Line::State::connecting;
    const int64_t until_ns = now_monotonic_ns() + ms(options_.connect_timeout_ms);
    while (first.state == Line::State::connecting && now_monotonic_ns() < until_ns && !exchange_.stopped())
      exchange_.wait(until_ns);
    return first.state == Line::State::open;
  }

  bool first_answer_differs() const {
    for (uint32_t i = 0; i < recording_.messages.size(); ++i) {
      if (!is_sent(i)) return attempt_.answers[i] != recording_.messages[i].bytes;
    }
    return false;
  }
  bool greets() {
    Line& fresh = exchange_.line(0);
    const int64_t until_ns = now_monotonic_ns() + ms(options_.quiet_ms);
    while (fresh.came.empty() && fresh.lives() && now_monotonic_ns() < until_ns && !exchange_.stopped())
      exchange_.wait(until_ns);
    return !fresh.came.empty();
  }

  const Recording& recording_;
  const Plan& plan_;
  const PlayerOptions options_;
  const Pace pace_;
  Oracle* const oracle_;
  Exchange exchange_;
  Attempt attempt_;
  uint32_t trigger_ = 0;
  bool trigger_begun_ = false;   // to be sent
  int64_t deadline_ns_ = 0;      // monotonic, as all that follow
  int64_t listen_from_ns_ = 0;   // to what comes of it
  int64_t listen_until_ns_ = 0;  // 0: the dialogue is still held
  bool stood_ = false;           // the first connection
  bool over_ = false;
  std::optional<Ending> ending_;
  std::vector<std::optional<uint64_t>> watched_;     // by connection: the oracle's number
  std::set<uint32_t> opened_;                        // others than the first
  std::vector<std::optional<uint32_t>> last_heard_;  // by connection: the service's last message
  uint32_t half_closed_ = 0;                         // messages whose ends are known
  std::vector<std::pair<uint32_t, uint32_t>> ends_;  // before which message, of which connection
  size_t looked_at_ = 0;                             // bytes of the answer, when it was last looked at
};

}  // namespace

std::string_view to_string(Ending ending) {
  constexpr std::array<std::string_view, 9> kNames = {
      "open", "closed", "reset", "not-connected", "connect-timeout", "timed-out", "flooded", "lacks-value", "failed"};
  return kNames[static_cast<size_t>(ending)];
}

Attempt play(const Recording& recording, const Plan& plan, const Endpoint& target, const PlayerOptions& options,
             Oracle* oracle, const std::atomic<bool>& stop) {
  return Performance(recording, plan, target, options, oracle, stop).perform();
}

}  // namespace skep::replay
