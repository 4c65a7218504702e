// Debian's own nginx, Apache, Redis and OpenSSH under supervision: ordinary sessions through the proxy raise no alert,
// and every answer is, byte for byte, what the same service says where nobody supervises it.
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cli/session_text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kEntrance[] = "10.99.1.2:90";
constexpr char kService[] = "10.99.0.3:9000";
// A line of /proc/net/tcp: kService listens.
constexpr char kListening[] = "0300630A:2328 00000000:0000 0A";
constexpr char kPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";  // as the launcher sets it
constexpr size_t kSshRounds = 6;

struct Service {
  std::string user;  // that runs it; empty: root
  std::vector<std::string> command;
  std::vector<std::string> programs;  // of its app group
};

// What one session says, as `dialogue` reads it, and what must be found in the answer.
struct Exchange {
  const char* description;
  std::string request;
  std::string answer;
};

// A batch of sessions of `dialogue`: session i says exchange i modulo their number.
struct Batch {
  size_t sessions;
  bool keep_open;  // true: the service ends the session; false: the client ends its side after the request
  std::vector<Exchange> exchanges;
};

// Speaks with the service at `address` ("10.99.…:port") from a host; everything that was answered.
using Talk = std::function<std::string(const std::string& netns, const std::string& address)>;

std::string quoted(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "\"" : ", \"") + word + "\"";
  return "[" + list + "]";
}

