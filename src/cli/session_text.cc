#include "cli/session_text.h"

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "cli/minimal_text.h"
#include "formats/community_id.h"
#include "formats/saved_syn.h"
#include "view/record_words.h"
#include "view/session_evidence.h"

namespace skep::cli {
namespace {

using archive::SessionSummary;
using formats::RecordType;
using view::SessionEvidence;

constexpr size_t kBytesBefore = 192;
constexpr size_t kBytesAfter = 64;

// `evidence`: nullptr where the session's records are not read.
void summary_fields(JsonWriter& json, const SessionSummary& session, const SessionEvidence* evidence) {
  json.field("id", to_string(session.id))
      .field("service", session.service)
      .field("protocol", to_string(session.protocol))
      .field("class", to_string(session.session_class));
  json.field("start", format_time(session.start_ns)).key("end");
  if (session.end_ns == 0) {
    json.null();
  } else {
    json.value(format_time(session.end_ns));
  }
  json.key("end_reason");
  if (session.end_ns == 0) {
    json.null();
  } else {
    json.value(to_string(session.end_reason));
  }
  json.field("src_ip", address_text(session.client)).field("src_port", static_cast<unsigned>(session.client.port));
  json.field("dest_ip", address_text(session.entrance))
      .field("dest_port", static_cast<unsigned>(session.entrance.port));
  json.key("parent");
  if (session.parent.value == 0) {
    json.null();
  } else {
    json.value(to_string(session.parent));
  }
  json.key("balancer");
  if (session.balancer.port == 0) {
    json.null();
  } else {
    json.value(to_string(session.balancer));
  }
  json.field("proxy_port", static_cast<unsigned>(session.leg.port)).field("bait", to_string(session.bait));
  json.field("bytes_in", session.bytes_in).field("bytes_out", session.bytes_out);
  json.field("forwarded_in", session.forwarded_in)
      .field("forwarded_out", session.forwarded_out)
      .field("pid", session.served_by_pid);
  json.field("unsupervised", session.unsupervised).field("incomplete", session.incomplete);
  json.field("community_id", formats::community_id(session.protocol, session.client, session.entrance))
      .key("bait_community_id");
  if (session.leg.port == 0) {
    json.null();
  } else {
    json.value(formats::community_id(session.protocol, session.leg, session.bait));
  }
  json.field("rule_hits_total", session.rule_hits_total).key("rule_hits").begin_array();
  for (const RuleHit& hit : session.rule_hits) view::rule_hit_json(json, hit);
  json.end_array().field("alerts_total", session.alerts_total).key("alerts").begin_array();
  for (const Alert& alert : session.alerts) view::alert_json(json, alert, evidence);
  json.end_array();
}

// `tcp`: what the kernel said of the two legs as they ended.
void legs_fields(JsonWriter& json, const SessionEvidence& evidence) {
  json.key("tcp").begin_object();
  for (const auto& [name, leg] :
       {std::pair("client", &formats::ClosedEvent::client_leg), std::pair("bait", &formats::ClosedEvent::bait_leg)}) {
    if (!evidence.closed || !(*evidence.closed.*leg)) continue;
    json.key(name);
    view::figures_json(json, *(*evidence.closed.*leg));
  }
  json.end_object();
}

std::string legs_story(const SessionEvidence& evidence) {
  std::string text;
  const auto syn = evidence.opened ? formats::parse_saved_syn(evidence.opened->syn.view()) : std::nullopt;
  if (syn)
    text += fmt::format("  its SYN: TTL {}, window {}, options {}\n", syn->ttl, syn->window,
                        syn->options.empty() ? "none" : hex(syn->options));
  if (!evidence.closed) return text;
  if (evidence.closed->client_leg)
    text += fmt::format("  the attacker's leg: {}\n", view::figures_text(*evidence.closed->client_leg));
  if (evidence.closed->bait_leg)
    text += fmt::format("  the bait's leg: {}\n", view::figures_text(*evidence.closed->bait_leg));
  return text;
}

// The attacker's bytes around `offset`.
std::string bytes_around(archive::Reader& reader, const SessionSummary& session, uint64_t offset) {
  const uint64_t from = offset > kBytesBefore ? offset - kBytesBefore : 0;
  const uint64_t to = offset + kBytesAfter;
  Bytes around;
  const auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
    if (record.type != RecordType::data || record.direction != Direction::to_bait) return;
    const uint64_t begin = std::max(from, record.stream_offset);
    const uint64_t end = std::min(to, record.stream_offset + record.payload.size());
    if (begin >= end) return;
    const ByteView piece = record.payload.subspan(begin - record.stream_offset, end - begin);
    around.insert(around.end(), piece.begin(), piece.end());
  });
  if (!read) return "  (the bytes cannot be read: " + read.error().message + ")\n";
  if (around.empty()) return "  (the attacker had sent nothing)\n";
  return view::hex_dump(around, from);
}

