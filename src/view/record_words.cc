#include "view/record_words.h"

#include "base/clock.h"
#include "formats/event_codec.h"
#include "formats/saved_syn.h"

namespace skep::view {
namespace {

using formats::RecordType;

constexpr std::string_view kProcessKinds[] = {"fork", "exec", "exit"};
constexpr std::string_view kProcessWords[] = {"forked", "runs", "ended"};

std::string_view type_name(RecordType type) {
  static constexpr std::string_view kNames[] = {"",       "opened",  "connected", "data", "half-closed",
                                                "served", "process", "alert",     "note", "closed",
                                                "file",   "crash",   "origin",    "rule"};
  static_assert(std::size(kNames) == static_cast<size_t>(formats::kLastRecordType) + 1);
  return kNames[static_cast<size_t>(type)];
}

std::string_view way(const formats::Record& record) {
  return record.direction == Direction::to_bait ? "in" : "out";
}

// What the kernel kept of the SYN, where it can be read.
void syn_json(JsonWriter& json, const SavedSyn& saved) {
  const auto syn = formats::parse_saved_syn(saved.view());
  if (!syn) return;
  json.key("syn").begin_object().field("source", to_string(syn->source)).field("ttl", unsigned{syn->ttl});
  json.field("window", unsigned{syn->window}).field("seq", syn->seq).field("options", hex(syn->options));
  json.field("headers", hex(saved.view())).end_object();
}

void fields(JsonWriter& json, const formats::OpenedEvent& event) {
  json.field("service", event.service).field("client", to_string(event.client));
  json.field("proxy", to_string(event.proxy)).field("protocol", to_string(event.protocol));
  syn_json(json, event.syn);
}
void fields(JsonWriter& json, const formats::ConnectedEvent& event) {
  json.field("proxy", to_string(event.proxy)).field("bait", to_string(event.bait));
}
void fields(JsonWriter& json, const formats::OriginEvent& event) {
  if (event.parent.value != 0) json.field("parent", to_string(event.parent));
  if (event.balancer.port != 0) json.field("balancer", to_string(event.balancer));
}
void fields(JsonWriter& json, const formats::ServedEvent& event) {
  json.field("pid", event.pid).field("tid", event.tid).field("serial", event.serial);
}
void fields(JsonWriter& json, const formats::ProcessEvent& event) {
  json.field("kind", kProcessKinds[static_cast<size_t>(event.kind)]).field("pid", event.pid);
  json.field("parent", event.parent).field("status", event.status).field("exe", event.exe);
}
void fields(JsonWriter& json, const formats::NoteEvent& event) {
  json.field("words", event.words);
}
void fields(JsonWriter& json, const Alert& alert) {
  json.key("alert");
  alert_json(json, alert, nullptr);
}
void fields(JsonWriter& json, const RuleHit& hit) {
  json.key("rule_hit");
  rule_hit_json(json, hit);
}
void fields(JsonWriter& json, const formats::FileEvent& event) {
  json.field("text", role_text(event));
}
void fields(JsonWriter& json, const formats::CrashEvent& event) {
  json.key("crash_state");
  crash_json(json, event.state);
}
void fields(JsonWriter& json, const formats::ClosedEvent& event) {
  json.field("reason", to_string(event.reason)).field("bytes_in", event.bytes_in).field("bytes_out", event.bytes_out);
  json.field("forwarded_in", event.forwarded_in).field("forwarded_out", event.forwarded_out);
  for (const auto& [name, leg] : {std::pair("client_leg", &event.client_leg), std::pair("bait_leg", &event.bait_leg)}) {
    if (!*leg) continue;
    json.key(name);
    figures_json(json, **leg);
  }
}

// "passed on by 192.0.2.9:4000, belongs to session 2026…".
std::string origin_text(const formats::OriginEvent& event) {
  std::string text;
  if (event.balancer.port != 0) text = "passed on by " + to_string(event.balancer);
  if (event.parent.value != 0)
    text += (text.empty() ? "belongs to session " : ", belongs to session ") + to_string(event.parent);
  return text;
}

template <typename Event>
void event_fields(JsonWriter& json, ByteView payload) {
  if (const auto event = formats::decode<Event>(payload)) fields(json, *event);
}

void data_fields(JsonWriter& json, const formats::Record& record) {
  json.field("direction", way(record)).field("stream_offset", record.stream_offset);
  json.field("bytes", static_cast<unsigned long>(record.payload.size()));
  json.field("payload", base64(as_text(record.payload)));
}

}  // namespace

void figures_json(JsonWriter& json, const TcpFigures& figures) {
  json.begin_object().field("rtt_us", figures.rtt_us).field("rtt_variance_us", figures.rtt_variance_us);
  json.field("rtt_least_us", figures.rtt_least_us).field("retransmitted", figures.retransmitted);
  json.field("segments_out", figures.segments_out).field("segments_in", figures.segments_in);
  json.field("mss_out", figures.mss_out).field("mss_in", figures.mss_in).field("path_mtu", figures.path_mtu);
  json.field("bytes_acknowledged", figures.bytes_acknowledged).field("bytes_received", figures.bytes_received);
  json.end_object();
}

void alert_json(JsonWriter& json, const Alert& alert, const SessionEvidence* evidence) {
  json.begin_object()
      .field("id", alert.id)
      .field("rule", alert.rule)
      .field("pid", alert.pid)
      .field("exe", alert.exe)
      .field("syscall", alert.syscall);
  json.field("action", to_string(alert.action))
      .field("confidence", to_string(alert.confidence))
      .field("role", to_string(alert.role))
      .field("stream_offset", alert.stream_offset);
  json.field("time", format_time(alert.time_ns))
      .field("arguments", alert.arguments)
      .field("provenance", alert.provenance);
  json.field("priority", alert.priority).field("description", alert.description).field("crash", alert.crash);
  if (evidence != nullptr) {
    programs_json(json, *evidence, alert);
    if (const auto crash = evidence->crashes.find(alert.id); crash != evidence->crashes.end()) {
      json.key("crash_state");
      crash_json(json, crash->second.state);
    }
  }
  json.field("suspect", alert.suspect).key("tags").begin_array();
  for (const std::string& tag : alert.tags) json.value(tag);
  json.end_array().key("steps").begin_array();
  for (const std::string& step : alert.steps) json.value(step);
  json.end_array().key("lineage").begin_array();
  for (const ProcessInfo& process : alert.lineage) {
    json.begin_object()
        .field("pid", process.pid)
        .field("parent", process.parent)
        .field("uid", process.uid)
        .field("start", format_time(process.start_ns));
    json.field("exe", process.exe).field("args", process.args).field("comm", process.comm).end_object();
  }
  json.end_array().end_object();
}

void rule_hit_json(JsonWriter& json, const RuleHit& hit) {
  json.begin_object().field("gid", hit.gid).field("sid", hit.sid).field("rev", hit.rev).field("msg", hit.message);
  json.field("grade", to_string(hit.grade)).field("action", to_string(hit.action));
  json.field("stream_offset", hit.stream_offset).end_object();
}

void record_json(JsonWriter& json, const formats::Record& record) {
  json.begin_object().field("time", format_time(record.time_ns)).field("event", type_name(record.type));
  switch (record.type) {
    case RecordType::opened:
      event_fields<formats::OpenedEvent>(json, record.payload);
      break;
    case RecordType::connected:
      event_fields<formats::ConnectedEvent>(json, record.payload);
      break;
    case RecordType::data:
      data_fields(json, record);
      break;
    case RecordType::half_closed:
      json.field("direction", way(record));
      break;
    case RecordType::served:
      event_fields<formats::ServedEvent>(json, record.payload);
      break;
    case RecordType::process:
      event_fields<formats::ProcessEvent>(json, record.payload);
      break;
    case RecordType::alert:
      event_fields<Alert>(json, record.payload);
      break;
    case RecordType::note:
      event_fields<formats::NoteEvent>(json, record.payload);
      break;
    case RecordType::closed:
      event_fields<formats::ClosedEvent>(json, record.payload);
      break;
    case RecordType::file:
      event_fields<formats::FileEvent>(json, record.payload);
      break;
    case RecordType::crash:
      event_fields<formats::CrashEvent>(json, record.payload);
      break;
    case RecordType::origin:
      event_fields<formats::OriginEvent>(json, record.payload);
      break;
    case RecordType::rule:
      event_fields<RuleHit>(json, record.payload);
      break;
  }
  json.end_object();
}

std::string alert_comment(const Alert& alert) {
  return printable(fmt::format("skep alert {}: {} {} by pid {} ({}), {}, {}", alert.rule, alert.syscall,
                               alert.arguments, alert.pid, alert.exe, to_string(alert.action),
                               to_string(alert.confidence)));
}

std::string rule_hit_comment(const RuleHit& hit) {
  return printable(fmt::format("skep rule {}: {} ({}), {}", rule_name(hit), hit.message, to_string(hit.grade),
                               to_string(hit.action)));
}

std::string figures_text(const TcpFigures& figures) {
  return fmt::format("rtt {:.3f} ms (least {:.3f}), {} segments out, {} in, {} sent again, MSS {} out, {} in",
                     figures.rtt_us / 1000.0, figures.rtt_least_us / 1000.0, figures.segments_out, figures.segments_in,
                     figures.retransmitted, figures.mss_out, figures.mss_in);
}

std::string hex_dump(ByteView bytes, uint64_t offset) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const ByteView line = bytes.subspan(at, std::min<size_t>(16, bytes.size() - at));
    std::string hexes;
    std::string shown;
    for (const uint8_t byte : line) {
      hexes += fmt::format("{:02x} ", byte);
      shown += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    }
    text += fmt::format("  {:08x}  {:<48} {}\n", offset + at, hexes, shown);
  }
  return text;
}