// 400 KB: more than the proxy holds of one direction.
std::string large_text() {
  std::string text;
  for (int i = 0; text.size() < 400'000; ++i) text += fmt::format("line {} of a page that does not fit a buffer\n", i);
  return text;
}

std::string first_difference(const std::string& a, const std::string& b) {
  const size_t at = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const size_t from = at > 200 ? at - 200 : 0;
  return fmt::format("at byte {}:\nsupervised:   …{}…\nunsupervised: …{}…", at, a.substr(from, 400),
                     b.substr(from, 400));
}

class ServicesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    auto folder = testbed::Folder::make();
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(std::move(*folder));
    for (const char* name : {"www", "www/sub", "cgi-bin", "home"}) ASSERT_TRUE(make_directories(file(name)));
    ASSERT_TRUE(write_file(file("www/index.html"), "<html><body>the start page</body></html>\n"));
    ASSERT_TRUE(write_file(file("www/sub/note.txt"), "a note\n"));
    ASSERT_TRUE(write_file(file("www/large.txt"), large_text()));
    // Apache calls a file another while it is younger than a second.
    for (const char* name : {"www/index.html", "www/sub/note.txt", "www/large.txt"})
      std::filesystem::last_write_time(file(name),
                                       std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }

  std::string file(const std::string& name) const { return folder_->path() + "/" + name; }

  // The whole of a test: supervised, silent, and the same answers without supervision.
  void check(const Service& service, size_t sessions, const Talk& talk) {
    ASSERT_NO_FATAL_FAILURE(supervise(service));
    const std::string supervised = talk(rig_->network().attacker(), kEntrance);
    expect_silence(sessions);
    if (HasFatalFailure()) return;
    rig_->proxy().reset();
    rig_->monitor().reset();
    ASSERT_TRUE(eventually([&] { return !listening(); })) << "the service outlived its monitor";
    const auto process =
        testbed::Process::start(unsupervised(service), {rig_->network().honeypot(), file("free.log"), {}});
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(eventually([&] { return listening(); })) << read_file(file("free.log")).value_or("");
    // From the proxy's host: the service sees the peer that it saw before.
    const std::string free = talk(rig_->network().proxy(), kService);
    EXPECT_TRUE(supervised == free) << first_difference(supervised, free);
    EXPECT_FALSE(free.empty());
  }

  // What `dialogue` heard in all batches. Every exchange has one answer only, however often it was held.
  std::string converse(const std::vector<Batch>& batches, const std::string& netns, const std::string& address) {
    std::string all;
    for (const Batch& batch : batches) {
      // The time of day has to differ; nothing else is masked.
      std::vector<std::string> command = {
          rig_->program("dialogue"),     "--mask", "Date:", "--at-once", "12", "--sessions",
          std::to_string(batch.sessions)};
      if (batch.keep_open) command.emplace_back("--keep-open");
      command.push_back(address);
      for (const Exchange& exchange : batch.exchanges) command.push_back(exchange.request);
      const auto done = testbed::run_to_end(command, {netns, file("talk.err"), file("talk.out")}, 120'000);
      EXPECT_TRUE(done) << done.error().message;
      const std::string heard = read_file(file("talk.out"), 64 << 20).value_or("");
      expect_answers(batch, heard);
      all += heard;
    }
    return all;
  }

  void supervise(const Service& service) {
    RigOptions options;
    const std::string user = service.user.empty() ? "" : ", user: " + service.user;
    options.services_monitor =
        fmt::format("  - {{name: real, command: {}, port: 9000, output: {}{}, app_groups: [own]}}\n",
                    quoted(service.command), file("supervised.log"), user);
    options.monitor_more = fmt::format("app_groups: [{{name: own, programs: {}}}]", quoted(service.programs));
    options.services_proxy =
        fmt::format("  - {{name: real, listen: [\"{}\"], bait: bait1, address: {}}}\n", kEntrance, kService);
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message << rig_->log("monitor");
    ASSERT_TRUE(eventually([&] { return listening(); })) << read_file(file("supervised.log")).value_or("");
  }

  static std::vector<std::string> unsupervised(const Service& service) {
    // In a session of its own, as the launcher starts it: Apache ends its whole process group with itself.
    std::vector<std::string> command = {"/usr/bin/setsid", "/usr/bin/env", "-i", kPath};
    if (!service.user.empty()) {
      command.insert(command.end(),
                     {"/usr/bin/setpriv", "--reuid=" + service.user, "--regid=" + service.user, "--init-groups", "--"});
    }
    command.insert(command.end(), service.command.begin(), service.command.end());
    return command;
  }

  // Asked of the kernel: a connection to see whether it answers would be a session.
  bool listening() {
    const auto done = testbed::run_to_end({"/bin/cat", "/proc/net/tcp"}, {rig_->network().honeypot(), "", file("tcp")});
    return done && read_file(file("tcp")).value_or("").find(kListening) != std::string::npos;
  }

  static std::string beginnings(const std::vector<std::string_view>& lines) {
    std::string all;
    for (const std::string_view line : lines) all += std::string(line.substr(0, 300)) + "\n";
    return all;
  }

  static void expect_answers(const Batch& batch, const std::string& heard) {
    const size_t kinds = batch.exchanges.size();
    auto lines = split(heard, '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    ASSERT_EQ(lines.size(), kinds) << "an exchange had several answers, or none:\n" << beginnings(lines);
    for (size_t i = 0; i < kinds; ++i) {
      const Exchange& exchange = batch.exchanges[i];
      const size_t count = batch.sessions / kinds + (i < batch.sessions % kinds ? 1 : 0);
      EXPECT_TRUE(lines[i].starts_with(fmt::format("{{\"request\":{},\"count\":{},", i, count)))
          << exchange.description;
      EXPECT_NE(lines[i].find(exchange.answer), std::string::npos)
          << exchange.description << ": " << lines[i].substr(0, 1000);
    }
  }

  void expect_silence(size_t sessions) {
    const auto all = rig_->sessions(sessions);
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(all->size(), sessions);
    int odd = 0;
    for (const archive::SessionSummary& session : *all) {
      const bool silent = session.session_class == SessionClass::harmless && session.alerts_total == 0 &&
                          !session.unsupervised && !session.incomplete && session.served_by_pid != 0;
      if (!silent && ++odd <= 5) ADD_FAILURE() << cli::summary_json(session);
    }
    EXPECT_EQ(odd, 0);
    EXPECT_EQ(rig_->log("monitor").find(" error "), std::string::npos) << rig_->log("monitor");
    const std::string status = rig_->skep({"hids", "status", "--json"}).text;
    for (const char* nothing : {"alerts", "crashes", "denied", "killed", "kernel_records_lost",
                                "kernel_helper_failures", "messages_unsent", "malformed_records"}) {
      EXPECT_NE(status.find(fmt::format("\"{}\":0,", nothing)), std::string::npos) << nothing << " in " << status;
    }
    EXPECT_NE(status.find(fmt::format("\"sessions_announced\":{},", sessions)), std::string::npos) << status;
  }

  std::optional<testbed::Folder> folder_;
  std::optional<Rig> rig_;
};

std::string get(const std::string& path, const std::string& more = "Connection: close\\r\\n") {
  return "GET " + path + " HTTP/1.1\\r\\nHost: site\\r\\n" + more + "\\r\\n";
}

// What every web server is asked for. A client that ends its side asks for small files alone: nginx takes the end of a
// client whom it cannot write to at once for the end of the session.
const std::vector<Exchange> kSmallPages = {
    {"the start page, HTTP/1.0", "GET / HTTP/1.0\\r\\n\\r\\n", "the start page"},
    {"a file, kept alive", get("/sub/note.txt", ""), "a note"},
    {"a file that is not there", get("/none.html", ""), "404 Not Found"},
};
const std::vector<Exchange> kPages = {
    {"the start page", get("/"), "HTTP/1.1 200 OK"},
    {"a large file", get("/large.txt"), "line 8000 of a page"},
    {"its head alone", "HEAD /large.txt HTTP/1.1\\r\\nHost: site\\r\\nConnection: close\\r\\n\\r\\n",
     "Content-Length: 4"},
    {"a part of it", get("/large.txt", "Range: bytes=100-299\\r\\nConnection: close\\r\\n"), "206 Partial Content"},
    {"a folder without its slash", get("/sub"), "301 Moved Permanently"},
    {"a file that is not there", get("/none.html"), "404 Not Found"},
    {"two requests in one session", get("/", "") + get("/sub/note.txt"), "a note"},
    {"no HTTP at all", "hello\\r\\n\\r\\n", "400 Bad Request"},
};

constexpr char kNginx[] = R"(daemon off;
user www-data;
worker_processes 2;
error_log {0}/nginx_error.log;
pid {0}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log {0}/access.log;
  sendfile on;
  tcp_nopush on;
  types {{ text/html html; text/plain txt; }}
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  server {{ listen {1}; root {0}/www; }}
}}
)";

