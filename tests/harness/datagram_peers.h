// Ends of a conversation by datagrams, in the test's own hands: a client's or a service's socket on a host of the
// testbed, and a service that sends everything back.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace skep::harness {

using Texts = std::vector<std::string>;

// A socket of a host, connected to `to` or bound to `at`; it waits ten seconds for what is to come.
Fd peer(const std::string& netns, const std::string& to, const std::string& at = "");
void say(const Fd& socket, const std::string& bytes);
// The next one; "nothing came" where that is so.
std::string hear(const Fd& socket, int flags = 0);

// A bait that sends back what comes, from the address that was asked; what it was asked is kept.
class Echo {
 public:
  explicit Echo(Fd socket) : socket_(std::move(socket)), thread_([this] { run(); }) {}
  ~Echo() { stop(); }
  void stop();
  size_t heard() const { return heard_; }
  // Once it has stopped: from which port it was asked what.
  const std::map<uint16_t, Texts>& asked() const { return asked_; }

 private:
  void run();
  Fd socket_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> heard_{0};
  std::map<uint16_t, Texts> asked_;
  std::thread thread_;
};

}  // namespace skep::harness
