#include "archive/day_index.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <set>

#include "archive/index_row.h"
#include "base/text.h"

namespace skep::archive {
namespace {

constexpr int kBusyMs = 5000;
constexpr int kForgetAtOnce = 4096;

// `rules` is small: the sessions with alerts alone are in it. `rule_hits` has those in which payload rules fired, which
// may be most: what is asked of them all together, `rule_counts` has.
constexpr char kSchema[] = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sessions (
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, class INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  end_reason INTEGER NOT NULL, client TEXT NOT NULL, client_port INTEGER NOT NULL, entrance TEXT NOT NULL, leg TEXT NOT NULL,
  bait TEXT NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, forwarded_in INTEGER NOT NULL,
  forwarded_out INTEGER NOT NULL, pid INTEGER NOT NULL, unsupervised INTEGER NOT NULL, incomplete INTEGER NOT NULL,
  alerts BLOB NOT NULL, alerts_total INTEGER NOT NULL, last_segment INTEGER NOT NULL, last_offset INTEGER NOT NULL,
  parent INTEGER NOT NULL, balancer TEXT NOT NULL, protocol INTEGER NOT NULL DEFAULT 6, head TEXT NOT NULL, words TEXT NOT NULL,
  rule_hits BLOB NOT NULL DEFAULT x'', rule_hits_total INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS rules (rule TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (rule, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rule_hits (
  sid INTEGER NOT NULL, gid INTEGER NOT NULL, id INTEGER NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (sid, gid, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rule_counts (
  sid INTEGER NOT NULL, gid INTEGER NOT NULL, message TEXT NOT NULL, grade INTEGER NOT NULL, sessions INTEGER NOT NULL,
  bytes INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
  PRIMARY KEY (sid, gid)) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS rule_hits_added AFTER INSERT ON rule_hits BEGIN
  UPDATE rule_counts SET sessions = sessions + 1, bytes = bytes + new.bytes, first_id = min(first_id, new.id),
    last_id = max(last_id, new.id) WHERE sid = new.sid AND gid = new.gid; END;
CREATE TRIGGER IF NOT EXISTS rule_hits_changed AFTER UPDATE ON rule_hits BEGIN
  UPDATE rule_counts SET bytes = bytes + new.bytes - old.bytes WHERE sid = new.sid AND gid = new.gid; END;
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

// A day that was begun by an earlier skep-proxy has no column for what was not kept then. Who writes the day adds it,
// with the default that kSchema names; who only reads it takes that for it.
struct LaterColumn {
  std::string_view name;
  std::string_view type;
  std::string_view otherwise;
};
constexpr LaterColumn kLaterColumns[] = {
    {"protocol", "INTEGER", "6"}, {"rule_hits", "BLOB", "x''"}, {"rule_hits_total", "INTEGER", "0"}};

Result<bool> has_column(sqlite3* db, std::string_view name) {
  const auto there =
      number_of(db, fmt::format("SELECT count(*) FROM pragma_table_info('sessions') WHERE name = '{}'", name));
  if (!there) return tl::unexpected<Error>(there.error());
  return *there > 0;
}

// "1002", "1:1002"; nullopt: no rule is named like that.
struct RuleNumber {
  uint32_t gid = 0;  // 0: any
  uint32_t sid = 0;
};
std::optional<RuleNumber> rule_number(std::string_view name) {
  RuleNumber number;
  const char* const end = name.data() + name.size();
  const char* at = name.data();
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    const auto read = std::from_chars(at, at + colon, number.gid);
    if (read.ec != std::errc{} || read.ptr != at + colon) return std::nullopt;
    at += colon + 1;
  }
  const auto read = std::from_chars(at, end, number.sid);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return number;
}

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
  for (const LaterColumn& column : kLaterColumns) {
    const auto there = has_column(db_.get(), column.name);
    if (!there) return tl::unexpected<Error>(there.error());
    if (*there) continue;
    auto added = run_sql(db_.get(), fmt::format("ALTER TABLE sessions ADD COLUMN {} {} NOT NULL DEFAULT {}",
                                                column.name, column.type, column.otherwise));
    if (!added) return added;
  }
  return {};
}

// What is prepared for a batch.
struct DayIndex::Puts {
  Statement row;
  Statement rule;
  Statement rule_count;
  Statement rule_hit;
};

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
  Puts puts;
  const std::pair<Statement*, std::string> wanted[] = {
      {&puts.row, upsert_sql()},
      {&puts.rule, "INSERT OR IGNORE INTO rules (rule, id) VALUES (?, ?)"},
      {&puts.rule_count,
       "INSERT INTO rule_counts (sid, gid, message, grade, sessions, bytes, first_id, last_id) VALUES (?1, ?2, ?3, ?4, "
       "0, 0, ?5, ?5) ON CONFLICT (sid, gid) DO UPDATE SET message = excluded.message, grade = excluded.grade WHERE "
       "message <> excluded.message OR grade <> excluded.grade"},
      {&puts.rule_hit,
       "INSERT INTO rule_hits (sid, gid, id, bytes) VALUES (?, ?, ?, ?) ON CONFLICT (sid, gid, id) DO UPDATE SET bytes "
       "= excluded.bytes WHERE bytes <> excluded.bytes"}};
  for (const auto& [statement, sql] : wanted) {
    auto prepared = prepare(db_.get(), sql);
    if (!prepared) return tl::unexpected<Error>(prepared.error());
    *statement = std::move(*prepared);
  }
  for (const SessionSummary* session : rows) {
    if (auto put = put_row(puts, *session); !put) return put;
  }
  return {};
}

Status DayIndex::put_row(const Puts& puts, const SessionSummary& session) {
  sqlite3_stmt* const row = puts.row.get();
  bind_row(row, session);
  const bool put = sqlite3_step(row) == SQLITE_DONE;
  sqlite3_reset(row);
  if (!put) return sqlite_failure(db_.get(), "write a session");
  std::set<std::string_view> names;
  for (const Alert& alert : session.alerts) {
    if (!names.insert(alert.rule).second) continue;
    sqlite3_stmt* const rule = puts.rule.get();
    bind_text(rule, 1, alert.rule);
    sqlite3_bind_int64(rule, 2, static_cast<sqlite3_int64>(session.id.value));
    const bool named = sqlite3_step(rule) == SQLITE_DONE;
    sqlite3_reset(rule);
    if (!named) return sqlite_failure(db_.get(), "write a session's rules");
  }
  return put_rule_hits(puts, session);
}

// A session is put again and again while it grows: the triggers of kSchema count it once.
Status DayIndex::put_rule_hits(const Puts& puts, const SessionSummary& session) {
  for (const RuleHit& hit : session.rule_hits) {
    for (sqlite3_stmt* const statement : {puts.rule_count.get(), puts.rule_hit.get()}) {
      sqlite3_bind_int64(statement, 1, hit.sid);
      sqlite3_bind_int64(statement, 2, hit.gid);
    }
    bind_text(puts.rule_count.get(), 3, printable(hit.message));
    sqlite3_bind_int64(puts.rule_count.get(), 4, static_cast<int>(hit.grade));
    sqlite3_bind_int64(puts.rule_count.get(), 5, static_cast<sqlite3_int64>(session.id.value));
    sqlite3_bind_int64(puts.rule_hit.get(), 3, static_cast<sqlite3_int64>(session.id.value));
    sqlite3_bind_int64(puts.rule_hit.get(), 4, static_cast<sqlite3_int64>(session.bytes_in));
    for (sqlite3_stmt* const statement : {puts.rule_count.get(), puts.rule_hit.get()}) {
      const bool put = sqlite3_step(statement) == SQLITE_DONE;
      sqlite3_reset(statement);
      if (!put) return sqlite_failure(db_.get(), "write the rules that fired");
    }
  }
  return {};
}

// Asked until they are there: the day's writer may have added them meanwhile, and does not take them away.
Result<std::string> DayIndex::columns() const {
  if (!columns_.empty()) return columns_;
  bool all = true;
  std::string columns;
  for (std::string_view name : split(kRowColumns, ',')) {
    name = trim(name);
    for (const LaterColumn& column : kLaterColumns) {
      if (column.name != name) continue;
      const auto there = has_column(db_.get(), name);
      if (!there) return tl::unexpected<Error>(there.error());
      all &= *there;
      if (!*there) name = column.otherwise;
      break;
    }
    columns += (columns.empty() ? "" : ", ") + std::string(name);
  }
  if (all) columns_ = columns;
  return columns;
}

// Likewise: the tables of payload rules that fired.
Result<bool> DayIndex::has_rules() const {
  if (has_rules_) return true;
  const auto there = number_of(db_.get(), "SELECT count(*) FROM sqlite_master WHERE name = 'rule_counts'");
  if (!there) return tl::unexpected<Error>(there.error());
  return has_rules_ = *there > 0;
}

Result<std::vector<SessionSummary>> DayIndex::query(const std::string& where, const std::vector<std::string>& texts,
                                                    const std::string& order) const {
  const auto named = columns();
  if (!named) return tl::unexpected<Error>(named.error());
  auto statement =
      prepare(db_.get(), fmt::format("SELECT {} FROM sessions WHERE {} ORDER BY {}", *named, where, order));
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
  if (filter.parent.value != 0) where += fmt::format(" AND parent = {}", filter.parent.value);
  if (!filter.service.empty()) add(" AND service = ?{}", filter.service);
  if (!filter.source.empty()) add(" AND client = ?{}", filter.source);
  if (!filter.rule.empty()) {
    const auto with_rules = has_rules();
    if (!with_rules) return tl::unexpected<Error>(with_rules.error());
    const auto number = *with_rules ? rule_number(filter.rule) : std::nullopt;
    const std::string gid = number && number->gid != 0 ? fmt::format(" AND gid = {}", number->gid) : "";
    // The one is a signature's name, which may be a number too.
    where += number ? fmt::format(" AND (id IN (SELECT id FROM rule_hits WHERE sid = {}{}) OR id", number->sid, gid)
                    : " AND (id";
    add(" IN (SELECT id FROM rules WHERE rule = ?{}))", filter.rule);
  }
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

Result<std::vector<RuleCount>> DayIndex::rule_counts(int64_t since_ns) const {
  const auto with_rules = has_rules();
  if (!with_rules) return tl::unexpected<Error>(with_rules.error());
  std::vector<RuleCount> counts;
  if (!*with_rules) return counts;
  const std::string since =
      since_ns <= 0
          ? "SELECT gid, sid, message, grade, sessions, bytes, first_id, last_id FROM rule_counts ORDER BY gid, sid"
          : fmt::format(
                "SELECT c.gid, c.sid, message, grade, n, b, f, l FROM rule_counts c JOIN (SELECT sid, gid, count(*) n, "
                "sum(bytes) b, min(id) f, max(id) l FROM rule_hits WHERE id >= {} GROUP BY sid, gid) h ON c.sid = "
                "h.sid "
                "AND c.gid = h.gid ORDER BY c.gid, c.sid",
                make_session_id(since_ns, 0).value);
  auto statement = prepare(db_.get(), since);
  if (!statement) return tl::unexpected<Error>(statement.error());
  sqlite3_stmt* const s = statement->get();
  int step = 0;
  while ((step = sqlite3_step(s)) == SQLITE_ROW) {
    const auto number = [&](int at) { return static_cast<uint64_t>(sqlite3_column_int64(s, at)); };
    const auto* const message = reinterpret_cast<const char*>(sqlite3_column_text(s, 2));
    counts.push_back({static_cast<uint32_t>(number(0)), static_cast<uint32_t>(number(1)),
                      message == nullptr ? "" : message, static_cast<RuleGrade>(number(3)), number(4), number(5),
                      start_ns({number(6)}), start_ns({number(7)})});
  }
  if (step != SQLITE_DONE) return sqlite_failure(db_.get(), "read the rules that fired");
  return counts;
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