TEST_F(ServicesTest, NginxServesInSilence) {
  ASSERT_TRUE(write_file(file("nginx.conf"), fmt::format(kNginx, file("."), kService)));
  std::vector<Exchange> pages = kPages;
  pages.push_back({"a body for a file",
                   "POST /index.html HTTP/1.1\\r\\nHost: site\\r\\nConnection: close\\r\\nContent-Length: "
                   "5\\r\\n\\r\\nhello",
                   "405 Not Allowed"});
  const std::vector<Batch> batches = {{700, true, pages}, {300, false, kSmallPages}};
  check({"", {"/usr/sbin/nginx", "-c", file("nginx.conf"), "-p", file(".")}, {}}, 1000,
        [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
}

constexpr char kApache[] = R"(ServerRoot {0}
ServerName site
Listen {1}
PidFile {0}/apache.pid
Mutex file:{0}
ErrorLog {0}/apache_error.log
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
User www-data
Group www-data
{2}
DocumentRoot {0}/www
SetEnv ap_trust_cgilike_cl 1
ScriptAlias /cgi-bin/ {0}/cgi-bin/
<Directory {0}>
  Require all granted
</Directory>
)";

// It says how long its answer is, and is believed: Apache else counts it or does not, as it learns of the program's end
// sooner or later.
constexpr char kScript[] = R"sh(#!/bin/sh
answer="$REQUEST_METHOD $QUERY_STRING: $(cat)"
printf 'Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' "${#answer}" "$answer"
)sh";

