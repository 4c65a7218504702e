// PostgreSQL: a backend for each session, COPY, temporary tables, parallel workers, vacuum, and many short sessions of
// its own benchmark. MariaDB: a thread for each session.
#include "base/file.h"
#include "cli/session_text.h"
#include "harness/service_test.h"

namespace skep::harness {
namespace {

constexpr char kTables[] = R"(\set ON_ERROR_STOP on
\timing off
CREATE TABLE bees (id int PRIMARY KEY, name text, weight numeric);
CREATE INDEX by_name ON bees (name);
INSERT INTO bees SELECT i, 'bee ' || i, i % 97 FROM generate_series(1, 60000) i;
CREATE FUNCTION sting(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n + 1; END $$;
\copy (SELECT * FROM bees ORDER BY id LIMIT 2000) TO 'bees.txt'
CREATE TABLE copied (LIKE bees);
\copy copied FROM 'bees.txt'
SELECT count(*), sum(weight) FROM copied;
VACUUM ANALYZE bees;
ALTER TABLE bees SET (parallel_workers = 2);
)";

constexpr char kSession[] = R"(\set ON_ERROR_STOP on
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*), sum(length(name)) FROM bees;
CREATE TEMP TABLE mine AS SELECT id FROM bees WHERE id <= 500;
BEGIN; UPDATE mine SET id = id + 1; SAVEPOINT s; DELETE FROM mine; ROLLBACK TO s; COMMIT;
SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;
SELECT sum(weight * 2 + id) FROM bees WHERE name ~ '7$';
SET jit = off;
SET work_mem = '64kB';
SELECT sum(id), sting(41) FROM (SELECT id FROM bees ORDER BY weight, name) ordered;
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM bees ORDER BY id; FETCH 3 FROM c;
PREPARE q AS SELECT name FROM bees WHERE id = $1; EXECUTE q(7);
LISTEN hive; NOTIFY hive; UNLISTEN hive;
)";

constexpr char kBenchmark[] = R"(\set id random(1, 60000)
SELECT name FROM bees WHERE id = :id;
)";

class PostgreSqlTest : public ServiceTest {
 protected:
  void make_cluster() {
    ASSERT_NO_FATAL_FAILURE(make_folder_of("postgres", "pg"));
    const auto made = testbed::run_to_end(
        {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", bin_ + "/initdb", "-D",
         file("pg/data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"},
        {"", file("initdb.log"), {}});
    ASSERT_TRUE(made) << made.error().message;
    const std::string allowed = read_file(file("pg/data/pg_hba.conf")).value_or("");
    ASSERT_TRUE(write_file(file("pg/data/pg_hba.conf"), allowed + "host all all 10.99.0.0/16 trust\n"));
    ASSERT_TRUE(write_file(file("tables.sql"), kTables));
    ASSERT_TRUE(write_file(file("session.sql"), kSession));
    ASSERT_TRUE(write_file(file("benchmark.sql"), kBenchmark));
  }

  std::string psql(const std::string& script, size_t sessions, const std::string& netns, const std::string& address) {
    const size_t colon = address.find(':');
    // In files of their own, four at the same time; what they say is the same for all.
    const std::string loop = fmt::format(
        "cd {0}; seq {1} | xargs -P 4 -I% sh -c '{2}/psql -X -q -U postgres -h {3} -p {4} -f {5} postgres >heard% 2>&1 "
        "|| "
        "exit 255' && cat heard[0-9]* | sort | uniq -c && rm heard*",
        file("."), sessions, bin_, address.substr(0, colon), address.substr(colon + 1), file(script));
    return visit({"/bin/sh", "-c", loop}, netns);
  }

  // Its own benchmark, with a new session for each transaction.
  void benchmark(size_t sessions, const std::string& netns, const std::string& address) {
    const size_t colon = address.find(':');
    const std::string heard = visit(
        {bin_ + "/pgbench", "-n", "-C", "-c", "4", "-t", std::to_string(sessions / 4), "-f", file("benchmark.sql"),
         "-U", "postgres", "-h", address.substr(0, colon), "-p", address.substr(colon + 1), "postgres"},
        netns);
    EXPECT_NE(heard.find(fmt::format("actually processed: {0}/{0}", sessions)), std::string::npos) << heard;
  }

  std::string bin_;
};

TEST_F(PostgreSqlTest, ServesInSilence) {
  bin_ = installed({"/usr/lib/postgresql/*/bin/postgres"});
  if (bin_.empty()) GTEST_SKIP() << "no PostgreSQL; tools/install-deps installs it";
  bin_.erase(bin_.rfind('/'));
  ASSERT_NO_FATAL_FAILURE(make_cluster());
  const size_t sessions = 12 * times();
  const size_t short_ones = 400 * times();
  check_supervised({{"postgresql",
                     {bin_ + "/postgres", "-D", file("pg/data"), "-c", "listen_addresses=10.99.0.3", "-p", "9000", "-c",
                      "unix_socket_directories=" + file("pg"), "-c", "autovacuum_naptime=1s", "-c",
                      "autovacuum_vacuum_threshold=1", "-c", "fsync=off"}}},
                   1 + sessions + short_ones, [&](const std::string& netns, const std::string& address) {
                     std::string heard = psql("tables.sql", 1, netns, address);
                     EXPECT_NE(heard.find("2000 |"), std::string::npos) << heard;
                     benchmark(short_ones, netns, address);
                     heard = psql("session.sql", sessions, netns, address);
                     EXPECT_NE(heard.find("bee 7"), std::string::npos) << heard;
                     EXPECT_NE(heard.find("Workers Launched: "), std::string::npos) << heard;
                     return heard;
                   });
}

// Every backend reads what the first one wrote (its cache of tables), so that this one would be tagged for whatever any
// does.
TEST_F(PostgreSqlTest, WhoWroteTheDatabasesOwnFilesHasNoPartInAnothersDeed) {
  bin_ = installed({"/usr/lib/postgresql/*/bin/postgres"});
  if (bin_.empty()) GTEST_SKIP() << "no PostgreSQL; tools/install-deps installs it";
  bin_.erase(bin_.rfind('/'));
  ASSERT_NO_FATAL_FAILURE(make_cluster());
  ASSERT_NO_FATAL_FAILURE(
      supervise({{"postgresql",
                  {bin_ + "/postgres", "-D", file("pg/data"), "-c", "listen_addresses=10.99.0.3", "-p", "9000", "-c",
                   "unix_socket_directories=" + file("pg"), "-c", "fsync=off"}}}));
  const auto say = [&](const std::string& sql) {
    // The last one's shell is refused, so that it ends with an error.
    return visit({"/bin/sh", "-c",
                  fmt::format("{}/psql -X -q -U postgres -h 10.99.1.2 -p 90 -c \"{}\" postgres 2>&1; true", bin_, sql)},
                 rig_->network().attacker());
  };
  for (int i = 0; i < 3; ++i) say("SELECT count(*) FROM pg_class");
  const std::string refused = say("CREATE TABLE t (a text); COPY t FROM PROGRAM 'id'");
  EXPECT_NE(refused.find("program"), std::string::npos) << refused;
  const auto sessions = rig_->sessions(4);
  ASSERT_TRUE(sessions) << sessions.error().message;
  for (const archive::SessionSummary& session : *sessions) {
    const bool last = session.id == sessions->back().id;
    EXPECT_EQ(session.alerts_total, last ? 1u : 0u) << cli::summary_json(session);
    if (last && !session.alerts.empty()) {
      EXPECT_EQ(session.alerts[0].role, AlertRole::doer);
    }
  }
}

constexpr char kMariaTables[] =
    R"(CREATE TABLE bees (id INT PRIMARY KEY, name VARCHAR(40), weight INT, KEY (name)) ENGINE=InnoDB;
INSERT INTO bees SELECT seq, CONCAT('bee ', seq), seq % 97 FROM seq_1_to_20000;
)";

