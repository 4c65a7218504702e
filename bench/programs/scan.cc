// What the matcher costs by itself: rule files are loaded, short connections are judged one after the other, a long
// stream is judged in reads of 1,460 bytes. Prints one JSON object.
//   bench_scan RULES... -- KIND BYTES     KIND: random, elf, http; worst: the most expensive of several streams made of
//   the rules' own
//                                         contents, named
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <string_view>

#include "base/clock.h"
#include "payload/rule_files.h"
#include "payload/scanner.h"

namespace {

using namespace skep;

constexpr size_t kReadBytes = 1460;
constexpr size_t kStreamBytes = 1 << 20;  // of one session
constexpr int kConnections = 20'000;
constexpr size_t kConnectionBytes = 400;  // where it is not HTTP

struct Stream {
  std::string name;
  std::string bytes;
};

std::string repeated(const std::string& once, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += once;
  out.resize(bytes);
  return out;
}

std::string random_bytes() {
  std::mt19937_64 random(2004);
  std::string out;
  while (out.size() < (1u << 20)) out.push_back(static_cast<char>(random()));
  return out;
}

std::string elf_bytes() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

std::string http_bytes() {
  std::string out;
  for (int i = 0; i < 64; ++i) {
    out += fmt::format(
        "GET /shop/item{}.php?id={}&view=full HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux "
        "x86_64; "
        "rv:{}.0) Gecko/20100101 Firefox/{}.0\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: "
        "en\r\n"
        "Accept-Encoding: gzip, deflate\r\nCookie: session={:032x}\r\nConnection: keep-alive\r\n\r\n",
        i, i * 7919, 90 + i, 90 + i, i * 104729);
  }
  return out;
}

// Every content of the rules that is looked for in this buffer, one behind the other.
std::string contents(const payload::RuleSet& rules, formats::RuleBuffer buffer, std::string_view between) {
  std::string out;
  for (const payload::GivenRule& given : rules.rules()) {
    for (const formats::RuleOption& option : given.rule.options) {
      const auto* const content = std::get_if<formats::Content>(&option);
      if (content == nullptr || content->negated || content->where.buffer != buffer) continue;
      out += content->bytes;
      out += between;
    }
  }
  return out;
}

std::string printable(std::string text) {
  std::erase_if(text, [](char c) { return c <= ' ' || c > '~' || c == '%' || c == '?' || c == '#'; });
  return text;
}

// What an attacker would send who knows the rules.
std::vector<Stream> hostile(const payload::RuleSet& rules) {
  const std::string payload = contents(rules, formats::RuleBuffer::payload, "\n");
  const std::string body = contents(rules, formats::RuleBuffer::http_request_body, "&");
  std::string uris;
  const std::string uri = printable(contents(rules, formats::RuleBuffer::http_uri, ""));
  for (size_t at = 0; at + 3000 < uri.size(); at += 3000)
    uris += "GET /" + uri.substr(at, 3000) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  std::string headers;
  const std::string header = printable(contents(rules, formats::RuleBuffer::http_header, ""));
  for (size_t at = 0; at + 500 < header.size(); at += 500)
    headers += "GET / HTTP/1.1\r\nHost: h\r\nX-A: " + header.substr(at, 500) + "\r\n\r\n";
  std::string small;
  for (int i = 0; i < 500; ++i) small += "GET / HTTP/1.1\r\n\r\n";
  return {{"every content of the payload", payload},
          {"every content of bodies", "POST / HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" + body},
          {"every content of URIs", uris},
          {"every content of headers", headers},
          {"requests of 18 bytes", small},
          {"zeroes", std::string(65536, '\0')},
          {"one letter", std::string(65536, 'A')}};
}

struct Cost {
  double us_a_read = 0;
  size_t hits = 0;
  uint64_t stopped_at = 0;
  uint64_t effort = 0;
};

const payload::Flow& flow() {
  static const payload::Flow flow{*parse_endpoint("192.0.2.1:40000"), *parse_endpoint("198.51.100.1:80")};
  return flow;
}

Cost scan(const std::shared_ptr<const payload::RuleSet>& rules, const std::string& bytes, payload::Scratch& scratch) {
  Cost cost;
  const int64_t begin = now_monotonic_ns();
  size_t reads = 0;
  for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(kStreamBytes, rest.size()))) {
    payload::Scanner scanner(rules, flow(), {});
    for (std::string_view left = rest.substr(0, kStreamBytes); !left.empty() && !scanner.stopped(); ++reads) {
      cost.hits += scanner.take(as_bytes(left.substr(0, kReadBytes)), scratch).size();
      left.remove_prefix(std::min(kReadBytes, left.size()));
    }
    cost.effort += scanner.counts().effort;
    if (scanner.stopped()) cost.stopped_at = scanner.stopped()->stream_offset;
  }
  cost.us_a_read = static_cast<double>(now_monotonic_ns() - begin) / static_cast<double>(reads) / 1e3;
  return cost;
}

