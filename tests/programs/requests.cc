// requests: each request of a file over a connection of its own, from a port that names it.
//   requests --first-port P --at-once K ADDRESS:PORT FILE
// FILE: of each request its length in digits, a line's end, and its bytes; one of no bytes is a connection that says
// nothing. Request i comes from port P+i, ends its side, and reads to the end. A line of JSON: how many there were, how
// many were answered with something, ended without a word, were reset, could not connect. Exit 0: all could.
#include <atomic>
#include <cerrno>
#include <fstream>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr int kAnswerMs = 30'000;

struct Counts {
  std::atomic<unsigned> answered{0}, silent{0}, reset{0}, unconnected{0};
};

std::vector<std::string> read_requests(const char* path) {
  std::vector<std::string> requests;
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    requests.emplace_back(std::stoul(line), '\0');
    file.read(requests.back().data(), static_cast<std::streamsize>(requests.back().size()));
  }
  return requests;
}

int connect_from(uint16_t port, const sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0 &&
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fd;
  std::perror("connect");
  ::close(fd);
  return -1;
}

void hold(const std::string& request, uint16_t port, const sockaddr_in& address, Counts& counts) {
  const int fd = connect_from(port, address);
  if (fd < 0) {
    ++counts.unconnected;
    return;
  }
  send_all(fd, request);
  ::shutdown(fd, SHUT_WR);
  timeval limit{kAnswerMs / 1000, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  size_t heard = 0;
  ssize_t got = 0;
  char block[65536];
  while ((got = ::recv(fd, block, sizeof block, 0)) > 0) heard += static_cast<size_t>(got);
  const bool was_reset = got < 0 && errno == ECONNRESET;
  ::close(fd);
  ++(heard > 0 ? counts.answered : was_reset ? counts.reset : counts.silent);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned first_port = 10'000, at_once = 16;
  std::vector<const char*> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--first-port" && i + 1 < argc)
      first_port = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (word == "--at-once" && i + 1 < argc)
      at_once = static_cast<unsigned>(std::atoi(argv[++i]));
    else
      words.push_back(argv[i]);
  }
  if (words.size() != 2) {
    std::fprintf(stderr, "requests: an address and a file of requests are wanted\n");
    return 2;
  }
  const sockaddr_in address = test_address(words[0]);
  const std::vector<std::string> requests = read_requests(words[1]);
  if (requests.empty() || first_port + requests.size() > 65'536) {
    std::fprintf(stderr, "requests: none, or more than there are ports\n");
    return 2;
  }
  Counts counts;
  std::atomic<size_t> next{0};
  std::vector<std::thread> senders;
  for (unsigned s = 0; s < at_once; ++s) {
    senders.emplace_back([&] {
      for (size_t i = next++; i < requests.size(); i = next++)
        hold(requests[i], static_cast<uint16_t>(first_port + i), address, counts);
    });
  }
  for (std::thread& sender : senders) sender.join();
  std::printf("{\"requests\":%zu,\"answered\":%u,\"silent\":%u,\"reset\":%u,\"unconnected\":%u}\n", requests.size(),
              counts.answered.load(), counts.silent.load(), counts.reset.load(), counts.unconnected.load());
  return counts.unconnected == 0 ? 0 : 1;
}
