#include "archive/index.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "formats/event_codec.h"

namespace skep::archive {
namespace {

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS sessions (
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, class INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  end_reason INTEGER NOT NULL, client TEXT NOT NULL, client_port INTEGER NOT NULL, entrance TEXT NOT NULL, leg TEXT NOT NULL,
  bait TEXT NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, forwarded_in INTEGER NOT NULL,
  forwarded_out INTEGER NOT NULL, pid INTEGER NOT NULL, unsupervised INTEGER NOT NULL, incomplete INTEGER NOT NULL,
  alerts BLOB NOT NULL, alerts_total INTEGER NOT NULL, last_segment INTEGER NOT NULL, last_offset INTEGER NOT NULL,
  parent INTEGER NOT NULL, balancer TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS sessions_marked ON sessions (class, id) WHERE class <> 1;
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (id) WHERE end_ns = 0;
)sql";
constexpr char kColumns[] =
    "id, service, class, start_ns, end_ns, end_reason, client, client_port, entrance, leg, bait, bytes_in, "
    "bytes_out, forwarded_in, forwarded_out, pid, unsupervised, incomplete, alerts, alerts_total, last_segment, "
    "last_offset, parent, balancer";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

tl::unexpected<Error> sqlite_failure(sqlite3* db, const char* what) {
  return tl::unexpected<Error>(Error{fmt::format("index: {}: {}", what, sqlite3_errmsg(db)), sqlite3_errcode(db)});
}

Result<Statement> prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return sqlite_failure(db, "prepare");
  return Statement(statement);
}

void bind_text(sqlite3_stmt* s, int at, const std::string& text) {
  sqlite3_bind_text(s, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

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
  return row;
}

}  // namespace

Result<Index> Index::open(const std::string& folder, bool writable) {
  sqlite3* db = nullptr;
  const std::string path = folder + "/index.sqlite";
  if (!writable && ::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
    return fail("there is no archive in {} ({} is missing)", folder, path);
  const int flags = writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int opened = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Index index(db);
  if (opened != SQLITE_OK) return fail("index: {}: {}", path, db == nullptr ? "no memory" : sqlite3_errmsg(db));
  sqlite3_busy_timeout(db, 5000);
  if (!writable) return index;
  if (auto set = index.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"); !set)
    return tl::unexpected<Error>(set.error());
  if (auto made = index.run(kSchema); !made) return tl::unexpected<Error>(made.error());
  return index;
}

Status Index::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_failure(db_.get(), "write");
  return {};
}

Status Index::put(const std::vector<SessionSummary>& rows) {
  auto statement = prepare(
      db_.get(),
      fmt::format("INSERT OR REPLACE INTO sessions ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                  kColumns));
  if (!statement) return tl::unexpected<Error>(statement.error());
  if (auto begun = run("BEGIN"); !begun) return begun;
  for (const SessionSummary& row : rows) {
    bind_row(statement->get(), row);
    if (sqlite3_step(statement->get()) != SQLITE_DONE) {
      auto error = sqlite_failure(db_.get(), "write a session");
      sqlite3_reset(statement->get());
      [[maybe_unused]] const auto undone = run("ROLLBACK");
      return error;
    }
    sqlite3_reset(statement->get());
  }
  return run("COMMIT");
}

Result<std::vector<SessionSummary>> Index::query(const std::string& where, const std::vector<std::string>& texts,
                                                 size_t limit) const {
  auto statement =
      prepare(db_.get(), fmt::format("SELECT {} FROM sessions WHERE {} ORDER BY id LIMIT {}", kColumns, where, limit));
  if (!statement) return tl::unexpected<Error>(statement.error());
  for (size_t i = 0; i < texts.size(); ++i) bind_text(statement->get(), static_cast<int>(i + 1), texts[i]);
  std::vector<SessionSummary> rows;
  int step = 0;
  while ((step = sqlite3_step(statement->get())) == SQLITE_ROW) rows.push_back(read_row(statement->get()));
  if (step != SQLITE_DONE) return sqlite_failure(db_.get(), "read");
  return rows;
}

Result<std::vector<SessionSummary>> Index::select(const Filter& filter) const {
  std::string where = fmt::format("id > {} AND start_ns >= {}", filter.after, filter.since_ns);
  std::vector<std::string> texts;
  if (filter.until_ns > 0) where += fmt::format(" AND start_ns < {}", filter.until_ns);
  if (filter.session_class) where += fmt::format(" AND class = {}", static_cast<int>(*filter.session_class));
  if (!filter.service.empty()) {
    where += " AND service = ?";
    texts.push_back(filter.service);
  }
  if (!filter.source.empty()) {
    where += " AND client = ?";
    texts.push_back(filter.source);
  }
  return query(where, texts, filter.limit);
}

Result<std::optional<SessionSummary>> Index::find(SessionId id) const {
  auto rows = query(fmt::format("id = {}", id.value), {}, 1);
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (rows->empty()) return std::optional<SessionSummary>();
  return std::optional<SessionSummary>(std::move(rows->front()));
}

Result<std::vector<SessionSummary>> Index::open_sessions() const {
  return query("end_ns = 0", {}, SIZE_MAX >> 1);
}

Result<uint32_t> Index::indexed_segment() const {
  auto statement = prepare(db_.get(), "SELECT coalesce(max(last_segment), 0) FROM sessions");
  if (!statement) return tl::unexpected<Error>(statement.error());
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return sqlite_failure(db_.get(), "read");
  return static_cast<uint32_t>(sqlite3_column_int64(statement->get(), 0));
}

Status Index::clear() {
  return run("DELETE FROM sessions");
}

}  // namespace skep::archive