constexpr char kMariaSession[] = R"(SELECT COUNT(*), SUM(LENGTH(name)) FROM bees;
CREATE TEMPORARY TABLE mine (id INT) ENGINE=Aria;
INSERT INTO mine SELECT id FROM bees WHERE id <= 500;
START TRANSACTION; UPDATE mine SET id = id + 1; ROLLBACK;
SELECT weight, COUNT(*) FROM bees GROUP BY weight ORDER BY weight DESC LIMIT 2;
SELECT COUNT(*) FROM bees WHERE name REGEXP '^bee [0-9]+7$';
PREPARE q FROM 'SELECT name FROM bees WHERE id = ?'; SET @id = 7; EXECUTE q USING @id;
LOAD DATA LOCAL INFILE 'ids.txt' INTO TABLE mine;
CHECK TABLE bees;
)";

class MariaDbTest : public ServiceTest {
 protected:
  std::string sql(const std::string& script, size_t sessions, const std::string& netns, const std::string& address) {
    const size_t colon = address.find(':');
    const std::string loop = fmt::format(
        "cd {0}; seq {1} | xargs -P 4 -I% sh -c 'mariadb --no-defaults --local-infile=1 -u visitor -h {2} -P {3} test "
        "<{4} >heard% 2>&1 || {{ cat heard%; exit 255; }}' && cat heard[0-9]* | sort | uniq -c && rm heard*",
        file("."), sessions, address.substr(0, colon), address.substr(colon + 1), file(script));
    return visit({"/bin/sh", "-c", loop}, netns);
  }
};

TEST_F(MariaDbTest, ServesInSilence) {
  if (installed({"/usr/sbin/mariadbd"}).empty()) GTEST_SKIP() << "no MariaDB; make test-services installs it";
  ASSERT_NO_FATAL_FAILURE(make_folder_of("mysql", "maria"));
  const auto made = testbed::run_to_end({"/usr/bin/mariadb-install-db", "--no-defaults", "--user=mysql",
                                         "--datadir=" + file("maria/data"), "--auth-root-authentication-method=normal"},
                                        {"", file("install.log"), {}}, 120'000);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(write_file(file("init.sql"),
                         "CREATE DATABASE IF NOT EXISTS test;\nCREATE OR REPLACE USER visitor@'%';\n"
                         "GRANT ALL ON *.* TO visitor@'%';\n"));
  ASSERT_TRUE(write_file(file("tables.sql"), kMariaTables));
  ASSERT_TRUE(write_file(file("session.sql"), kMariaSession));
  ASSERT_TRUE(write_file(file("ids.txt"), "1\n2\n3\n"));
  const size_t sessions = 200 * times();
  check_supervised({{"mariadb",
                     {"/usr/sbin/mariadbd", "--no-defaults", "--datadir=" + file("maria/data"), "--port=9000",
                      "--bind-address=10.99.0.3", "--socket=" + file("maria/sock"), "--init-file=" + file("init.sql"),
                      "--innodb-use-native-aio=0", "--skip-name-resolve"}}},
                   1 + sessions, [&](const std::string& netns, const std::string& address) {
                     sql("tables.sql", 1, netns, address);
                     const std::string heard = sql("session.sql", sessions, netns, address);
                     EXPECT_NE(heard.find("bee 7"), std::string::npos) << heard;
                     return heard;
                   });
}

}  // namespace
}  // namespace skep::harness