std::string process_tree(const Alert& alert) {
  std::string tree;
  std::string indent = "  ";
  for (const ProcessInfo& process : alert.lineage) {
    tree += fmt::format("{}{}pid {} {}{}\n", indent, indent.size() > 2 ? "└─ " : "", process.pid,
                        printable(process.exe.empty() ? process.comm : process.exe),
                        process.args.empty() ? "" : " [" + printable(process.args) + "]");
    indent += "   ";
  }
  return tree.empty() ? "  (not known)\n" : tree;
}

// `before`: the alert told just before, or none; what is the same as there is not told twice.
std::string alert_story(archive::Reader& reader, const SessionSummary& session, const Alert& alert,
                        const SessionEvidence& evidence, const Alert* before) {
  std::string text =
      fmt::format("\n{} {}: {}\n", format_time(alert.time_ns), printable(alert.rule), printable(alert.description));
  text +=
      fmt::format("  pid {} ({}), {}; the session is {}\n", alert.pid, printable(alert.exe), to_string(alert.action),
                  alert.confidence == Confidence::none ? "one of a set that it may have been"
                                                       : fmt::format("known: {}", to_string(alert.confidence)));
  if (alert.role == AlertRole::starter) text += "  this session started what another session had written\n";
  if (alert.role == AlertRole::writer) text += "  this session wrote what another session has started\n";
  if (!alert.syscall.empty())
    text += fmt::format("  call: {} {} (from: {})\n", printable(alert.syscall), printable(alert.arguments),
                        printable(alert.provenance));
  for (const std::string& step : alert.steps) text += fmt::format("  step: {}\n", printable(step));
  if (const formats::FileEvent* file = evidence.file_of(alert); file != nullptr)
    text += fmt::format("  file: {}\n", view::file_text(*file));
  if (const formats::FileEvent* file = evidence.file_of(alert, formats::FileRole::interpreter); file != nullptr)
    text += fmt::format("  run by: {}\n", view::file_text(*file));
  for (const formats::FileEvent* file : evidence.written_by(alert))
    text += fmt::format("  written: {}\n", view::file_text(*file));
  if (const auto crash = evidence.crashes.find(alert.id); crash != evidence.crashes.end())
    text +=
        fmt::format("  crash: {}\n{}", view::crash_text(crash->second.state), view::crash_details(crash->second.state));
  const std::string tree = process_tree(alert);
  if (before == nullptr || process_tree(*before) != tree) text += "\n  processes, from the service's first:\n" + tree;
  if (before != nullptr && before->stream_offset == alert.stream_offset) return text;
  text += fmt::format("\n  the attacker's bytes around offset {}, up to where the service had read:\n",
                      alert.stream_offset);
  return text + bytes_around(reader, session, alert.stream_offset);
}

// The payload rules that fired, a line each.
std::string rules_story(const SessionSummary& session) {
  std::string text;
  for (const RuleHit& hit : session.rule_hits)
    text += fmt::format("  rule {} \"{}\" ({}) at byte {}: {}\n", rule_name(hit), printable(hit.message),
                        to_string(hit.grade), hit.stream_offset, to_string(hit.action));
  if (session.rule_hits_total > session.rule_hits.size())
    text += fmt::format("  … and {} more rules (`--json` has them all)\n",
                        session.rule_hits_total - session.rule_hits.size());
  return text;
}

}  // namespace

std::string summary_json(const SessionSummary& session) {
  JsonWriter json;
  json.begin_object();
  summary_fields(json, session, nullptr);
  return json.end_object().take();
}

