// OpenSSH: logins that succeed and that fail, commands, both directions; sftp and scp.
#include <pwd.h>

#include <filesystem>

#include "base/file.h"
#include "services/web_site.h"

namespace skep::harness {
namespace {

constexpr size_t kRounds = 4;

// What one client does, and how it ends.
struct Login {
  const char* description;
  std::vector<std::string> options;
  std::vector<std::string> words;  // program, then what follows the options; HOST is the service's address
  int exit_code;
  std::string answer;  // a part of what is written to stdout
};

std::vector<std::string> ssh(const std::string& command) {
  return {"/usr/bin/ssh", "HOST", command};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

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
Subsystem sftp /usr/lib/openssh/sftp-server
)";

// sftp's own words: a folder made, a file sent, renamed, read, removed.
constexpr char kSftp[] = R"(cd {0}
mkdir box
put {1}/sub/note.txt box/note.txt
rename box/note.txt box/same.txt
chmod 600 box/same.txt
ls -1 {1}/sub
get box/same.txt /dev/null
rm box/same.txt
rmdir box
)";

class OpenSshTest : public WebTest {
 protected:
  std::string content(const std::string& name) const { return read_file(file(name)).value_or(name); }

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
    command.insert(command.end(), {"/bin/sh", "-c", "exec \"$@\" < \"$0\"", file("www/large.txt")});
    command.push_back(login.words[0]);
    // Of what is said twice, the first is taken.
    command.insert(command.end(), login.options.begin(), login.options.end());
    command.insert(command.end(), {"-F", "none"});
    const std::string settings[] = {"Port=" + address.substr(colon + 1),
                                    "User=root",
                                    "RequestTTY=no",
                                    "UserKnownHostsFile=" + file("known_hosts"),
                                    "HostKeyAlias=bait",
                                    "StrictHostKeyChecking=yes",
                                    "IdentitiesOnly=yes",
                                    "NumberOfPasswordPrompts=1"};
    for (const std::string& setting : settings) command.insert(command.end(), {"-o", setting});
    for (size_t i = 1; i < login.words.size(); ++i)
      command.push_back(replaced(login.words[i], "HOST", address.substr(0, colon)));
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
      const std::string complained = read_file(err(i)).value_or("");
      EXPECT_EQ(code, login.exit_code) << login.description << ": " << complained;
      EXPECT_NE(said.find(login.answer), std::string::npos) << login.description << ": " << said.substr(0, 1000);
      // The client names the address that it was told, which has to differ.
      const std::string host = address.substr(0, address.find(':'));
      heard += fmt::format("{} {}\n{}\n{}\n", i, code, said, replaced(complained, host, "HOST"));
    }
    return heard;
  }
};

TEST_F(OpenSshTest, ServesInSilence) {
  ASSERT_NO_FATAL_FAILURE(make_keys());
  ASSERT_TRUE(make_directories("/run/sshd"));
  ASSERT_TRUE(write_file(file("sshd_config"), fmt::format(kSshd, file("."), kService)));
  ASSERT_TRUE(write_file(file("batch"), fmt::format(kSftp, file("home"), file("www"))));
  const passwd* root = ::getpwuid(0);
  ASSERT_NE(root, nullptr);
  const std::string large = file("www/large.txt");
  const std::vector<std::string> key = {"-i", file("user_key"), "-o", "PreferredAuthentications=publickey"};
  const std::vector<std::string> other_key = {"-i", file("other_key"), "-o", "PreferredAuthentications=publickey"};
  const std::vector<std::string> password = {"-o", "PreferredAuthentications=password"};
  const std::vector<Login> logins = {
      {"a word of the shell's own", key, ssh("echo hello from $((6 * 7))"), 0, "hello from 42\n"},
      {"a program", key, ssh("/usr/bin/id"), 0, "uid=0(root) gid=0(root)"},
      {"an exit code", key, ssh("/usr/bin/uname -s; exit 3"), 3, "Linux\n"},
      {"both outputs", key, ssh("echo out; echo err >&2"), 0, "out\n"},
      {"a pipe", key, ssh("printf 'b\\na\\n' | /usr/bin/sort"), 0, "a\nb\n"},
      {"a shell in the shell", key, ssh("/bin/sh -c 'echo inner; /bin/true'"), 0, "inner\n"},
      {"a large file from the host", key, ssh("/bin/cat " + large), 0, "line 8000 of a page"},
      {"a large file to the host and back", key, ssh("/bin/cat"), 0, "line 8000 of a page"},
      {"files by sftp",
       [&] {
         auto with = key;
         with.insert(with.end(), {"-b", file("batch")});
         return with;
       }(),
       {"/usr/bin/sftp", "HOST"},
       0,
       "note.txt"},
      {"a file to the host by scp", key, {"/usr/bin/scp", large, "HOST:" + file("home/copied")}, 0, ""},
      {"a file from the host by scp", key, {"/usr/bin/scp", "HOST:" + large, file("fetched")}, 0, ""},
      {"no authentication", {"-o", "PreferredAuthentications=none"}, ssh("echo in"), 255, ""},
      {"a key that is not allowed", other_key, ssh("echo in"), 255, ""},
      {"a password that is wrong", password, ssh("echo in"), 255, ""},
      {"a user whom there is not", {password[0], password[1], "-o", "User=oracle"}, ssh("echo in"), 255, ""},
  };
  const size_t rounds = kRounds * times();
  check({{"openssh",
          {"/usr/sbin/sshd", "-D", "-e", "-f", file("sshd_config")},
          {},
          {root->pw_shell, "/usr/bin/id", "/usr/bin/uname", "/usr/bin/sort", "/bin/cat", "/bin/true"}}},
        rounds * logins.size(), [&](const std::string& netns, const std::string& address) {
          std::string all;
          for (size_t i = 0; i < rounds; ++i) all += round(logins, netns, address);
          EXPECT_TRUE(content("home/copied") == content("www/large.txt"));
          EXPECT_TRUE(content("fetched") == content("www/large.txt"));
          return all;
        });
}

}  // namespace
}  // namespace skep::harness
