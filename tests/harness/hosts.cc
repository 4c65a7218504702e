#include "harness/hosts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "io/sockets.h"
#include "model/socket_address.h"

namespace skep::harness {
namespace {

constexpr timeval kLimit{10, 0};

template <typename Make>
Result<Fd> in_namespace(const std::string& netns, Make make) {
  Result<Fd> made = fail("never tried");
  if (auto entered = act_in_namespace(netns, [&] { made = make(); }); !entered)
    return tl::unexpected<Error>(entered.error());
  if (made) {
    ::setsockopt(made->get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
    ::setsockopt(made->get(), SOL_SOCKET, SO_SNDTIMEO, &kLimit, sizeof kLimit);
  }
  return made;
}

Result<SocketAddress> address_of(const std::string& endpoint) {
  const auto parsed = parse_endpoint(endpoint);
  if (!parsed) return fail("'{}' is no address:port", endpoint);
  return to_socket_address(*parsed);
}

}  // namespace

// What a thread sees and makes belongs to the namespace that it is in: one of its own goes there.
Status act_in_namespace(const std::string& netns, const std::function<void()>& act) {
  Status entered;
  std::thread([&] {
    const Fd there(::open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC));
    if (!there || ::setns(there.get(), CLONE_NEWNET) != 0)
      entered = fail_errno("enter " + netns);
    else
      act();
  }).join();
  return entered;
}

Result<Fd> listen_on(const std::string& netns, const std::string& endpoint) {
  auto address = address_of(endpoint);
  if (!address) return tl::unexpected<Error>(address.error());
  return in_namespace(netns, [&]() -> Result<Fd> {
    Fd socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), address->get(), address->bytes) != 0 || ::listen(socket.get(), 128) != 0)
      return fail_errno("listen on " + endpoint);
    return socket;
  });
}

Result<Fd> connect_from(const std::string& netns, const std::string& endpoint, const std::string& source) {
  auto address = address_of(endpoint);
  if (!address) return tl::unexpected<Error>(address.error());
  const auto from = parse_endpoint(source);
  if (!source.empty() && !from) return fail("'{}' is no address", source);
  return in_namespace(netns, [&]() -> Result<Fd> {
    Fd socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress own = to_socket_address(from.value_or(Endpoint{}));
    if (!source.empty() && ::bind(socket.get(), own.get(), own.bytes) != 0) return fail_errno("bind " + source);
    if (::connect(socket.get(), address->get(), address->bytes) != 0) return fail_errno("connect to " + endpoint);
    return socket;
  });
}

std::string kernel_file(const std::string& netns, const std::string& name) {
  std::string text;
  const auto entered = act_in_namespace(netns, [&] { text = read_file("/proc/thread-self/net/" + name).value_or(""); });
  return entered ? text : "";
}

// A line: number, own address:port, the other's, state, …; a UDP socket's state says whether it is connected.
bool listens(const std::string& netns, const std::string& protocol, uint16_t port) {
  const std::string own = fmt::format(":{:04X} ", port);
  const std::string_view state = protocol == "tcp" ? ":0000 0A " : ":0000 07 ";
  for (const char* version : {"", "6"}) {
    const std::string text = kernel_file(netns, protocol + version);
    for (const std::string_view line : split(text, '\n')) {
      const size_t at = line.find(own);
      if (at != std::string_view::npos && line.find(state, at) != std::string_view::npos) return true;
    }
  }
  return false;
}

Endpoint peer_of(const Fd& socket) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&storage), &bytes);
  return to_endpoint(storage);
}

Result<Fd> socket_in(const std::string& netns, int family, int type, int protocol) {
  return in_namespace(netns, [&]() -> Result<Fd> {
    Fd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
    if (!socket) return fail_errno("make a socket in " + netns);
    return socket;
  });
}

Result<Fd> accept_one(const Fd& listener) {
  Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) return fail_errno("accept");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kLimit, sizeof kLimit);
  return socket;
}

void send_text(const Fd& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

Received receive_all(const Fd& socket, size_t most) {
  Received received;
  char block[65536];
  while (received.text.size() < most) {
    const ssize_t got = ::recv(socket.get(), block, std::min(sizeof block, most - received.text.size()), 0);
    if (got == 0) return received;
    if (got < 0) {
      received.reset = errno == ECONNRESET;
      received.timed_out = errno == EAGAIN;
      return received;
    }
    received.text.append(block, static_cast<size_t>(got));
  }
  return received;
}

void reset(Fd socket) {
  io::reset_on_close(socket.get());
}

}  // namespace skep::harness
