// bench_archive_make FOLDER SESSIONS DAYS: an archive as the proxy makes it, by its writer, with so many sessions
// spread over the last so many days; one in 10,000 is an attack, one in 2,000 suspect. Prints what is to be asked for.
// With a seed that does not change: the same sessions every time.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "archive/one_writer.h"
#include "base/clock.h"

using namespace skep;

namespace {

constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;
constexpr uint64_t kBatch = 2000;

Endpoint source(uint64_t number) {
  return *parse_endpoint(
      fmt::format("198.{}.{}.{}:{}", 18 + number % 2, number / 2 % 256, number / 512 % 250, 1024 + number % 60'000));
}

std::string request(std::mt19937_64& random) {
  static constexpr const char* kPaths[] = {"/", "/login", "/wp-login.php", "/.env", "/boaform/admin/formLogin"};
  return fmt::format(
      "GET {}?q={:x} HTTP/1.1\r\nHost: 192.0.2.80\r\nUser-Agent: Mozilla/5.0 (x{})\r\nAccept: */*\r\n\r\n",
      kPaths[random() % 5], random() % 1'000'000, random() % 4000);
}

SessionId session(archive::Writer& writer, uint64_t number, int64_t at, std::mt19937_64& random) {
  formats::OpenedEvent opened;
  opened.service = number % 5 == 0 ? "ftp" : "web";
  opened.client = source(random() % 100'000);
  opened.proxy = *parse_endpoint("192.0.2.80:80");
  const SessionId id = writer.opened(at, opened);
  const std::string asked = number == 777'777 ? "GET /needle-in-a-haystack HTTP/1.0\r\n\r\n" : request(random);
  writer.data(id, at + 1000, Direction::to_bait, as_bytes(asked));
  writer.data(id, at + 2000, Direction::to_client, as_bytes(std::string(200, 'r')));
  if (number % 2000 == 1) {
    Alert alert;
    alert.rule = number % 10'000 == 1 ? "shell_from_service" : "odd_file";
    alert.exe = "/bin/sh";
    alert.suspect = number % 10'000 != 1;
    alert.confidence = Confidence::exact;
    writer.alert(id, at + 3000, alert);
  }
  formats::ClosedEvent closed;
  closed.reason = EndReason::client_closed;
  closed.bytes_in = asked.size();
  closed.bytes_out = 200;
  writer.closed(id, at + 4000, closed);
  return id;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const uint64_t sessions = std::strtoull(argv[2], nullptr, 10);
  const int64_t days = std::strtoll(argv[3], nullptr, 10);
  auto writer = archive::OneWriter::open(argv[1], {});
  if (!writer) {
    std::fprintf(stderr, "%s\n", writer.error().message.c_str());
    return 1;
  }
  std::mt19937_64 random(1);
  const int64_t now = now_realtime_ns();
  const int64_t begin = now - days * kDayNs;
  const int64_t step = (now - begin) / static_cast<int64_t>(sessions);
  SessionId attack;
  SessionId middle;
  for (uint64_t number = 0; number < sessions; ++number) {
    const SessionId id = session(**writer, number, begin + static_cast<int64_t>(number) * step, random);
    if (number % 10'000 == 1) attack = id;
    if (number == sessions / 2) middle = id;
    if (number % kBatch == 0) {
      (*writer)->tick();
      if (!(*writer)->flush(60'000)) return 1;
    }
  }
  writer->reset();
  std::printf("{\"attack\": \"%s\", \"middle\": \"%s\", \"source\": \"%s\"}\n", to_string(attack).c_str(),
              to_string(middle).c_str(), address_text(source(4711)).c_str());
  return 0;
}
