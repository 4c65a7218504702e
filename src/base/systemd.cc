#include "base/systemd.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace skep {
namespace {

std::string take(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

int64_t number(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "/run/systemd/notify", or "@name" of the abstract kind.
Fd connect_to(std::string name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || (name[0] != '/' && name[0] != '@') || name.size() >= sizeof address.sun_path) return {};
  if (name[0] == '@') name[0] = '\0';
  std::memcpy(address.sun_path, name.data(), name.size());
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), bytes) != 0) return {};
  return socket;
}

}  // namespace

Systemd Systemd::from_environment() {
  Systemd systemd;
  systemd.socket_ = connect_to(take("NOTIFY_SOCKET"));
  const int64_t patience_us = number(take("WATCHDOG_USEC"));
  const std::string pid = take("WATCHDOG_PID");
  if (systemd.socket_ && patience_us > 0 && (pid.empty() || number(pid) == ::getpid()))
    systemd.alive_every_ns_ = patience_us * 1000 / 3;
  return systemd;
}

void Systemd::reloading(int64_t now_monotonic_ns) {
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now_monotonic_ns / 1000));
}

void Systemd::status(std::string_view words) {
  if (!socket_ || words == last_status_) return;
  last_status_ = words;
  send("STATUS=" + printable(words));
}

void Systemd::alive(int64_t now_monotonic_ns) {
  if (alive_every_ns_ == 0 || (last_alive_ns_ != 0 && now_monotonic_ns - last_alive_ns_ < alive_every_ns_)) return;
  last_alive_ns_ = now_monotonic_ns;
  send("WATCHDOG=1");
}

void Systemd::send(std::string_view message) {
  if (socket_) ::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace skep
