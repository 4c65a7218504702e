#include "archive/day_index.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <set>

#include "archive/index_row.h"

namespace skep::archive {
namespace {

constexpr int kBusyMs = 5000;
constexpr int kForgetAtOnce = 4096;

// `rules` is small: the sessions with alerts alone are in it.
constexpr char kSchema[] = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sessions (
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, class INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  end_reason INTEGER NOT NULL, client TEXT NOT NULL, client_port INTEGER NOT NULL, entrance TEXT NOT NULL, leg TEXT NOT NULL,
  bait TEXT NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, forwarded_in INTEGER NOT NULL,
  forwarded_out INTEGER NOT NULL, pid INTEGER NOT NULL, unsupervised INTEGER NOT NULL, incomplete INTEGER NOT NULL,
  alerts BLOB NOT NULL, alerts_total INTEGER NOT NULL, last_segment INTEGER NOT NULL, last_offset INTEGER NOT NULL,
  parent INTEGER NOT NULL, balancer TEXT NOT NULL, protocol INTEGER NOT NULL DEFAULT 6, head TEXT NOT NULL, words TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS rules (rule TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (rule, id)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_marked ON sessions (class, id) WHERE class <> 1;
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (id) WHERE end_ns = 0;
COMMIT;
)sql";

// The triggers are for what still comes: alerts that are late, the end of a session that lasted over midnight.
constexpr char kSeal[] = R"sql(
BEGIN IMMEDIATE;
CREATE INDEX IF NOT EXISTS sessions_client ON sessions (client, id);
CREATE INDEX IF NOT EXISTS sessions_service ON sessions (service, id);
CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(
  head, words, content='sessions', content_rowid='id', tokenize='trigram', detail='none');
INSERT INTO texts (texts) VALUES ('rebuild');
CREATE TRIGGER IF NOT EXISTS texts_added AFTER INSERT ON sessions BEGIN
  INSERT INTO texts (rowid, head, words) VALUES (new.id, new.head, new.words); END;
CREATE TRIGGER IF NOT EXISTS texts_removed AFTER DELETE ON sessions BEGIN
  INSERT INTO texts (texts, rowid, head, words) VALUES ('delete', old.id, old.head, old.words); END;
CREATE TRIGGER IF NOT EXISTS texts_changed AFTER UPDATE ON sessions
  WHEN old.head <> new.head OR old.words <> new.words BEGIN
  INSERT INTO texts (texts, rowid, head, words) VALUES ('delete', old.id, old.head, old.words);
  INSERT INTO texts (rowid, head, words) VALUES (new.id, new.head, new.words); END;
COMMIT;
)sql";

// A day that was begun before there were other protocols has no column for it: all of its sessions are TCP's. Who
// writes the day adds it, with the default that kSchema names.
constexpr char kHasProtocol[] = "SELECT count(*) FROM pragma_table_info('sessions') WHERE name = 'protocol'";

std::string lower(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

// For SQLite's URI: what means something there is written as %XX.
std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char letter : path) {
    if (letter == '%' || letter == '?' || letter == '#') {
      uri += fmt::format("%{:02x}", static_cast<unsigned>(letter));
    } else {
      uri += letter;
    }
  }
  return uri;
}

// On a medium that cannot be written SQLite has no place for its shared memory. Nobody writes there then, and what is
// in the file is all.
bool on_read_only_medium(const std::string& path) {
  return ::access(path.substr(0, path.rfind('/')).c_str(), W_OK) != 0 && ::access((path + "-wal").c_str(), F_OK) != 0;
}

}  // namespace

Result<DayIndex> DayIndex::open(const std::string& path, Access access) {
  // Nobody asks how much memory SQLite has, and to count it takes a lock at each of its allocations.
  [[maybe_unused]] static const int uncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* db = nullptr;
  std::string uri = uri_of(path);
  if (access == Access::read && on_read_only_medium(path)) uri += "?immutable=1";
  const int flags = access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int opened = sqlite3_open_v2(uri.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, nullptr);
  DayIndex index{Database(db)};
  if (opened != SQLITE_OK) return fail("index: {}: {}", path, db == nullptr ? "no memory" : sqlite3_errmsg(db));
  sqlite3_busy_timeout(db, kBusyMs);
  if (access == Access::write) {
    if (auto made = index.set_up(); !made) return wrap(path, made);
  }
  const auto made = number_of(db, "SELECT count(*) FROM sqlite_master WHERE name = 'sessions_open'");
  if (!made) return wrap(path, made);
  if (*made == 0) return tl::unexpected<Error>(Error{path + " is only being made", ENOENT});
  const auto sealed = number_of(db, "SELECT count(*) FROM sqlite_master WHERE name = 'texts'");
  if (!sealed) return wrap(path, sealed);
  index.sealed_ = *sealed > 0;
  return index;
}