// As Debian sets it up: threads, and a daemon that starts the CGI programs for them.
constexpr char kEvent[] = R"(LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
ScriptSock {}/cgid.sock
StartServers 2)";

// A process for each session, which starts its CGI programs itself. Servers that have nothing to do are ended: to wake
// one for that, Apache connects to its own port.
constexpr char kPrefork[] = R"(LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule cgi_module /usr/lib/apache2/modules/mod_cgi.so
StartServers 2
MinSpareServers 2
MaxSpareServers 3)";

class ApacheTest : public ServicesTest {
 protected:
  void serves_in_silence(const std::string& model) {
    ASSERT_TRUE(write_file(file("apache.conf"), fmt::format(kApache, file("."), kService, model)));
    ASSERT_TRUE(write_file(file("cgi-bin/script"), kScript, 0755));
    std::filesystem::copy_file(Rig({}).program("hello_cgi"), file("cgi-bin/hello"));
    std::vector<Exchange> pages = kPages;
    const auto post = [](const std::string& path) {
      return "POST " + path +
             " HTTP/1.1\\r\\nHost: site\\r\\nConnection: close\\r\\nContent-Length: 11\\r\\n\\r\\nbody=a+body";
    };
    pages.push_back({"a CGI program", get("/cgi-bin/hello?to=all"), "hello to=all"});
    pages.push_back({"a CGI program, with a body", post("/cgi-bin/hello?x"), "hello x"});
    pages.push_back({"a CGI script, and the program that it starts", post("/cgi-bin/script?y"), "POST y: body=a+body"});
    pages.push_back(
        {"a script and a program in one session", get("/cgi-bin/script?1", "") + get("/cgi-bin/hello?2"), "hello 2"});
    pages.push_back({"a CGI program that is not there", get("/cgi-bin/none"), "404 Not Found"});
    std::vector<Exchange> small = kSmallPages;
    small.push_back({"a CGI program", get("/cgi-bin/hello?end", ""), "hello end"});
    const std::vector<Batch> batches = {{700, true, pages}, {300, false, small}};
    check({"",
           {"/usr/sbin/apache2", "-f", file("apache.conf"), "-D", "FOREGROUND"},
           {file("cgi-bin/*"), "/bin/sh", "/bin/cat"}},
          1000,
          [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
  }
};

TEST_F(ApacheTest, ServesPagesAndCgiInSilence) {
  serves_in_silence(fmt::format(kEvent, file(".")));
}

TEST_F(ApacheTest, ServesInSilenceWithAProcessForEachSession) {
  serves_in_silence(kPrefork);
}

constexpr char kRedis[] = R"(bind 10.99.0.3
port 9000
protected-mode no
daemonize no
save ""
appendonly no
dir /
)";

TEST_F(ServicesTest, RedisServesInSilence) {
  ASSERT_TRUE(write_file(file("redis.conf"), kRedis));
  // A session's own answers must not hang on what others have done: a key has one value, whoever sets it.
  const std::vector<Exchange> said = {
      {"a ping", "PING\\r\\nQUIT\\r\\n", "+PONG"},
      {"a value set and read, as clients say it",
       "*3\\r\\n$3\\r\\nSET\\r\\n$4\\r\\nname\\r\\n$4\\r\\nskep\\r\\n*2\\r\\n$3\\r\\nGET\\r\\n$"
       "4\\r\\nname\\r\\nQUIT\\r\\n",
       "skep"},
      {"bytes of every kind", "*2\\r\\n$4\\r\\nECHO\\r\\n$6\\r\\n\\x00\\xff\\r\\n\\x80\\\\\\r\\nQUIT\\r\\n", "\\u00ff"},
      {"many requests at once",
       "PING 1\\r\\nSET a 1\\r\\nGET a\\r\\nEXISTS a\\r\\nTYPE a\\r\\nSTRLEN a\\r\\nQUIT\\r\\n", "string"},
      {"a transaction", "MULTI\\r\\nSET t 5\\r\\nGET t\\r\\nEXEC\\r\\nQUIT\\r\\n", "+QUEUED"},
      {"a script with a large answer", "EVAL \"return string.rep('honey', 40000)\" 0\\r\\nQUIT\\r\\n", "$200000"},
      {"a command that there is not", "NONSENSE 1 2\\r\\nQUIT\\r\\n", "-ERR unknown command"},
      {"a value of the wrong kind", "SET w text\\r\\nLPUSH w 1\\r\\nQUIT\\r\\n", "-WRONGTYPE"},
      {"no Redis at all", "*1\\r\\nhello\\r\\n", "-ERR Protocol error"},
  };
  const std::vector<Exchange> left = {
      {"a ping, and the client goes", "PING\\r\\n", "+PONG"},
      {"a value, and the client goes", "SET b 2\\r\\nGET b\\r\\n", "$1"},
  };
  const std::vector<Batch> batches = {{750, true, said}, {250, false, left}};
  check({"redis", {"/usr/bin/redis-server", file("redis.conf")}, {}}, 1000,
        [&](const std::string& netns, const std::string& address) { return converse(batches, netns, address); });
}

// What one ssh does, and how it ends.
struct Login {
  const char* description;
  std::vector<std::string> options;
  std::string command;
  int exit_code;
  std::string answer;  // a part of what is written to stdout
};

// HOME is the test's own: the shell would read root's start files, which may do anything.
constexpr char kSshd[] = R"(ListenAddress {1}
HostKey {0}/host_key
PidFile {0}/sshd.pid
AuthorizedKeysFile {0}/user_key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication yes
PermitUserRC no
MaxStartups 100
SetEnv HOME={0}/home
)";

