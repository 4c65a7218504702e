// model_client: `model_client --sessions N --bad K --seed S [--verb BAD] [--first F] [--requests R] ADDRESS:PORT`:
// N sessions with a model_server at the same time, K of them bad, in random order, numbered from F; of R requests of a
// bad session, one after the other, one is. A line of JSON a session: {"port": own port, "number": …, "bad": 1,
// "answered": 1}. Exit 0: all were answered.
#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "net.h"

namespace {

bool ask(int fd, unsigned hold, const std::string& verb, unsigned number) {
  const std::string name = std::to_string(number);
  std::string answer;
  send_all(fd, "HOLD " + std::to_string(hold) + " " + verb + " " + name + "\n");
  receive_until(fd, answer, 60'000, [](const std::string& text) { return text.find('\n') != std::string::npos; });
  return answer.rfind((verb == "GOOD" ? "OK " : "DONE ") + name, 0) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned sessions = 100, bad = 20, seed = 1, first = 0, requests = 1;
  std::string where, verb = "BAD";
  const std::map<std::string, unsigned*> numbers = {
      {"--sessions", &sessions}, {"--bad", &bad}, {"--seed", &seed}, {"--first", &first}, {"--requests", &requests}};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (const auto number = numbers.find(word); number != numbers.end()) {
      *number->second = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--verb") {
      verb = argv[++i];
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
    const auto which = static_cast<unsigned>(random() % requests);
    clients.emplace_back([&, i, hold, which] {
      const int fd = connect_to(address);
      const unsigned port = fd < 0 ? 0 : local_port(fd);
      unsigned good = 0;
      for (unsigned request = 0; fd >= 0 && request < requests; ++request) {
        const bool is_bad = kinds[i] != 0 && request == which;
        good += ask(fd, hold, is_bad ? verb : "GOOD", first + i) ? 1 : 0;
      }
      if (fd >= 0) ::close(fd);
      const std::lock_guard lock(printing);
      answered += good == requests ? 1 : 0;
      std::printf("{\"port\":%u,\"number\":%u,\"bad\":%d,\"answered\":%d}\n", port, first + i, kinds[i],
                  good == requests ? 1 : 0);
    });
  }
  for (std::thread& client : clients) client.join();
  return answered == sessions ? 0 : 1;
}
