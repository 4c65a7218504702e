// file_server: a server of files, a process for each session, with a hole: it never looks at what a name climbs over.
//   file_server ADDRESS:PORT FOLDER
// A request is one line: "get NAME" answers with FOLDER/pages/NAME; "put NAME WORDS" writes FOLDER/uploads/NAME; "run
// PATH" runs a program and says how it ended; "bind PORT", "visit ADDRESS:PORT" (a datagram), "nice" (getpriority),
// "spin" for ever, as a program does that went astray; "spin deaf": to SIGTERM too.
// Loopback and the testbed's network alone; it does nothing but what is asked of it.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "net.h"

namespace {

std::string outcome(long result) {
  return result < 0 ? "errno " + std::to_string(errno) + "\n" : "done\n";
}

std::string get(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return outcome(fd);
  std::string content;
  char block[4096];
  for (ssize_t got; (got = ::read(fd, block, sizeof block)) > 0;) content.append(block, static_cast<size_t>(got));
  ::close(fd);
  return content;
}

std::string put(const std::string& path, const std::string& words) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return outcome(fd);
  const ssize_t written = ::write(fd, words.data(), words.size());
  ::close(fd);
  return outcome(written);
}

std::string run(const std::string& path) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl(path.c_str(), path.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? "killed\n" : "ended with " + std::to_string(WEXITSTATUS(status)) + "\n";
}

std::string bind_port(const std::string& port) {
  const sockaddr_in address = test_address("127.0.0.1:" + port);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string said = outcome(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return said;
}

std::string visit(const std::string& to) {
  const sockaddr_in address = test_address(to);
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::string said = outcome(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return said;
}

[[noreturn]] void spin(bool deaf) {
  if (deaf) ::signal(SIGTERM, SIG_IGN);
  while (true) ::sched_yield();
}

std::string answer(const std::string& folder, const std::string& line) {
  std::istringstream words(line);
  std::string verb, what, rest;
  words >> verb >> what;
  std::getline(words, rest);
  if (verb == "get") return get(folder + "/pages/" + what);
  if (verb == "put") return put(folder + "/uploads/" + what, rest);
  if (verb == "run") return run(what);
  if (verb == "bind") return bind_port(what);
  if (verb == "visit") return visit(what);
  if (verb == "nice") return outcome(::getpriority(PRIO_PROCESS, 0));
  if (verb == "spin") spin(what == "deaf");
  return "get, put, run, bind, visit, nice or spin\n";
}

void serve(int client, const std::string& folder) {
  std::string text;
  receive_until(client, text, 30'000, [](const std::string& so_far) { return so_far.find('\n') != std::string::npos; });
  send_all(client, answer(folder, text.substr(0, text.find('\n'))));
  ::close(client);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  serve_by_fork(listen_at(test_address(argv[1]), 128), [&](int client) { serve(client, argv[2]); });
}