class SshTest : public ServicesTest {
 protected:
  void make_keys() {
    for (const char* name : {"host_key", "user_key", "other_key"}) {
      const auto made = testbed::run_to_end({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file(name)});
      ASSERT_TRUE(made) << made.error().message;
    }
    const auto host = read_file(file("host_key.pub"));
    ASSERT_TRUE(host);
    ASSERT_TRUE(write_file(file("known_hosts"), "bait " + *host));
    ASSERT_TRUE(write_file(file("wrong_password"), "#!/bin/sh\necho letmein\n", 0755));
  }

  std::vector<std::string> client(const Login& login, const std::string& address) const {
    const size_t colon = address.find(':');
    std::vector<std::string> command = {"/usr/bin/env", "SSH_ASKPASS=" + file("wrong_password"),
                                        "SSH_ASKPASS_REQUIRE=force"};
    // The large file is what the client has on its stdin.
    command.insert(command.end(), {"/bin/sh", "-c", "exec \"$@\" < \"$0\"", file("www/large.txt"), "/usr/bin/ssh"});
    // Of what is said twice, ssh takes the first.
    command.insert(command.end(), login.options.begin(), login.options.end());
    command.insert(command.end(), {"-F", "none", "-T", "-p", address.substr(colon + 1)});
    const std::string settings[] = {"UserKnownHostsFile=" + file("known_hosts"), "HostKeyAlias=bait",
                                    "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "NumberOfPasswordPrompts=1"};
    for (const std::string& setting : settings) command.insert(command.end(), {"-o", setting});
    command.insert(command.end(), {"-l", "root", address.substr(0, colon), login.command});
    return command;
  }

  // All logins at the same time, once.
  std::string round(const std::vector<Login>& logins, const std::string& netns, const std::string& address) {
    std::vector<testbed::Process> clients;
    const auto out = [&](size_t i) { return file(fmt::format("ssh{}.out", i)); };
    const auto err = [&](size_t i) { return file(fmt::format("ssh{}.err", i)); };
    for (size_t i = 0; i < logins.size(); ++i) {
      std::filesystem::remove(err(i));
      auto started = testbed::Process::start(client(logins[i], address), {netns, err(i), out(i)});
      EXPECT_TRUE(started) << started.error().message;
      if (started) clients.push_back(std::move(*started));
    }
    std::string heard;
    for (size_t i = 0; i < clients.size(); ++i) {
      const Login& login = logins[i];
      const auto status = clients[i].await_end(60'000);
      EXPECT_TRUE(status) << login.description << ": " << status.error().message;
      const int code = status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
      const std::string said = read_file(out(i)).value_or("");
      std::string complained = read_file(err(i)).value_or("");
      EXPECT_EQ(code, login.exit_code) << login.description << ": " << complained;
      EXPECT_NE(said.find(login.answer), std::string::npos) << login.description << ": " << said.substr(0, 1000);
      // The client names the address that it was told, which has to differ.
      const std::string host = address.substr(0, address.find(':'));
      for (size_t at = 0; (at = complained.find(host, at)) != std::string::npos;)
        complained.replace(at, host.size(), "HOST");
      heard += fmt::format("{} {}\n{}\n{}\n", i, code, said, complained);
    }
    return heard;
  }
};

TEST_F(SshTest, OpenSshServesInSilence) {
  ASSERT_NO_FATAL_FAILURE(make_keys());
  ASSERT_TRUE(make_directories("/run/sshd"));
  ASSERT_TRUE(write_file(file("sshd_config"), fmt::format(kSshd, file("."), kService)));
  const passwd* root = ::getpwuid(0);
  ASSERT_NE(root, nullptr);
  const std::vector<std::string> key = {"-i", file("user_key"), "-o", "PreferredAuthentications=publickey"};
  const std::vector<std::string> other_key = {"-i", file("other_key"), "-o", "PreferredAuthentications=publickey"};
  const std::vector<Login> logins = {
      {"a word of the shell's own", key, "echo hello from $((6 * 7))", 0, "hello from 42\n"},
      {"a program", key, "/usr/bin/id", 0, "uid=0(root) gid=0(root)"},
      {"an exit code", key, "/usr/bin/uname -s; exit 3", 3, "Linux\n"},
      {"both outputs", key, "echo out; echo err >&2", 0, "out\n"},
      {"a pipe", key, "printf 'b\\na\\n' | /usr/bin/sort", 0, "a\nb\n"},
      {"a shell in the shell", key, "/bin/sh -c 'echo inner; /bin/true'", 0, "inner\n"},
      {"a large file from the host", key, "/bin/cat " + file("www/large.txt"), 0, "line 8000 of a page"},
      {"a large file to the host and back", key, "/bin/cat", 0, "line 8000 of a page"},
      {"no authentication", {"-o", "PreferredAuthentications=none"}, "echo in", 255, ""},
      {"a key that is not allowed", other_key, "echo in", 255, ""},
      {"a password that is wrong", {"-o", "PreferredAuthentications=password"}, "echo in", 255, ""},
      {"a user whom there is not", {"-o", "PreferredAuthentications=password", "-l", "oracle"}, "echo in", 255, ""},
  };
  check({"",
         {"/usr/sbin/sshd", "-D", "-e", "-f", file("sshd_config")},
         {root->pw_shell, "/bin/sh", "/usr/bin/id", "/usr/bin/uname", "/usr/bin/sort", "/bin/cat", "/bin/true"}},
        kSshRounds * logins.size(), [&](const std::string& netns, const std::string& address) {
          std::string all;
          for (size_t i = 0; i < kSshRounds; ++i) all += round(logins, netns, address);
          return all;
        });
}

}  // namespace
}  // namespace skep::harness
