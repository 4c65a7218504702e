// model_client: `model_client --sessions N --bad K --seed S ADDRESS:PORT`: N sessions with a model_server at the same
// time, K of them bad, in random order. A line of JSON a session: {"port": own port, "bad": 1, "answer": …}. Exit 0:
// all were answered.
#include <algorithm>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "net.h"

int main(int argc, char** argv) {
  unsigned sessions = 100, bad = 20, seed = 1;
  std::string where;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--sessions") {
      sessions = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--bad") {
      bad = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--seed") {
      seed = static_cast<unsigned>(std::atoi(argv[++i]));
    } else {
      where = word;
    }
  }
  const sockaddr_in address = test_address(where);
  std::mt19937 random(seed);
  std::vector<int> kinds(sessions, 0);
  std::fill_n(kinds.begin(), bad, 1);
  std::shuffle(kinds.begin(), kinds.end(), random);
  std::mutex printing;
  unsigned answered = 0;
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < sessions; ++i) {
    const auto hold = static_cast<unsigned>(random() % 20);
    clients.emplace_back([&, i, hold] {
      const int fd = connect_to(address);
      const unsigned port = fd < 0 ? 0 : local_port(fd);
      std::string answer;
      if (fd >= 0) {
        send_all(fd, "HOLD " + std::to_string(hold) + (kinds[i] != 0 ? " BAD " : " GOOD ") + std::to_string(i) + "\n");
        receive_until(fd, answer, 60'000, [](const std::string&) { return false; });
        ::close(fd);
      }
      const bool good = answer.rfind((kinds[i] != 0 ? "DONE " : "OK ") + std::to_string(i), 0) == 0;
      const std::lock_guard lock(printing);
      answered += good ? 1 : 0;
      std::printf("{\"port\":%u,\"bad\":%d,\"answered\":%d}\n", port, kinds[i], good ? 1 : 0);
    });
  }
  for (std::thread& client : clients) client.join();
  return answered == sessions ? 0 : 1;
}
