// crowd: harmless visitors. `crowd --sessions N --at-once K --seed S URL…` with URL as ADDRESS:PORT/PATH: N sessions
// over the URLs in turn, K at once, each one GET, with small pauses. A line of JSON a session: {"target":
// "ADDRESS:PORT", "port": own port, "opened_ns": …, "status": 200}. Exit 0: all were answered.
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "net.h"

namespace {

struct Url {
  std::string target;
  sockaddr_in address;
  std::string path;
};

int visit(const Url& url, unsigned& port) {
  const int fd = connect_to(url.address);
  if (fd < 0) return 0;
  port = local_port(fd);
  std::string reply;
  send_all(fd, "GET " + url.path + " HTTP/1.0\r\nHost: www.example.org\r\nUser-Agent: crowd\r\n\r\n");
  receive_until(fd, reply, 10'000, [](const std::string&) { return false; });
  ::close(fd);
  return reply.rfind("HTTP/1.", 0) == 0 && reply.size() > 12 ? std::atoi(reply.c_str() + 9) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned sessions = 50, at_once = 8, seed = 1;
  std::vector<Url> urls;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--sessions")
      sessions = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (word == "--at-once")
      at_once = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (word == "--seed")
      seed = static_cast<unsigned>(std::atoi(argv[++i]));
    else {
      const std::string target = word.substr(0, word.find('/'));
      urls.push_back({target, test_address(target), word.substr(word.find('/'))});
    }
  }
  std::atomic<unsigned> next{0}, good{0};
  std::mutex printing;
  std::vector<std::thread> visitors;
  for (unsigned v = 0; v < at_once; ++v) {
    visitors.emplace_back([&, v] {
      std::mt19937 random(seed * 1000 + v);
      for (unsigned i = next++; i < sessions; i = next++) {
        unsigned port = 0;
        const Url& url = urls[i % urls.size()];
        const long long opened = realtime_ns();
        const int status = visit(url, port);
        if (status == 200) ++good;
        const std::lock_guard lock(printing);
        std::printf("{\"target\":\"%s\",\"port\":%u,\"opened_ns\":%lld,\"status\":%d}\n", url.target.c_str(), port,
                    opened, status);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
      }
    });
  }
  for (std::thread& visitor : visitors) visitor.join();
  return good == sessions ? 0 : 1;
}
