#include "cli/rules_scan.h"

#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "capture/capture_file.h"
#include "cli/moment.h"
#include "cli/parse.h"
#include "cli/rule_input.h"
#include "cli/session_class.h"
#include "payload/host_bits.h"
#include "payload/rule_files.h"
#include "payload/scanner.h"
#include "payload/thresholds.h"

namespace skep::cli {
namespace {

// Where a rule fired: on a connection of a capture, or in a session of the archive.
struct Place {
  const capture::Connection& connection;
  std::string session;  // its id; "": of a capture
  uint64_t offset = 0;  // of what the client sent
};

std::string hit_line(const Place& place, const payload::GivenRule& rule) {
  return fmt::format("{}{} > {}: byte {}: sid {} ({}): {}\n", place.session.empty() ? "" : place.session + ": ",
                     to_string(place.connection.client), to_string(place.connection.server), place.offset,
                     rule.rule.sid, to_string(rule.grading.grade), printable(rule.rule.message));
}

std::string hit_json(const Place& place, const payload::GivenRule& rule) {
  JsonWriter json;
  json.begin_object();
  if (!place.session.empty()) json.field("session", place.session);
  json.field("sid", rule.rule.sid)
      .field("msg", rule.rule.message)
      .field("grade", to_string(rule.grading.grade))
      .field("src_ip", address_text(place.connection.client))
      .field("src_port", unsigned{place.connection.client.port})
      .field("dest_ip", address_text(place.connection.server))
      .field("dest_port", unsigned{place.connection.server.port})
      .field("stream_offset", place.offset)
      .end_object();
  return json.take() + "\n";
}

// A scanner a connection. Where bytes were lost it starts over behind them: what reaches over a hole is not seen.
class Scanning : public capture::StreamEvents {
 public:
  // `every`: also what a rule's threshold would leave unsaid.
  Scanning(std::shared_ptr<const payload::RuleSet> rules, bool json, bool every)
      : rules_(std::move(rules)), json_(json), every_(every) {}

  // The rules are the client's; of the server it only matters that it has spoken.
  void sent(const capture::Connection& connection, Direction direction, uint64_t offset, ByteView bytes) override {
    if (direction == Direction::to_client) return answered(connection);
    Session& session = sessions_[connection.number];
    if (!session.scanner) {
      session.scanner.emplace(rules_, flow_of(connection), payload::ScanLimits{}, &hosts_, connection.begun_ns);
      session.begins_at = offset;
    }
    say(connection, session, session.scanner->take(bytes, scratch_));
  }
  void lost(const capture::Connection& connection, Direction direction, uint64_t, uint64_t) override {
    if (direction == Direction::to_client) return answered(connection);
    let_go(sessions_[connection.number]);
  }
  void finished(const capture::Connection& connection, Direction direction) override {
    if (direction == Direction::to_bait) finish(connection);
  }
  void ended(const capture::Connection& connection, EndReason) override { finish(connection); }
  // What comes next is of this session of an archive.
  void of_session(std::string id) { session_ = std::move(id); }
  uint64_t hits() const { return hits_; }
  uint64_t undecided() const { return undecided_; }
  uint64_t unsaid() const { return unsaid_; }

 private:
  struct Session {
    std::optional<payload::Scanner> scanner;
    uint64_t begins_at = 0;   // of the client's bytes, the first that the scanner saw
    std::set<uint32_t> said;  // rules: once a connection, over holes too
  };

  static payload::Flow flow_of(const capture::Connection& connection) { return {connection.client, connection.server}; }

  void answered(const capture::Connection& connection) {
    const auto found = sessions_.find(connection.number);
    if (found == sessions_.end() || !found->second.scanner) return;
    say(connection, found->second, found->second.scanner->answered(scratch_));
  }
  // The client says no more.
  void finish(const capture::Connection& connection) {
    const auto found = sessions_.find(connection.number);
    if (found == sessions_.end()) return;
    if (found->second.scanner) say(connection, found->second, found->second.scanner->finish(scratch_));
    let_go(found->second);
    sessions_.erase(found);
  }

