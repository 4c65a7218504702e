#include "proxy/metrics_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/clock.h"

namespace skep::proxy {
namespace {

std::string reply_of(std::string_view status, std::string_view type, std::string_view body, bool with_body) {
  std::string reply = fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n",
      status, type, body.size());
  if (with_body) reply += body;
  return reply;
}

std::string refusal(std::string_view status) {
  return reply_of(status, "text/plain; charset=utf-8", fmt::format("{}\n", status), true);
}

}  // namespace

std::string http_reply(std::string_view request, std::string_view page) {
  if (request.find("\r\n\r\n") == std::string_view::npos)
    return request.size() < MetricsServer::kRequestBytesMax ? "" : refusal("431 Request Header Fields Too Large");
  const std::string_view line = request.substr(0, request.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || !line.substr(second + 1).starts_with("HTTP/1."))
    return refusal("400 Bad Request");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (method != "GET" && method != "HEAD") return refusal("405 Method Not Allowed");
  if (target.substr(0, target.find('?')) != "/metrics") return refusal("404 Not Found");
  return reply_of("200 OK", "text/plain; version=0.0.4; charset=utf-8", page, method == "GET");
}

MetricsServer::MetricsServer(Fd listener)
    : listener_(std::move(listener)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}

MetricsServer::~MetricsServer() {
  stopping_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void MetricsServer::publish(std::string text, int64_t now_monotonic_ns) {
  const std::lock_guard<std::mutex> held(text_lock_);
  text_.swap(text);
  published_ns_ = now_monotonic_ns;
}

// What a shard that is stuck does not say any more is seen here.
std::string MetricsServer::page(int64_t now_ns) {
  const std::lock_guard<std::mutex> held(text_lock_);
  const double age = published_ns_ == 0 ? 0 : static_cast<double>(now_ns - published_ns_) / 1e9;
  return fmt::format(
      "{0}# HELP skep_metrics_age_seconds Time since the proxy's loop has renewed these figures.\n"
      "# TYPE skep_metrics_age_seconds gauge\nskep_metrics_age_seconds {1:.3f}\n",
      text_, age);
}

void MetricsServer::run() {
  constexpr int kDeadlineMs = 200;  // how late a deadline may be noticed
  while (!stopping_) {
    std::vector<pollfd> waits = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Client& client : clients_)
      waits.push_back({client.socket.get(), static_cast<short>(client.reply.empty() ? POLLIN : POLLOUT), 0});
    ::poll(waits.data(), waits.size(), clients_.empty() ? -1 : kDeadlineMs);
    const int64_t now = now_monotonic_ns();
    std::erase_if(clients_, [&](Client& client) { return client.deadline_ns <= now || !serve(client, now); });
    accept_all(now);
  }
}

void MetricsServer::accept_all(int64_t now_ns) {
  for (size_t i = 0; i < kClientsMax; ++i) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket && (errno == EMFILE || errno == ENFILE)) {
      // Until sessions end; poll would say at once that somebody waits.
      const timespec pause{0, 100'000'000};
      ::nanosleep(&pause, nullptr);
    }
    if (!socket) return;
    if (clients_.size() >= kClientsMax) clients_.pop_front();
    clients_.push_back({std::move(socket), {}, {}, 0, now_ns + kClientNs});
  }
}

bool MetricsServer::serve(Client& client, int64_t now_ns) {
  char block[2048];
  while (client.reply.empty()) {
    const ssize_t got = ::recv(client.socket.get(), block, sizeof block, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    client.request.append(block, static_cast<size_t>(got));
    client.reply = http_reply(client.request, page(now_ns));
  }
  return write_reply(client);
}

bool MetricsServer::write_reply(Client& client) {
  while (client.sent < client.reply.size()) {
    const ssize_t put =
        ::send(client.socket.get(), client.reply.data() + client.sent, client.reply.size() - client.sent, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno == EAGAIN;
    client.sent += static_cast<size_t>(put);
  }
  ::shutdown(client.socket.get(), SHUT_WR);
  return false;
}

}  // namespace skep::proxy
