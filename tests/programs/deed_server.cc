// deed_server: what an intruder does after he got in, one deed a session, done for real.
//   deed_server ADDRESS:PORT [--wake] [--inject]
// A request is "HOW DEED [WORD]\n". HOW: how the process that does it came to be (plain, thread, double_fork, setsid,
// renamed, exec, thread_exec: setsid, and then an exec by another thread than the first; storm: after five hundred
// forks). DEED: a row of deeds_*.cc. The answer is "DEED done" or "DEED errno N" or "DEED killed by N": what the deed
// itself saw. The server goes on.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <thread>

#include "deeds.h"
#include "net.h"

namespace {

constexpr int kStorm = 500;

// In a grandchild whose parent is gone; its outcome comes back by a pipe.
int double_fork(const std::string& name, const std::string& word) {
  int ends[2];
  if (::pipe(ends) != 0) return errno;
  if (::fork() == 0) {
    if (::fork() != 0) ::_exit(0);
    const int outcome = do_deed(name, word);
    [[maybe_unused]] const ssize_t told = ::write(ends[1], &outcome, sizeof outcome);
    ::_exit(0);
  }
  int outcome = 0;
  ::close(ends[1]);
  if (::read(ends[0], &outcome, sizeof outcome) != sizeof outcome) outcome = -SIGKILL;
  ::close(ends[0]);
  return outcome;
}

int in_thread(const std::string& name, const std::string& word) {
  int outcome = 0;
  std::thread([&] { outcome = do_deed(name, word); }).join();
  return outcome;
}

int execute_self(const std::string& name, const std::string& word) {
  ::execl("/proc/self/exe", "deed_server", "--do", name.c_str(), word.c_str(), nullptr);
  return errno;
}

// The server's own program once more, which the service may run: the mark and the label outlive the exec.
int after_exec(const std::string& name, const std::string& word) {
  return in_child([&] { return execute_self(name, word); });
}

// The thread that runs the program takes the place of the first, and the process goes on.
int after_exec_by_thread(const std::string& name, const std::string& word) {
  return in_child([&] {
    ::setsid();
    std::thread([&] { execute_self(name, word); }).join();
    return errno;
  });
}

int after_a_storm(const std::string& name, const std::string& word) {
  for (int i = 0; i < kStorm; ++i) {
    if (::fork() == 0) ::_exit(0);
  }
  const int outcome = do_deed(name, word);
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  return outcome;
}

int perform(const std::string& how, const std::string& name, const std::string& word) {
  if (how == "thread") return in_thread(name, word);
  if (how == "double_fork") return double_fork(name, word);
  if (how == "exec") return after_exec(name, word);
  if (how == "thread_exec") return after_exec_by_thread(name, word);
  if (how == "storm") return after_a_storm(name, word);
  if (how == "setsid") ::setsid();
  if (how == "renamed") ::prctl(PR_SET_NAME, "kworker/0:1");
  return do_deed(name, word);
}

void serve(int client) {
  std::string line;
  own_session = client;
  receive_until(client, line, 30'000, [](const std::string& text) { return text.find('\n') != std::string::npos; });
  std::istringstream words(line);
  std::string how, name, word;
  words >> how >> name >> word;
  const int outcome = perform(how, name, word);
  send_all(client, name + (outcome == 0  ? " done\n"
                           : outcome > 0 ? " errno " + std::to_string(outcome) + "\n"
                                         : " killed by " + std::to_string(-outcome) + "\n"));
  ::close(client);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && std::strcmp(argv[1], "--do") == 0) {
    const int outcome = do_deed(argv[2], argc > 3 ? argv[3] : "");
    return outcome >= 0 ? outcome : 128 - outcome;
  }
  own_address = test_address(argc > 1 ? argv[1] : "");
  const int listener = listen_at(own_address, 128);
  ::signal(SIGPIPE, SIG_IGN);
  const auto asked_for = [&](const char* word) {
    return std::any_of(argv, argv + argc, [&](const char* each) { return std::strcmp(each, word) == 0; });
  };
  // As servers do that wake a process of their own: by a process that has nothing to do with any session.
  if (asked_for("--inject")) inject_code();
  if (asked_for("--wake") && ::fork() == 0) {
    std::printf("woken: errno %d\n", do_deed("connect_self", ""));
    std::fflush(stdout);
    ::_exit(0);
  }
  serve_by_fork(listener, serve);
}