Status DayIndex::set_up() {
  if (auto set =
          run_sql(db_.get(), "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
      !set)
    return set;
  if (auto made = run_sql(db_.get(), kSchema); !made) return made;
  const auto there = number_of(db_.get(), kHasProtocol);
  if (!there) return tl::unexpected<Error>(there.error());
  return *there > 0 ? Status()
                    : run_sql(db_.get(), "ALTER TABLE sessions ADD COLUMN protocol INTEGER NOT NULL DEFAULT 6");
}

Status DayIndex::put(const std::vector<const SessionSummary*>& rows, uint32_t indexed_segment) {
  if (auto begun = run_sql(db_.get(), "BEGIN IMMEDIATE"); !begun) return begun;
  Status done = put_all(rows);
  if (done && indexed_segment > 0)
    done = run_sql(db_.get(), fmt::format("PRAGMA user_version = {}", static_cast<int32_t>(indexed_segment)));
  if (done) done = run_sql(db_.get(), "COMMIT");
  if (!done) [[maybe_unused]]
    const auto undone = run_sql(db_.get(), "ROLLBACK");
  return done;
}

Status DayIndex::put_all(const std::vector<const SessionSummary*>& rows) {
  auto row = prepare(db_.get(), upsert_sql());
  if (!row) return tl::unexpected<Error>(row.error());
  auto rule = prepare(db_.get(), "INSERT OR IGNORE INTO rules (rule, id) VALUES (?, ?)");
  if (!rule) return tl::unexpected<Error>(rule.error());
  for (const SessionSummary* session : rows) {
    if (auto put = put_row(row->get(), rule->get(), *session); !put) return put;
  }
  return {};
}

Status DayIndex::put_row(sqlite3_stmt* row, sqlite3_stmt* rule, const SessionSummary& session) {
  bind_row(row, session);
  const bool put = sqlite3_step(row) == SQLITE_DONE;
  sqlite3_reset(row);
  if (!put) return sqlite_failure(db_.get(), "write a session");
  std::set<std::string_view> names;
  for (const Alert& alert : session.alerts) {
    if (!names.insert(alert.rule).second) continue;
    bind_text(rule, 1, alert.rule);
    sqlite3_bind_int64(rule, 2, static_cast<sqlite3_int64>(session.id.value));
    const bool named = sqlite3_step(rule) == SQLITE_DONE;
    sqlite3_reset(rule);
    if (!named) return sqlite_failure(db_.get(), "write a session's rules");
  }
  return {};
}

Result<std::vector<SessionSummary>> DayIndex::query(const std::string& where, const std::vector<std::string>& texts,
                                                    const std::string& order) const {
  // Asked until it is there: its writer may have added it meanwhile, and does not take it away.
  if (!has_protocol_) {
    const auto there = number_of(db_.get(), kHasProtocol);
    if (!there) return tl::unexpected<Error>(there.error());
    has_protocol_ = *there > 0;
  }
  std::string columns = kRowColumns;
  if (!has_protocol_) columns.replace(columns.find("protocol"), std::string_view("protocol").size(), "6");
  auto statement =
      prepare(db_.get(), fmt::format("SELECT {} FROM sessions WHERE {} ORDER BY {}", columns, where, order));
  if (!statement) return tl::unexpected<Error>(statement.error());
  for (size_t i = 0; i < texts.size(); ++i) bind_text(statement->get(), static_cast<int>(i + 1), texts[i]);
  std::vector<SessionSummary> rows;
  int step = 0;
  while ((step = sqlite3_step(statement->get())) == SQLITE_ROW) rows.push_back(read_row(statement->get()));
  if (step != SQLITE_DONE) return sqlite_failure(db_.get(), "read");
  return rows;
}

Result<std::vector<SessionSummary>> DayIndex::select(const Filter& filter) const {
  const uint64_t since = filter.since_ns > 0 ? make_session_id(filter.since_ns, 0).value : 0;
  std::string where = fmt::format("id >= {}", std::max(since, filter.after + 1));
  std::vector<std::string> texts;
  const auto add = [&](std::string_view condition, const std::string& text) {
    texts.push_back(text);
    where += fmt::format(fmt::runtime(condition), texts.size());
  };
  if (filter.until_ns > 0) where += fmt::format(" AND id < {}", make_session_id(filter.until_ns, 0).value);
  if (filter.session_class) where += fmt::format(" AND class = {}", static_cast<int>(*filter.session_class));
  // The partial index is only taken where the words of its own condition stand in the question.
  if (filter.session_class && *filter.session_class != SessionClass::harmless) where += " AND class <> 1";
  if (!filter.service.empty()) add(" AND service = ?{}", filter.service);
  if (!filter.source.empty()) add(" AND client = ?{}", filter.source);
  if (!filter.rule.empty()) add(" AND id IN (SELECT id FROM rules WHERE rule = ?{})", filter.rule);
  if (!filter.text.empty()) {
    // The trigrams give candidates (to LIKE some letters are wild cards); the second condition decides.
    if (sealed_)
      add(" AND id IN (SELECT rowid FROM texts WHERE head LIKE ?{0} UNION SELECT rowid FROM texts WHERE words LIKE "
          "?{0})",
          "%" + filter.text + "%");
    add(" AND (instr(lower(head), ?{0}) > 0 OR instr(lower(words), ?{0}) > 0)", lower(filter.text));
  }
  return query(where, texts, fmt::format("id {} LIMIT {}", filter.newest_first ? "DESC" : "ASC", filter.limit));
}

Result<std::optional<SessionSummary>> DayIndex::find(SessionId id) const {
  auto rows = query(fmt::format("id = {}", id.value), {}, "id");
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (rows->empty()) return std::optional<SessionSummary>();
  return std::optional<SessionSummary>(std::move(rows->front()));
}

Result<std::vector<SessionSummary>> DayIndex::open_sessions() const {
  return query("end_ns = 0", {}, "id");
}

Result<uint32_t> DayIndex::indexed_segment() const {
  const auto number = number_of(db_.get(), "PRAGMA user_version");
  if (!number) return tl::unexpected<Error>(number.error());
  return static_cast<uint32_t>(*number);
}

Result<uint64_t> DayIndex::count() const {
  const auto number = number_of(db_.get(), "SELECT count(*) FROM sessions");
  if (!number) return tl::unexpected<Error>(number.error());
  return static_cast<uint64_t>(*number);
}

Result<std::optional<DayIndex::Standing>> DayIndex::standing(SessionId id) {
  if (!standing_) {
    auto made = prepare(db_.get(), "SELECT class, end_ns FROM sessions WHERE id = ?");
    if (!made) return tl::unexpected<Error>(made.error());
    standing_ = std::move(*made);
  }
  sqlite3_bind_int64(standing_.get(), 1, static_cast<sqlite3_int64>(id.value));
  const int step = sqlite3_step(standing_.get());
  std::optional<Standing> found;
  if (step == SQLITE_ROW)
    found = Standing{static_cast<SessionClass>(sqlite3_column_int(standing_.get(), 0)),
                     static_cast<int64_t>(sqlite3_column_int64(standing_.get(), 1))};
  sqlite3_reset(standing_.get());
  if (step != SQLITE_ROW && step != SQLITE_DONE) return sqlite_failure(db_.get(), "read");
  return found;
}

Result<uint64_t> DayIndex::forget(uint32_t last_segment, int64_t ended_before_ns) {
  const std::string some = fmt::format(
      "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE last_segment <= {} AND class < 2 AND end_ns <> "
      "0 "
      "AND end_ns < {} LIMIT {})",
      last_segment, ended_before_ns, kForgetAtOnce);
  uint64_t all = 0;
  while (true) {
    if (auto done = run_sql(db_.get(), some); !done) return tl::unexpected<Error>(done.error());
    const int gone = sqlite3_changes(db_.get());
    all += static_cast<uint64_t>(gone);
    if (gone < kForgetAtOnce) break;
  }
  if (all > 0) {
    if (auto done = run_sql(db_.get(), "PRAGMA incremental_vacuum"); !done) return tl::unexpected<Error>(done.error());
  }
  return all;
}

Status DayIndex::seal() {
  if (sealed_) return {};
  if (auto done = run_sql(db_.get(), kSeal); !done) {
    [[maybe_unused]] const auto undone = run_sql(db_.get(), "ROLLBACK");
    return done;
  }
  sealed_ = true;
  return {};
}

}  // namespace skep::archive
