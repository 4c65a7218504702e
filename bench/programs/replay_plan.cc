// What planning costs by itself. A recording of so many bytes in so many messages is made, and planned: the median of
// several turns, CPU time. Prints one JSON object.
//   bench_replay_plan KIND BYTES MESSAGES
// KIND: web (pages, cookies and tokens that return), binary (handles), or hostile ones: equal, periodic (both sides the
// same few bytes over and over), mirror (the client returns all of it), escapes (every byte needs decoding); `two`
// before it, as in two-web: the plan from two recordings, of which each has its own values.
#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>

#include "replay/plan.h"

namespace {

using namespace skep;
using namespace skep::replay;

constexpr int kTurns = 9;

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  std::string hex_token() { return fmt::format("{:016x}{:016x}", random_(), random_()); }
  std::string bytes(size_t count) {
    std::string out;
    while (out.size() < count) out.push_back(static_cast<char>(random_()));
    return out;
  }
  std::string prose(size_t count) {
    constexpr std::string_view kWords[] = {"price ", "list ", "of ", "our ", "<p>", "</p>\n", "article ", "order "};
    std::string out;
    while (out.size() < count) out += words_() % 16 == 0 ? fmt::format("{} ", words_() % 10'000) : kWords[words_() % 8];
    out.resize(count);
    return out;
  }

 private:
  std::mt19937_64 random_;
  std::mt19937_64 words_{7};  // the same in every recording
};

std::string repeated(std::string_view once, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += once;
  out.resize(bytes);
  return out;
}

struct Exchange {
  std::string server, client;
};

Exchange web(Maker& make, size_t bytes) {
  const std::string token = make.hex_token(), cookie = make.hex_token();
  const std::string body = fmt::format("name=x&csrf={}&text={}", token, make.prose(bytes / 4));
  return {
      fmt::format("HTTP/1.1 200 OK\r\nSet-Cookie: sid={}; path=/\r\n\r\n<input name=csrf value=\"{}\">{}", cookie,
                  token, make.prose(bytes)),
      fmt::format("POST /order HTTP/1.1\r\nHost: 198.51.100.3:8080\r\nCookie: sid={}\r\nContent-Length: {}\r\n\r\n{}",
                  cookie, body.size(), body)};
}

Exchange binary(Maker& make, size_t bytes) {
  const std::string handle = make.bytes(8);
  return {"\0\0\0\1" + handle + make.bytes(bytes), "\0\0\0\2" + handle + make.bytes(bytes)};
}

Exchange exchange(std::string_view kind, Maker& make, size_t bytes) {
  if (kind == "web") return web(make, bytes);
  if (kind == "binary") return binary(make, bytes);
  if (kind == "equal") return {repeated("A", bytes), repeated("A", bytes)};
  if (kind == "periodic") return {repeated("ab3", bytes), repeated("ab3", bytes)};
  if (kind == "escapes") return {repeated("%41&#65;\\u0041 ", bytes), repeated("%42&#66;\\u0042 ", bytes)};
  const std::string said = make.bytes(bytes);  // mirror
  return {said, said};
}

Recording recording(std::string_view kind, uint64_t seed, size_t bytes, size_t messages) {
  Maker make(seed);
  RecordingBuilder builder("bench");
  RecordedConnection connection;
  connection.client = *parse_endpoint("192.0.2.7:40001");
  connection.server = *parse_endpoint("198.51.100.3:8080");
  builder.connection(connection);
  int64_t now_ns = 1'790'000'000'000'000'000;
  builder.piece(0, Direction::to_bait, now_ns, as_bytes("GET / HTTP/1.0\r\n\r\n"));
  for (size_t i = 0; i + 1 < messages; i += 2) {
    const Exchange said = exchange(kind, make, kind == "web" ? bytes / messages * 4 / 3 : bytes / messages);
    builder.piece(0, Direction::to_client, now_ns += 1'000'000, as_bytes(said.server));
    builder.piece(0, Direction::to_bait, now_ns += 1'000'000, as_bytes(said.client));
  }
  return builder.take();
}

// CPU time: others use the machine too.
double cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) return 2;
  std::string_view kind = words[1];
  const bool two = kind.starts_with("two-");
  if (two) kind.remove_prefix(4);
  const Recording one = recording(kind, 1, std::stoul(words[2]), std::stoul(words[3]));
  const Recording other = two ? recording(kind, 2, std::stoul(words[2]), std::stoul(words[3])) : Recording();
  const double before = resident_bytes();
  std::vector<double> ms;
  size_t fields = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double begin = cpu_ms();
    const auto plan = two ? plan_two_recordings(one, other) : Result<Plan>(plan_echoes(one));
    ms.push_back(cpu_ms() - begin);
    if (!plan) return std::fprintf(stderr, "%s\n", plan.error().message.c_str()), 1;
    fields = plan->fields.size();
  }
  std::sort(ms.begin(), ms.end());
  const auto bytes = static_cast<double>(one.payload_bytes());
  fmt::print(
      "{{\"kind\": \"{}\", \"bytes\": {}, \"messages\": {}, \"fields\": {}, \"ms\": {:.3f}, \"memory_ratio\": "
      "{:.2f}}}\n",
      words[1], bytes, one.messages.size(), fields, ms[kTurns / 2], (resident_bytes() - before) / bytes);
  return 0;
}
