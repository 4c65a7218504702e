#include "watch/launcher.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/passing.h"
#include "watch/seccomp_filter.h"

namespace skep::watch {
namespace {

constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What the child says when it cannot go on: where, and errno.
struct Failure {
  char where[64];
  int code;
};

struct Account {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};

Result<Account> look_up(const std::string& user) {
  if (user.empty()) return Account{};
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) return fail("no user named '{}' on this host", user);
  return Account{true, entry->pw_uid, entry->pw_gid, user};
}

// The child's side. It speaks with the parent over `line`: one byte each way is "go on".
class Child {
 public:
  Child(const LaunchPlan& plan, const Account& account, const std::vector<sock_filter>& filter, int line)
      : plan_(plan), account_(account), filter_(filter), line_(line) {}

  [[noreturn]] void run() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    wait_for_parent();  // marked and in its cgroup
    prepare();
    send_listener();
    wait_for_parent();  // somebody answers notices
    change_user();
    execute();
  }

 private:
  [[noreturn]] void give_up(const char* where) {
    Failure failure{};
    failure.code = errno;
    std::strncpy(failure.where, where, sizeof failure.where - 1);
    [[maybe_unused]] const ssize_t sent = ::send(line_, &failure, sizeof failure, MSG_NOSIGNAL);
    ::_exit(127);
  }

  void wait_for_parent() {
    char byte = 0;
    if (::recv(line_, &byte, 1, 0) != 1) ::_exit(127);
  }

  void prepare() {
    ::setsid();
    for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int input = ::open("/dev/null", O_RDONLY);
    const char* const output = plan_.output.empty() ? "/dev/null" : plan_.output.c_str();
    const int out = ::open(output, O_WRONLY | O_APPEND | O_CREAT, 0640);
    if (input < 0 || out < 0) give_up("open the service's output");
    ::dup2(input, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (!plan_.workdir.empty() && ::chdir(plan_.workdir.c_str()) != 0) give_up("change to workdir");
    if (!plan_.address_randomisation && ::personality(ADDR_NO_RANDOMIZE) < 0) give_up("turn off address randomisation");
  }

  void send_listener() {
    auto listener = install_filter(filter_);
    if (!listener) {
      errno = listener.error().code;
      give_up("install the seccomp filter");
    }
    const char byte = 1;
    if (send_with_descriptor(line_, &byte, 1, listener->get()) != 1) give_up("hand over the seccomp listener");
  }

  void change_user() {
    if (!account_.change) return;
    if (::initgroups(account_.name.c_str(), account_.gid) != 0 || ::setgid(account_.gid) != 0 ||
        ::setuid(account_.uid) != 0) {
      give_up("become the service's user");
    }
  }

  [[noreturn]] void execute() {
    std::vector<char*> argv;
    std::vector<char*> env = {const_cast<char*>(kPath)};
    for (const std::string& word : plan_.command) argv.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& setting : plan_.env) env.push_back(const_cast<char*>(setting.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    ::prctl(PR_SET_PDEATHSIG, 0);
    // Everything that we opened closes on exec; `line_` too, which tells the parent that the program runs.
    ::execve(argv[0], argv.data(), env.data());
    give_up("run the program");
  }

  const LaunchPlan& plan_;
  const Account& account_;
  const std::vector<sock_filter>& filter_;
  const int line_;
};

Result<Fd> receive_listener(int line) {
  Failure failure{};
  Fd listener;
  const ssize_t got = receive_with_descriptor(line, &failure, sizeof failure, listener);
  if (got == sizeof failure) {
    errno = failure.code;
    return fail_errno(failure.where);
  }
  if (got != 1 || !listener) return fail("the launcher died before its filter stood");
  return listener;
}

Status go_on(int line) {
  const char byte = 1;
  if (::send(line, &byte, 1, MSG_NOSIGNAL) != 1) return fail_errno("speak to the launcher");
  return {};
}

// End of file: the program runs. A failure: it does not.
Status await_exec(int line, const std::string& program) {
  Failure failure{};
  const ssize_t got = ::recv(line, &failure, sizeof failure, 0);
  if (got == 0) return {};
  if (got != sizeof failure) return fail("the launcher of {} died", program);
  errno = failure.code;
  return fail_errno(std::string(failure.where) + " " + program);
}

Status attend(int line, pid_t pid, const std::string& program, const std::function<Status(pid_t)>& before_filter,
              const std::function<Status(Fd)>& serve) {
  if (auto done = before_filter(pid); !done) return done;
  if (auto told = go_on(line); !told) return told;
  auto listener = receive_listener(line);
  if (!listener) return tl::unexpected<Error>(listener.error());
  if (auto served = serve(std::move(*listener)); !served) return served;
  if (auto told = go_on(line); !told) return told;
  return await_exec(line, program);
}

}  // namespace

Result<pid_t> launch(const LaunchPlan& plan, const std::function<Status(pid_t)>& before_filter,
                     const std::function<Status(Fd)>& serve) {
  const auto account = look_up(plan.user);
  if (!account) return tl::unexpected<Error>(account.error());
  const std::vector<sock_filter> filter = build_filter(plan.intercepts);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make the launcher's line");
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork the launcher");
  if (pid == 0) Child(plan, *account, filter, theirs.get()).run();
  theirs.reset();
  if (auto stands = attend(ours.get(), pid, plan.command[0], before_filter, serve); !stands) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return tl::unexpected<Error>(stands.error());
  }
  return pid;
}

}  // namespace skep::watch
