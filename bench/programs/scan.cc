// What the matcher costs by itself: loads rule files, scans streams in reads of a size, and beside it scans the same with nothing but
// Hyperscan and every literal of the rules in one database (what an engine cannot do without). Prints one JSON object.
//   bench_scan RULES... -- KIND BYTES     KIND: random, elf, http
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <string_view>

#include "base/clock.h"
#include "payload/literals.h"
#include "payload/rule_files.h"
#include "payload/scanner.h"

namespace {

using namespace skep;

constexpr size_t kReadBytes = 1460;

std::string stream_of(std::string_view kind, size_t bytes) {
  std::string out;
  if (kind == "elf") {
    std::ifstream file("/proc/self/exe", std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    out = text.str();
  } else if (kind == "http") {
    for (int i = 0; i < 64; ++i)
      out += fmt::format(
          "GET /shop/item{}.php?id={}&view=full HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; "
          "rv:{}.0) Gecko/20100101 Firefox/{}.0\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en\r\n"
          "Accept-Encoding: gzip, deflate\r\nCookie: session={:032x}\r\nConnection: keep-alive\r\n\r\n",
          i, i * 7919, 90 + i, 90 + i, i * 104729);
  } else {
    std::mt19937_64 random(2004);
    while (out.size() < (1u << 20)) out.push_back(static_cast<char>(random()));
  }
  const std::string once = out;
  while (out.size() < bytes) out += once;
  out.resize(bytes);
  return out;
}

template <typename Scan>
double seconds(const std::string& stream, Scan&& scan) {
  const int64_t begin = now_monotonic_ns();
  for (size_t at = 0; at < stream.size(); at += kReadBytes)
    scan(as_bytes(std::string_view(stream).substr(at, kReadBytes)));
  return static_cast<double>(now_monotonic_ns() - begin) / 1e9;
}

std::vector<payload::Literal> all_literals(const payload::RuleSet& rules) {
  std::vector<payload::Literal> out;
  for (const payload::GivenRule& given : rules.rules()) {
    for (const formats::RuleOption& option : given.rule.options) {
      const auto* const content = std::get_if<formats::Content>(&option);
      if (content != nullptr && content->bytes.size() > 1) out.push_back({content->bytes, content->nocase});
    }
  }
  return out;
}

}  // namespace

int main(int count, char** words) {
  std::vector<std::string> files;
  int i = 1;
  for (; i < count && std::string_view(words[i]) != "--"; ++i) files.emplace_back(words[i]);
  if (i + 2 >= count) return 2;
  const std::string stream = stream_of(words[i + 1], std::stoul(words[i + 2]));
  const bool with_peer = i + 3 >= count;

  const int64_t begin = now_monotonic_ns();
  auto read = payload::read_rule_files(files, {});
  if (!read) return std::fprintf(stderr, "%s\n", read.error().message.c_str()), 1;
  payload::RuleSetOptions options;
  options.ports = {80};
  auto rules = payload::RuleSet::make(std::move(read->rules), options);
  if (!rules) return std::fprintf(stderr, "%s\n", rules.error().message.c_str()), 1;
  const double load_s = static_cast<double>(now_monotonic_ns() - begin) / 1e9;

  payload::Scratch scratch;
  const payload::Flow flow{*parse_endpoint("192.0.2.1:40000"), *parse_endpoint("198.51.100.1:80")};
  // A stream of its own for each of so many short connections.
  const size_t head = stream.find("\r\n\r\n");
  const std::string request = stream.substr(0, head < kReadBytes ? head + 4 : 400);
  constexpr int kConnections = 20'000;
  size_t held = 0;
  int64_t connections_ns = 0;
  for (int turn = 0; turn < 2; ++turn) {  // the first warms up
    const int64_t from = now_monotonic_ns();
    for (int k = 0; k < kConnections; ++k) {
      payload::Scanner scanner(*rules, flow, {});
      scanner.take(as_bytes(request), scratch);
      held = scanner.bytes_held();
      scanner.finish(scratch);
    }
    connections_ns = now_monotonic_ns() - from;
  }
  payload::Scanner scanner(*rules, flow, {});
  size_t hits = 0;
  const double ours = seconds(stream, [&](ByteView piece) { hits += scanner.take(piece, scratch).size(); });
  auto literals = payload::LiteralSet::make(all_literals(**rules), true, true);
  payload::LiteralScratch peer_scratch;
  if (!literals || !literals->prepare(peer_scratch)) return 1;
  payload::LiteralStream peer;
  uint64_t found = 0;
  const payload::LiteralFound count_it{[](void* context, uint32_t, uint64_t) { ++*static_cast<uint64_t*>(context); },
                                       &found};
  const double theirs = with_peer ? seconds(stream, [&](ByteView piece) { literals->scan(peer, piece, peer_scratch, count_it); }) : 0;
  const auto figures = (*rules)->figures();
  const auto reads = static_cast<double>((stream.size() + kReadBytes - 1) / kReadBytes);
  fmt::print(
      "{{\"load_s\": {}, \"rules\": {}, \"literals\": {}, \"stream_bytes\": {}, \"held_bytes\": {}, \"us_a_connection\": {}, "
      "\"us_a_read\": {}, \"literals_alone_us_a_read\": {}, \"hits\": {}, \"stopped_at\": {}}}\n",
      load_s, figures.rules, figures.literals, figures.stream_bytes, held,
      static_cast<double>(connections_ns) / kConnections / 1e3, ours / reads * 1e6, theirs / reads * 1e6, hits,
      scanner.stopped() ? scanner.stopped()->stream_offset : 0);
  return 0;
}
