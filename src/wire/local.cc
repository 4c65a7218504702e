#include "wire/local.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace skep::wire {
namespace {

constexpr size_t kClientsMax = 16;
constexpr int64_t kClientTimeoutNs = 10'000'000'000;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail("{}: longer than a socket's name may be", path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<Fd> connect_to(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected<Error>(address.error());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return fail_errno("nobody answers at " + path);
  }
  return socket;
}

Status send_all(int socket, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("send the request");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

}  // namespace

LocalReply refusal(std::string words) {
  LocalReply reply;
  reply.set_ok(false);
  reply.set_error(std::move(words));
  return reply;
}

Result<LocalServer> LocalServer::listen(const std::string& path) {
  if (connect_to(path)) return fail("{}: another program listens there already", path);
  const auto address = address_of(path);
  if (!address) return tl::unexpected<Error>(address.error());
  ::unlink(path.c_str());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  ::umask(before);
  if (bound != 0 || ::listen(socket.get(), 16) != 0) return fail_errno("listen at " + path);
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket.get(), &event);
  return LocalServer(std::move(socket), std::move(epoll));
}

void LocalServer::step(int64_t now, const LocalHandler& handler) {
  while (true) {
    Fd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) break;
    if (clients_.size() >= kClientsMax) continue;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event);
    clients_.push_back({std::move(socket), FrameReader(kLocalFrameBytesMax), {}, now + kClientTimeoutNs});
  }
  // The descriptors are edge-triggered: events are only a reason to look at everybody again.
  epoll_event events[kClientsMax];
  ::epoll_wait(epoll_.get(), events, kClientsMax, 0);
  for (auto it = clients_.begin(); it != clients_.end();) {
    it = it->deadline_ns > now && serve(*it, handler) ? std::next(it) : clients_.erase(it);
  }
}

bool LocalServer::serve(Client& client, const LocalHandler& handler) {
  uint8_t block[16384];
  while (client.reply.empty()) {
    const ssize_t got = ::recv(client.socket.get(), block, sizeof block, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (got < 0) break;
    client.reader.feed({block, static_cast<size_t>(got)});
    const auto content = client.reader.next();
    if (!content) {
      client.reply = encode_frame(refusal(content.error().message));
    } else if (*content) {
      LocalRequest request;
      const Bytes& bytes = **content;
      const bool parsed = request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
      client.reply = encode_frame(parsed ? handler(request) : refusal("a request that is no message"));
    }
  }
  return client.reply.empty() || write_reply(client);
}

bool LocalServer::write_reply(Client& client) {
  while (!client.reply.empty()) {
    const ssize_t put = ::send(client.socket.get(), client.reply.data(), client.reply.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EAGAIN) return true;
    if (put < 0) return false;
    client.reply.erase(client.reply.begin(), client.reply.begin() + put);
  }
  return false;
}

Result<LocalReply> ask(const std::string& path, const LocalRequest& request, int timeout_ms) {
  const auto socket = connect_to(path);
  if (!socket) return tl::unexpected<Error>(socket.error());
  const timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(socket->get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (auto sent = send_all(socket->get(), encode_frame(request)); !sent) return tl::unexpected<Error>(sent.error());
  FrameReader reader(kLocalFrameBytesMax);
  uint8_t block[16384];
  while (true) {
    const ssize_t got = ::recv(socket->get(), block, sizeof block, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("no answer from " + path);
    if (got == 0) return fail("no answer from {}: it closed the connection", path);
    reader.feed({block, static_cast<size_t>(got)});
    const auto content = reader.next();
    if (!content) return tl::unexpected<Error>(content.error());
    LocalReply reply;
    if (!*content) continue;
    const Bytes& bytes = **content;
    if (!reply.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return fail("{}: an answer that is no message", path);
    return reply;
  }
}

}  // namespace skep::wire