std::string record_text(const formats::Record& record) {
  const std::string time = format_time(record.time_ns);
  switch (record.type) {
    case RecordType::data:
      return fmt::format("{} {} {} bytes at {}\n{}", time, record.direction == Direction::to_bait ? ">>>" : "<<<",
                         record.payload.size(), record.stream_offset, hex_dump(record.payload, record.stream_offset));
    case RecordType::opened:
      return fmt::format("{} opened\n", time);
    case RecordType::connected:
      return fmt::format("{} connected to the bait\n", time);
    case RecordType::origin:
      if (const auto event = formats::decode<formats::OriginEvent>(record.payload))
        return fmt::format("{} {}\n", time, origin_text(*event));
      break;
    case RecordType::half_closed:
      return fmt::format("{} {} has ended its direction\n", time,
                         record.direction == Direction::to_bait ? "the attacker" : "the bait");
    case RecordType::served:
      if (const auto event = formats::decode<formats::ServedEvent>(record.payload))
        return fmt::format("{} served by pid {}\n", time, event->pid);
      break;
    case RecordType::process:
      if (const auto event = formats::decode<formats::ProcessEvent>(record.payload))
        return fmt::format("{} pid {} {} {}\n", time, event->pid, kProcessWords[static_cast<size_t>(event->kind)],
                           printable(event->exe));
      break;
    case RecordType::alert:
      if (const auto alert = formats::decode<Alert>(record.payload))
        return fmt::format("{} ALERT {}\n", time, alert_comment(*alert));
      break;
    case RecordType::rule:
      if (const auto hit = formats::decode<RuleHit>(record.payload))
        return fmt::format("{} RULE {} at {}\n", time, rule_hit_comment(*hit), hit->stream_offset);
      break;
    case RecordType::note:
      if (const auto event = formats::decode<formats::NoteEvent>(record.payload))
        return fmt::format("{} note: {}\n", time, printable(event->words));
      break;
    case RecordType::file:
      if (const auto event = formats::decode<formats::FileEvent>(record.payload))
        return fmt::format("{} {}\n", time, role_text(*event));
      break;
    case RecordType::crash:
      if (const auto event = formats::decode<formats::CrashEvent>(record.payload))
        return fmt::format("{} crash {}\n{}", time, crash_text(event->state), crash_details(event->state));
      break;
    case RecordType::closed:
      if (const auto event = formats::decode<formats::ClosedEvent>(record.payload))
        return fmt::format("{} closed: {}\n", time, to_string(event->reason));
      break;
  }
  return fmt::format("{} an event that cannot be read\n", time);
}

}  // namespace skep::view