Status session_json(archive::Reader& reader, const SessionSummary& session, const formats::Sink& sink) {
  const auto evidence = view::evidence_of(reader, session);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  JsonWriter json;
  json.begin_object();
  summary_fields(json, session, &*evidence);
  json.field("beginning_dropped", evidence->beginning_dropped);
  legs_fields(json, *evidence);
  view::files_json(json, *evidence);
  const auto minimal = replay::read_minimal(reader.folder(), session.id);
  if (!minimal) return tl::unexpected<Error>(minimal.error());
  if (*minimal) minimal_json(json.key("minimal"), **minimal);
  json.key("events").begin_array();
  auto read = reader.for_each_while(session, {}, [&](const formats::Record& record) {
    view::record_json(json, record);
    return sink(as_bytes(json.take()));
  });
  if (!read) return read;
  json.end_array().end_object();
  sink(as_bytes(json.text()));
  return {};
}

std::string table_head() {
  return fmt::format("{:<25} {:<8} {:<10} {:<21} {:>9} {:>9} {:<16} {}\n", "ID", "CLASS", "SERVICE", "SOURCE", "IN",
                     "OUT", "END", "ALERTS, RULES");
}

std::string table_line(const SessionSummary& session) {
  std::string alerts;
  for (const Alert& alert : session.alerts) {
    if (alerts.find(alert.rule) == std::string::npos) alerts += (alerts.empty() ? "" : ",") + alert.rule;
  }
  for (const RuleHit& hit : session.rule_hits) alerts += (alerts.empty() ? "" : ",") + rule_name(hit);
  return fmt::format("{:<25} {:<8} {:<10} {:<21} {:>9} {:>9} {:<16} {}\n", to_string(session.id),
                     to_string(session.session_class), printable(session.service), to_string(session.client),
                     session.bytes_in, session.bytes_out, session.end_ns == 0 ? "-" : to_string(session.end_reason),
                     printable(alerts));
}

Result<std::string> story(archive::Reader& reader, const SessionSummary& session) {
  std::string text = fmt::format("session {}: {}\n", to_string(session.id), to_string(session.session_class));
  const bool udp = session.protocol == Protocol::udp;
  text += fmt::format("  {} came to service {} at {}{} on {}\n", to_string(session.client), printable(session.service),
                      to_string(session.entrance), udp ? " by UDP" : "", format_time(session.start_ns));
  if (session.balancer.port != 0)
    text += fmt::format("  it was passed on by {}, which told that address\n", to_string(session.balancer));
  if (session.parent.value != 0)
    text += fmt::format("  it belongs to session {} of the same source\n", to_string(session.parent));
  text += session.end_ns == 0
              ? "  it is open\n"
              : fmt::format("  it ended {} ({})\n", format_time(session.end_ns), to_string(session.end_reason));
  text += fmt::format(
      "  {} bytes from the attacker, {} from the bait {}; the proxy's port there was {}, pid {} served it\n",
      session.bytes_in, session.bytes_out, to_string(session.bait), session.leg.port, session.served_by_pid);
  if (session.unsupervised)
    text += udp ? "  it was not supervised: datagrams are not joined with the processes that serve them\n"
                : "  part of it was not supervised: the monitor was away\n";
  if (session.incomplete) text += "  its log is not complete: records were lost\n";
  const auto evidence = view::evidence_of(reader, session);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  if (evidence->beginning_dropped) text += "  its beginning is there no longer: retention took it\n";
  text += legs_story(*evidence);
  for (const std::string& words : evidence->losses) text += fmt::format("  {}\n", printable(words));
  text += rules_story(session);
  const Alert* before = nullptr;
  for (const Alert& alert : session.alerts) {
    text += alert_story(reader, session, alert, *evidence, before);
    before = &alert;
  }
  if (session.alerts_total > session.alerts.size())
    text +=
        fmt::format("\n… and {} more alerts (`--json` has them all)\n", session.alerts_total - session.alerts.size());
  auto minimal = minimal_story(reader, session);
  if (!minimal) return minimal;
  return text + *minimal;
}

}  // namespace skep::cli