struct Short {
  double us_a_connection = 0;
  size_t held_bytes = 0;
};

// A session of its own for the first request, or as many bytes, over and over.
Short connections(const std::shared_ptr<const payload::RuleSet>& rules, const std::string& bytes,
                  payload::Scratch& scratch) {
  const size_t head = bytes.find("\r\n\r\n");
  const std::string request = bytes.substr(0, head < kReadBytes ? head + 4 : kConnectionBytes);
  Short out;
  for (int turn = 0; turn < 2; ++turn) {  // the first warms up
    const int64_t begin = now_monotonic_ns();
    for (int i = 0; i < kConnections; ++i) {
      payload::Scanner scanner(rules, flow(), {});
      scanner.take(as_bytes(request), scratch);
      out.held_bytes = scanner.bytes_held();
      scanner.finish(scratch);
    }
    out.us_a_connection = static_cast<double>(now_monotonic_ns() - begin) / kConnections / 1e3;
  }
  return out;
}

int measure(const std::vector<std::string>& files, const std::string& kind, size_t bytes) {
  const int64_t begin = now_monotonic_ns();
  auto read = payload::read_rule_files(files, {});
  if (!read) return std::fprintf(stderr, "%s\n", read.error().message.c_str()), 1;
  payload::RuleSetOptions options;
  options.ports = {80};
  const auto rules = payload::RuleSet::make(std::move(read->rules), options);
  if (!rules) return std::fprintf(stderr, "%s\n", rules.error().message.c_str()), 1;
  const double load_s = static_cast<double>(now_monotonic_ns() - begin) / 1e9;

  payload::Scratch scratch;
  Stream worst{kind, kind == "elf" ? elf_bytes() : kind == "http" ? http_bytes() : random_bytes()};
  Cost cost = scan(*rules, worst.bytes, scratch);
  if (kind == "worst") {
    for (Stream& each : hostile(**rules)) {
      const Cost hostile_cost = scan(*rules, repeated(each.bytes, bytes / 8), scratch);
      if (hostile_cost.us_a_read > cost.us_a_read) cost = hostile_cost, worst = std::move(each);
    }
  } else {
    cost = scan(*rules, repeated(worst.bytes, bytes), scratch);
  }
  const Short brief = connections(*rules, worst.bytes, scratch);
  const payload::RuleSetFigures figures = (*rules)->figures();
  fmt::print(
      "{{\"stream\": \"{}\", \"load_s\": {}, \"rules\": {}, \"literals\": {}, \"automata_bytes\": {}, \"held_bytes\": "
      "{}, "
      "\"us_a_connection\": {}, \"us_a_read\": {}, \"hits\": {}, \"stopped_at\": {}, \"effort\": {}}}\n",
      worst.name, load_s, figures.rules, figures.literals, figures.stream_bytes, brief.held_bytes,
      brief.us_a_connection, cost.us_a_read, cost.hits, cost.stopped_at, cost.effort);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  std::vector<std::string> files;
  int i = 1;
  for (; i < count && std::string_view(words[i]) != "--"; ++i) files.emplace_back(words[i]);
  if (i + 2 >= count) return 2;
  return measure(files, words[i + 1], std::stoul(words[i + 2]));
}
