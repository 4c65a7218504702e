#include "archive/index_row.h"

#include <algorithm>

#include "base/text.h"
#include "formats/event_codec.h"

namespace skep::archive {

const char kRowColumns[] =
    "id, service, class, start_ns, end_ns, end_reason, client, client_port, entrance, leg, bait, bytes_in, "
    "bytes_out, forwarded_in, forwarded_out, pid, unsupervised, incomplete, alerts, alerts_total, last_segment, "
    "last_offset, parent, balancer, protocol, head, words, rule_hits, rule_hits_total";

namespace {

constexpr size_t kWordsMax = 1024;  // of a session's alerts and rules, for the search

// Alerts, or rules that fired: each with its length before it.
template <typename Event>
Bytes encode_all(const std::vector<Event>& events) {
  Bytes out;
  for (const Event& event : events) {
    const Bytes one = formats::encode(event);
    ByteWriter writer(out);
    writer.le(static_cast<uint32_t>(one.size()));
    writer.raw(ByteView(one));
  }
  return out;
}

template <typename Event>
std::vector<Event> decode_all(ByteView bytes) {
  std::vector<Event> events;
  ByteReader reader(bytes);
  while (reader.left() > 0) {
    const auto length = reader.le<uint32_t>();
    const auto event = formats::decode<Event>(reader.raw(length));
    if (!reader.ok() || !event) break;
    events.push_back(*event);
  }
  return events;
}

// What is searched of them: who did what, and which rules said so.
std::string words_of(const SessionSummary& row) {
  std::string words;
  for (const Alert& alert : row.alerts) {
    if (words.size() >= kWordsMax) break;
    words += fmt::format("{} {} {} {}\n", alert.rule, alert.exe, alert.syscall, alert.arguments);
  }
  for (const RuleHit& hit : row.rule_hits) {
    if (words.size() >= kWordsMax) break;
    words += fmt::format("{} {}\n", rule_name(hit), hit.message);
  }
  words.resize(std::min(words.size(), kWordsMax));
  return printable(words);
}

}  // namespace

std::string upsert_sql() {
  std::string marks;
  std::string changes;
  const std::string columns = kRowColumns;
  for (std::string_view name : split(columns, ',')) {
    name = trim(name);
    marks += marks.empty() ? "?" : ",?";
    if (name == "id") continue;
    if (!changes.empty()) changes += ", ";
    changes += name == "head" ? std::string("head = CASE excluded.head WHEN '' THEN head ELSE excluded.head END")
                              : fmt::format("{0} = excluded.{0}", name);
  }
  return fmt::format("INSERT INTO sessions ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}", columns, marks,
                     changes);
}

void bind_row(sqlite3_stmt* s, const SessionSummary& row) {
  int at = 0;
  const auto number = [&](auto value) { sqlite3_bind_int64(s, ++at, static_cast<sqlite3_int64>(value)); };
  const auto text = [&](const std::string& value) { bind_text(s, ++at, value); };
  const auto blob = [&](const Bytes& bytes) {
    sqlite3_bind_blob(s, ++at, bytes.empty() ? "" : reinterpret_cast<const char*>(bytes.data()),
                      static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  };
  number(row.id.value);
  text(row.service);
  number(row.session_class);
  number(row.start_ns);
  number(row.end_ns);
  number(row.end_reason);
  text(address_text(row.client));
  number(row.client.port);
  text(to_string(row.entrance));
  text(to_string(row.leg));
  text(to_string(row.bait));
  for (const uint64_t bytes : {row.bytes_in, row.bytes_out, row.forwarded_in, row.forwarded_out}) number(bytes);
  number(row.served_by_pid);
  number(row.unsupervised);
  number(row.incomplete);
  blob(encode_all(row.alerts));
  number(row.alerts_total);
  number(row.last.segment);
  number(row.last.offset);
  number(row.parent.value);
  text(row.balancer.port == 0 ? "" : to_string(row.balancer));
  number(row.protocol);
  text(row.head);
  text(words_of(row));
  blob(encode_all(row.rule_hits));
  number(row.rule_hits_total);
}

SessionSummary read_row(sqlite3_stmt* s) {
  int at = 0;
  const auto number = [&] { return static_cast<uint64_t>(sqlite3_column_int64(s, at++)); };
  const auto text = [&] {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(s, at));
    return std::string(bytes == nullptr ? "" : bytes, static_cast<size_t>(sqlite3_column_bytes(s, at++)));
  };
  const auto blob = [&] {
    const auto* const bytes = static_cast<const uint8_t*>(sqlite3_column_blob(s, at));
    return ByteView(bytes, static_cast<size_t>(sqlite3_column_bytes(s, at++)));
  };
  const auto endpoint = [&] { return parse_endpoint(text()).value_or(Endpoint{}); };
  SessionSummary row;
  row.id = {number()};
  row.service = text();
  row.session_class = static_cast<SessionClass>(number());
  row.start_ns = static_cast<int64_t>(number());
  row.end_ns = static_cast<int64_t>(number());
  row.end_reason = static_cast<EndReason>(number());
  const std::string client = text();
  row.client = parse_endpoint(client.find(':') == std::string::npos ? client : "[" + client + "]").value_or(Endpoint{});
  row.client.port = static_cast<uint16_t>(number());
  row.entrance = endpoint();
  row.leg = endpoint();
  row.bait = endpoint();
  row.bytes_in = number();
  row.bytes_out = number();
  row.forwarded_in = number();
  row.forwarded_out = number();
  row.served_by_pid = static_cast<uint32_t>(number());
  row.unsupervised = number() != 0;
  row.incomplete = number() != 0;
  row.alerts = decode_all<Alert>(blob());
  row.alerts_total = static_cast<uint32_t>(number());
  row.last.segment = static_cast<uint32_t>(number());
  row.last.offset = number();
  row.parent = {number()};
  row.balancer = endpoint();
  row.protocol = number() == static_cast<uint64_t>(Protocol::udp) ? Protocol::udp : Protocol::tcp;
  row.head = text();
  ++at;  // words: only searched
  row.rule_hits = decode_all<RuleHit>(blob());
  row.rule_hits_total = static_cast<uint32_t>(number());
  return row;
}

}  // namespace skep::archive