  void say(const capture::Connection& connection, Session& session, std::span<const payload::Hit> hits) {
    for (const payload::Hit& hit : hits) {
      if (!session.said.insert(hit.rule).second) continue;
      const payload::GivenRule& rule = rules_->rules()[hit.rule];
      const bool due = thresholds_.say(rule.rule, flow_of(connection), connection.begun_ns);
      if (!due && !every_) {
        ++unsaid_;
        continue;
      }
      ++hits_;
      const Place place{connection, session_, session.begins_at + hit.stream_offset};
      const std::string text = json_ ? hit_json(place, rule) : hit_line(place, rule);
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
  const bool every_;
  std::string session_;
  payload::Scratch scratch_;
  payload::HostBits hosts_;
  payload::Thresholds thresholds_;
  std::map<uint64_t, Session> sessions_;  // by the connection's number
  uint64_t hits_ = 0;
  uint64_t undecided_ = 0;
  uint64_t unsaid_ = 0;
};

// What was read, and what could not be handled: the latter only where there was some.
std::string summary(std::string read, std::initializer_list<std::pair<uint64_t, std::string_view>> more) {
  for (const auto& [count, words] : more) {
    if (count > 0) read += fmt::format("  {:>6}  {}\n", count, words);
  }
  return read;
}

constexpr size_t kPage = 1000;  // sessions of an archive that are held in memory at once
constexpr std::string_view kUndecided = "times a limit of the matcher was met (docs/reference/rules.md)";
constexpr std::string_view kUnsaid = "times a rule's threshold left it unsaid (--every says it)";
constexpr std::string_view kLost = "places where bytes of a client are missing: it is looked at anew behind them";

// What an archive does not have any more, or never had.
struct NotKept {
  uint64_t places = 0;    // in the midst of a client's bytes
  uint64_t sessions = 0;  // that lack some of them
};

// A session's records, as the connection's streams would have told them.
Status tell(archive::Reader& reader, const archive::SessionSummary& session, const capture::Connection& connection,
            Scanning& scanning, NotKept& not_kept) {
  bool whole = true;
  uint64_t next = 0;
  auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
    if (record.type != formats::RecordType::data) return;
    if (record.direction == Direction::to_client)
      return scanning.sent(connection, record.direction, record.stream_offset, record.payload);
    if (record.stream_offset != next) {
      whole = false;
      ++not_kept.places;
      scanning.lost(connection, record.direction, next, record.stream_offset - next);
    }
    if (!record.payload.empty()) scanning.sent(connection, record.direction, record.stream_offset, record.payload);
    next = record.stream_offset + record.payload.size();
  });
  scanning.ended(connection, session.end_reason);
  not_kept.sessions += whole && next >= session.bytes_in ? 0 : 1;
  return read;
}

int complain(const std::string& words) {
  std::fprintf(stderr, "skep rules scan: %s\n", words.c_str());
  return 2;
}

}  // namespace

RulesScan::RulesScan(CLI::App& rules)
    : app_(rules.add_subcommand("scan", "what rules say of the connections in a capture, or of recorded sessions")) {
  app_->add_option("--rules", rules_, "rule files or shell patterns of them; none: those of --config");
  auto* const pcap = app_->add_option("--pcap", pcap_, "the capture, pcap or pcapng; - is stdin");
  archive_.add_to(*app_);
  app_->add_option("--since", since_, "of the archive, sessions that began since: time, or span back from now (2h)")
      ->excludes(pcap);
  app_->add_option("--class", class_, "of the archive, only known, harmless, suspect or attack")->excludes(pcap);
  app_->add_flag("--every", every_, "also what a rule's threshold leaves unsaid");
  app_->add_flag("--json", json_, "one object a line");
}

bool RulesScan::wanted() const {
  return app_->parsed();
}

int RulesScan::run() const {
  auto files = read_rules(rules_, archive_.config);
  if (!files) return complain(files.error().message);
  size_t refused = 0;
  for (const formats::RuleFile& file : files->files) refused += file.refused.size();
  const auto rules = payload::RuleSet::make(std::move(files->rules), {});
  if (!rules) return complain(rules.error().message);
  refused += (*rules)->refused().size();
  if (refused > 0) std::fprintf(stderr, "%zu rules are refused: `skep rules check` says why\n", refused);
  return pcap_.empty() ? scan_archive(*rules) : scan_capture(*rules);
}

int RulesScan::scan_capture(const std::shared_ptr<const payload::RuleSet>& rules) const {
  std::FILE* const file = pcap_ == "-" ? stdin : std::fopen(pcap_.c_str(), "rbe");
  if (file == nullptr) return complain(fail_errno("open " + printable(pcap_)).value().message);
  Scanning scanning(rules, json_, every_);
  capture::TcpStreams streams(scanning);
  const auto read = capture::read_capture(file, streams);
  if (!read) return complain(fmt::format("{}: {}", printable(pcap_), read.error().message));
  const capture::CaptureCounts& packets = read->counts;
  const capture::StreamCounts& counts = streams.counts();
  const std::string said =
      summary(fmt::format("{} packets, {} TCP connections, {} bytes of clients, {} hits\n", packets.packets,
                          counts.connections, counts.of_clients.bytes, scanning.hits()),
              {{counts.midstream, "connections whose beginning was not captured"},
               {packets.cut_short, "packets of which the capture kept a part"},
               {counts.of_clients.gaps, kLost},
               {counts.put_out, "connections were left before their end, for there were too many at once"},
               {counts.stray_segments, "segments too far off to be of their connection"},
               {packets.fragments, "IP fragments, which are not put together"},
               {packets.damaged, "packets with damaged headers"},
               {scanning.unsaid(), kUnsaid},
               {scanning.undecided(), kUndecided}});
  std::fputs(said.c_str(), stderr);
  return read->damage.empty() ? 0 : complain(fmt::format("{}: {}", printable(pcap_), read->damage));
}

Result<archive::Filter> RulesScan::wanted_sessions() const {
  archive::Filter filter;
  filter.limit = kPage;
  if (!since_.empty()) {
    const auto since = moment(since_);
    if (!since) return fail("{}", no_moment(since_));
    filter.since_ns = *since;
  }
  if (!class_.empty()) {
    const auto wanted = class_named(class_);
    if (!wanted) return tl::unexpected<Error>(wanted.error());
    filter.session_class = *wanted;
  }
  return filter;
}

int RulesScan::scan_archive(const std::shared_ptr<const payload::RuleSet>& rules) const {
  auto filter = wanted_sessions();
  if (!filter) return complain(filter.error().message);
  const auto folder = archive_.folder();
  if (!folder) return complain("--pcap, or an archive: " + folder.error().message);
  auto reader = archive::Reader::open(*folder);
  if (!reader) return complain(reader.error().message);
  Scanning scanning(rules, json_, every_);
  uint64_t all = 0;
  NotKept not_kept;
  uint64_t datagrams = 0;
  for (size_t got = kPage; got == kPage;) {
    const auto sessions = reader->list(*filter);
    if (!sessions) return complain(sessions.error().message);
    for (const archive::SessionSummary& session : *sessions) {
      filter->after = session.id.value;
      if (session.protocol != Protocol::tcp) {
        ++datagrams;
        continue;
      }
      scanning.of_session(to_string(session.id));
      capture::Connection connection;
      connection.number = session.id.value;
      connection.client = session.client;
      connection.server = session.entrance;
      connection.begun_ns = session.start_ns;
      const Status read = tell(*reader, session, connection, scanning, not_kept);
      if (!read) return complain(fmt::format("session {}: {}", to_string(session.id), read.error().message));
    }
    got = sessions->size();
    all += got;
  }
  const std::string said = summary(fmt::format("{} sessions, {} hits\n", all, scanning.hits()),
                                   {{not_kept.places, kLost},
                                    {not_kept.sessions, "sessions of which not all bytes of the client were kept"},
                                    {datagrams, "sessions of datagrams, which rules are not held against"},
                                    {scanning.unsaid(), kUnsaid},
                                    {scanning.undecided(), kUndecided}});
  std::fputs(said.c_str(), stderr);
  return 0;
}

}  // namespace skep::cli
