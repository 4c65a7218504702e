// For tests of the player: targets of one thread each on loopback, that do what the test says, and an oracle that has
// seen one alert.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "io/datagrams.h"
#include "io/sockets.h"
#include "model/socket_address.h"
#include "replay/dialogue_test_rig.h"
#include "replay/locate.h"
#include "replay/player.h"

namespace skep::replay {

using test::Dialogue;

inline constexpr timeval kPatience{10, 0};
inline constexpr int64_t kMillisecond = 1'000'000;

inline Endpoint loopback(uint16_t port = 0) {
  Endpoint endpoint = *parse_endpoint("127.0.0.1");
  endpoint.port = port;
  return endpoint;
}

inline void block(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}
inline void say(int socket, std::string_view text) {
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}
// Until the text has come, or the peer ended.
inline std::string hear(int socket, std::string_view until) {
  std::string heard;
  char byte = 0;
  while (!heard.ends_with(until) && ::recv(socket, &byte, 1, 0) == 1) heard += byte;
  return heard;
}
inline std::string hear_all(int socket) {
  return hear(socket, "\xff no such text \xff");
}
inline void reset(Fd& socket) {
  io::reset_on_close(socket.get());
  socket.reset();
}

// A service by a script: what it does with its first connection, then with its second …
class Peer {
 public:
  using Act = std::function<void(Fd&)>;
  explicit Peer(std::vector<Act> acts) : listener_(*io::listen_tcp(loopback())), acts_(std::move(acts)) {
    where_ = io::local_end(listener_.get());
    block(listener_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const Endpoint& where() const { return where_; }

 private:
  void serve() {
    for (const Act& act : acts_) {
      Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket) return;
      block(socket.get());
      act(socket);
    }
  }
  Fd listener_;
  Endpoint where_;
  std::vector<Act> acts_;
  std::thread thread_;
};

// Nobody listens there.
inline Endpoint closed_port() {
  const auto listener = io::listen_tcp(loopback());
  return io::local_end(listener->get());
}

// Sees an alert once it is asked for the n-th time.
class OracleOfOneAlert : public Oracle {
 public:
  Result<uint64_t> watch(const Endpoint& own, const Endpoint& target) override {
    watched.emplace_back(own, target);
    if (watched.size() <= refusals) return tl::unexpected<Error>(Error{refusal, refusal_code});
    return watched.size();
  }
  Result<Seen> seen(uint64_t) override {
    Seen said;
    said.served_by_pid = 4242;
    said.supervised = supervised;
    if (++asked >= alert_at) said.alerts.resize(1);
    return said;
  }
  void over(uint64_t number) override { ended.push_back(number); }

  std::vector<std::pair<Endpoint, Endpoint>> watched;
  std::vector<uint64_t> ended;
  size_t refusals = 0;
  std::string refusal;
  int refusal_code = 0;
  bool supervised = true;
  int asked = 0;
  int alert_at = INT32_MAX;
};

class PlayerTest : public testing::Test {
 protected:
  PlayerTest() {
    options_.after_ms = 20;
    options_.answer_timeout_ms = 5000;
  }
  Attempt play(const Recording& recording, const Endpoint& target, Oracle* oracle = nullptr) {
    return replay::play(recording, plan_as_recorded(recording), target, options_, oracle, stop_);
  }
  static std::string text(const Bytes& bytes) { return std::string(as_text(bytes)); }

  PlayerOptions options_;
  std::atomic<bool> stop_{false};
};

// That the second connection goes where the service says: "… 78,52 …" of message 1.
inline Plan with_named_port(const Recording& recording) {
  const std::string_view named = "78,52";
  Echo echo;
  echo.source = {1, static_cast<uint32_t>(as_text(recording.messages[1].bytes).find(named)),
                 static_cast<uint32_t>(named.size())};
  echo.read = Form::octet_pair;
  take_context(recording.messages[1].bytes, echo);
  Plan plan;
  plan.named_ports.push_back({1, echo});
  return plan;
}

inline Recording greeting() {
  return Dialogue().server("220 ready\r\n").client("HELO a\r\n").server("250 hello\r\n").client("QUIT\r\n").take();
}

}  // namespace skep::replay
