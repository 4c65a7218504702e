#include "archive/index_row.h"

#include <algorithm>

#include "base/text.h"
#include "formats/event_codec.h"

namespace skep::archive {

const char kRowColumns[] =
    "id, service, class, start_ns, end_ns, end_reason, client, client_port, entrance, leg, bait, bytes_in, "
    "bytes_out, forwarded_in, forwarded_out, pid, unsupervised, incomplete, alerts, alerts_total, last_segment, "
    "last_offset, parent, balancer, protocol, head, words";

namespace {

constexpr size_t kWordsMax = 1024;  // of all alerts of a session, for the search

Bytes encode_alerts(const std::vector<Alert>& alerts) {
  Bytes out;
  for (const Alert& alert : alerts) {
    const Bytes one = formats::encode(alert);
    ByteWriter writer(out);
    writer.le(static_cast<uint32_t>(one.size()));
    writer.raw(ByteView(one));
  }
  return out;
}

std::vector<Alert> decode_alerts(ByteView bytes) {
  std::vector<Alert> alerts;
  ByteReader reader(bytes);
  while (reader.left() > 0) {
    const auto length = reader.le<uint32_t>();
    const auto alert = formats::decode<Alert>(reader.raw(length));
    if (!reader.ok() || !alert) break;
    alerts.push_back(*alert);
  }
  return alerts;
}

// What is searched of the alerts: who did what.
std::string alert_words(const std::vector<Alert>& alerts) {
  std::string words;
  for (const Alert& alert : alerts) {
    if (words.size() >= kWordsMax) break;
    words += fmt::format("{} {} {} {}\n", alert.rule, alert.exe, alert.syscall, alert.arguments);
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
  const Bytes alerts = encode_alerts(row.alerts);
  sqlite3_bind_blob(s, ++at, alerts.empty() ? "" : reinterpret_cast<const char*>(alerts.data()),
                    static_cast<int>(alerts.size()), SQLITE_TRANSIENT);
  number(row.alerts_total);
  number(row.last.segment);
  number(row.last.offset);
  number(row.parent.value);
  text(row.balancer.port == 0 ? "" : to_string(row.balancer));
  number(row.protocol);
  text(row.head);
  text(alert_words(row.alerts));
}

SessionSummary read_row(sqlite3_stmt* s) {
  int at = 0;
  const auto number = [&] { return static_cast<uint64_t>(sqlite3_column_int64(s, at++)); };
  const auto text = [&] {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(s, at));
    return std::string(bytes == nullptr ? "" : bytes, static_cast<size_t>(sqlite3_column_bytes(s, at++)));
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
  row.alerts = decode_alerts(
      {static_cast<const uint8_t*>(sqlite3_column_blob(s, at)), static_cast<size_t>(sqlite3_column_bytes(s, at))});
  ++at;
  row.alerts_total = static_cast<uint32_t>(number());
  row.last.segment = static_cast<uint32_t>(number());
  row.last.offset = number();
  row.parent = {number()};
  row.balancer = endpoint();
  row.protocol = number() == static_cast<uint64_t>(Protocol::udp) ? Protocol::udp : Protocol::tcp;
  row.head = text();
  return row;
}

}  // namespace skep::archive
