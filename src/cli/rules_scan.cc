#include "cli/rules_scan.h"

#include <cerrno>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "capture/capture_file.h"
#include "payload/rule_files.h"
#include "payload/scanner.h"

namespace skep::cli {
namespace {

std::string hit_line(const capture::Connection& connection, const payload::GivenRule& rule, uint64_t offset) {
  return fmt::format("{} > {}: byte {}: sid {} ({}): {}\n", to_string(connection.client), to_string(connection.server),
                     offset, rule.rule.sid, to_string(rule.grading.grade), printable(rule.rule.message));
}

std::string hit_json(const capture::Connection& connection, const payload::GivenRule& rule, uint64_t offset) {
  JsonWriter json;
  json.begin_object()
      .field("sid", rule.rule.sid)
      .field("msg", rule.rule.message)
      .field("grade", to_string(rule.grading.grade))
      .field("src_ip", address_text(connection.client))
      .field("src_port", unsigned{connection.client.port})
      .field("dest_ip", address_text(connection.server))
      .field("dest_port", unsigned{connection.server.port})
      .field("stream_offset", offset)
      .end_object();
  return json.take() + "\n";
}

// A scanner a connection. Where bytes were lost it starts over behind them: what reaches over a hole is not seen.
class Scanning : public capture::StreamEvents {
 public:
  Scanning(std::shared_ptr<const payload::RuleSet> rules, bool json) : rules_(std::move(rules)), json_(json) {}

  void sent(const capture::Connection& connection, uint64_t offset, ByteView bytes) override {
    Session& session = sessions_[connection.number];
    if (!session.scanner) {
      session.scanner.emplace(rules_, payload::Flow{connection.client, connection.server}, payload::ScanLimits{});
      session.begins_at = offset;
    }
    say(connection, session, session.scanner->take(bytes, scratch_));
  }
  void lost(const capture::Connection& connection, uint64_t, uint64_t) override {
    let_go(sessions_[connection.number]);
  }
  void answered(const capture::Connection& connection) override {
    const auto found = sessions_.find(connection.number);
    if (found == sessions_.end() || !found->second.scanner) return;
    say(connection, found->second, found->second.scanner->answered(scratch_));
  }
  void ended(const capture::Connection& connection) override {
    const auto found = sessions_.find(connection.number);
    if (found == sessions_.end()) return;
    if (found->second.scanner) say(connection, found->second, found->second.scanner->finish(scratch_));
    let_go(found->second);
    sessions_.erase(found);
  }
  uint64_t hits() const { return hits_; }
  uint64_t undecided() const { return undecided_; }

 private:
  struct Session {
    std::optional<payload::Scanner> scanner;
    uint64_t begins_at = 0;   // of the client's bytes, the first that the scanner saw
    std::set<uint32_t> said;  // rules: once a connection, over holes too
  };

  void say(const capture::Connection& connection, Session& session, std::span<const payload::Hit> hits) {
    for (const payload::Hit& hit : hits) {
      if (!session.said.insert(hit.rule).second) continue;
      ++hits_;
      const payload::GivenRule& rule = rules_->rules()[hit.rule];
      const uint64_t offset = session.begins_at + hit.stream_offset;
      const std::string text = json_ ? hit_json(connection, rule, offset) : hit_line(connection, rule, offset);
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
  }

  void let_go(Session& session) {
    if (!session.scanner) return;
    const payload::ScanCounts& counts = session.scanner->counts();
    undecided_ += counts.out_of_window + counts.expression_limit + counts.effort_limit;
    undecided_ += session.scanner->stopped() ? 1 : 0;
    session.scanner.reset();
  }

  const std::shared_ptr<const payload::RuleSet> rules_;
  const bool json_;
  payload::Scratch scratch_;
  std::map<uint64_t, Session> sessions_;  // by the connection's number
  uint64_t hits_ = 0;
  uint64_t undecided_ = 0;
};

// What was read, and what could not be handled: the latter only where there was some.
std::string summary(const capture::CaptureRead& read, const capture::StreamCounts& streams, const Scanning& scanning) {
  std::string text = fmt::format("{} packets, {} TCP connections, {} bytes of clients, {} hits\n", read.counts.packets,
                                 streams.connections, streams.bytes, scanning.hits());
  const std::pair<uint64_t, std::string_view> more[] = {
      {streams.midstream, "connections whose beginning was not captured"},
      {streams.gaps, "places where bytes of a client were not captured: it is looked at anew behind them"},
      {streams.put_out, "connections were left before their end, for there were too many at once"},
      {streams.stray_segments, "segments too far off to be of their connection"},
      {read.counts.fragments, "IP fragments, which are not put together"},
      {read.counts.damaged, "packets with damaged headers"},
      {scanning.undecided(), "times a limit of the matcher was met (docs/reference/rules.md)"}};
  for (const auto& [count, words] : more) {
    if (count > 0) text += fmt::format("  {:>6}  {}\n", count, words);
  }
  return text;
}

int complain(const std::string& words) {
  std::fprintf(stderr, "skep rules: %s\n", words.c_str());
  return 2;
}

}  // namespace

int scan_rules(const RulesScanOptions& options) {
  auto files = payload::read_rule_files(options.rules, {});
  if (!files) return complain(files.error().message);
  size_t refused = 0;
  for (const formats::RuleFile& file : files->files) refused += file.refused.size();
  const auto rules = payload::RuleSet::make(std::move(files->rules), {});
  if (!rules) return complain(rules.error().message);
  refused += (*rules)->refused().size();
  if (refused > 0) std::fprintf(stderr, "%zu rules are refused: `skep rules check` says why\n", refused);

  std::FILE* const file = options.pcap == "-" ? stdin : std::fopen(options.pcap.c_str(), "rbe");
  if (file == nullptr) return complain(fail_errno("open " + printable(options.pcap)).value().message);
  Scanning scanning(*rules, options.json);
  capture::ClientStreams streams(scanning);
  const auto read = capture::read_capture(file, streams);
  if (!read) return complain(fmt::format("{}: {}", printable(options.pcap), read.error().message));
  std::fprintf(stderr, "%s", summary(*read, streams.counts(), scanning).c_str());
  if (!read->damage.empty()) return complain(fmt::format("{}: {}", printable(options.pcap), read->damage));
  return 0;
}

}  // namespace skep::cli
