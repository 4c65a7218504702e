// deed_server: what an intruder does after he got in, one deed a session, done for real.
//   deed_server ADDRESS:PORT [--wake]
// A request is "HOW DEED\n". HOW: how the process that does it came to be (plain, thread, double_fork, setsid, renamed,
// exec, thread_exec: setsid, and then an exec by another thread than the first). DEED: a row of kDeeds. The answer is
// "DEED done" or "DEED errno N" or "DEED killed by N": what the deed itself saw. The server goes on. Nothing here does
// harm where it is allowed: what would change the machine is asked for with arguments that the kernel refuses.
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include "net.h"

namespace {

sockaddr_in own_address{};  // where it listens

// 0, an errno, or minus the signal that ended the child that did it.
using Deed = std::function<int()>;

int error_of(long result) {
  return result < 0 ? errno : 0;
}

int in_child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int run(const char* path, std::vector<const char*> words) {
  return in_child([&] {
    words.push_back(nullptr);
    ::execv(path, const_cast<char* const*>(words.data()));
    return errno;
  });
}

int run_memfd() {
  const int memory = ::memfd_create("program", MFD_CLOEXEC);
  const int file = ::open("/bin/true", O_RDONLY);
  char block[65536];
  for (ssize_t got; (got = ::read(file, block, sizeof block)) > 0;) {
    if (::write(memory, block, static_cast<size_t>(got)) != got) return EIO;
  }
  ::close(file);
  return in_child([memory] {
    const char* const words[] = {"program", nullptr};
    const char* const none[] = {nullptr};
    ::syscall(SYS_execveat, memory, "", words, none, AT_EMPTY_PATH);
    return errno;
  });
}

int tcp_socket() {
  return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int bind_port(int port) {
  const sockaddr_in address = test_address("127.0.0.1:" + std::to_string(port));
  const int fd = tcp_socket();
  const int error = error_of(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

int listen_unbound() {
  const int fd = tcp_socket();
  const int error = error_of(::listen(fd, 1));
  ::close(fd);
  return error;
}

int connect_out() {
  const sockaddr_in address = test_address("10.99.0.2:9");
  const int fd = tcp_socket();
  const int error = error_of(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

int connect_to_self() {
  const int fd = tcp_socket();
  const int error = error_of(::connect(fd, reinterpret_cast<const sockaddr*>(&own_address), sizeof own_address));
  ::close(fd);
  return error;
}

int send_datagram() {
  const sockaddr_in address = test_address("10.99.0.2:9");
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int error = error_of(::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

int send_datagram_as_message() {
  sockaddr_in address = test_address("10.99.0.2:9");
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int error = error_of(::sendmsg(fd, &message, 0));
  ::close(fd);
  return error;
}

// To a name that nobody has: refused by the kernel with ECONNREFUSED where nobody else does.
int connect_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path + 1, "nobody is here");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const int error =
      fd < 0 ? errno : error_of(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

template <typename Address>
int connect_datagram(const Address& address) {
  const int fd = ::socket(reinterpret_cast<const sockaddr&>(address).sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int error = error_of(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ::close(fd);
  return error;
}

// As getaddrinfo sorts the two wildcards; nothing is sent, and they lead to this host alone.
int sort_wildcards() {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(22);
  const int error = connect_datagram(v4);
  return error != 0 ? error : connect_datagram(v6);
}

int open_socket(int family, int type, int protocol) {
  const int fd = ::socket(family, type, protocol);
  const int error = error_of(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

// The kernel takes an int: what stands in the upper halves of the registers is nothing to it.
int wide_packet_socket() {
  constexpr long kUpper = 1L << 40;
  const long fd = ::syscall(SYS_socket, kUpper | AF_PACKET, kUpper | SOCK_DGRAM, 0L);
  const int error = error_of(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return error;
}

int write_to_parent() {
  char byte = 0;
  const iovec here{&byte, 1}, nowhere{nullptr, 1};
  return error_of(::process_vm_writev(::getppid(), &here, 1, &nowhere, 1, 0));
}

int io_uring() {
  io_uring_params parameters{};
  const long fd = ::syscall(SYS_io_uring_setup, 4, &parameters);
  const int error = error_of(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return error;
}

int foreign_abi() {
  long result = 20;  // getpid, by its 32-bit number; it looks at no argument
  asm volatile("int $0x80" : "+a"(result) : "b"(77L), "D"(0L) : "memory");
  return static_cast<int>(result) < 0 ? -static_cast<int>(result) : 0;
}

// Memory that a program could be written to, from the first or made so later; nothing is.
int executable_memory(bool at_once) {
  void* page =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | (at_once ? PROT_EXEC : 0), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  const int error = at_once ? 0 : error_of(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ::munmap(page, 4096);
  return error;
}

int clone_into_namespace() {
  const long pid = ::syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (pid == 0) ::_exit(0);
  const int error = error_of(pid);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return error;
}

int handle_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  return error_of(::raise(SIGUSR1));
}

const std::map<std::string, Deed>& deeds() {
  static const std::map<std::string, Deed> kDeeds = {
      {"nothing", [] { return 0; }},
      {"signal", handle_signal},
      {"shell",
       [] {
         return run("/bin/sh", {"sh", "-c", "exit 0"});
       }},
      {"program", [] { return run("/bin/true", {"true"}); }},
      {"program_by_shell", [] { return run("/bin/sh", {"sh", "-c", "/bin/true; exit $?"}); }},
      {"memfd", run_memfd},
      {"listen", listen_unbound},
      {"bind", [] { return bind_port(4444); }},
      {"bind_any", [] { return bind_port(0); }},
      {"connect", connect_out},
      {"connect_self", connect_to_self},
      {"datagram", send_datagram},
      {"datagram_connect", [] { return connect_datagram(test_address("10.99.0.2:9")); }},
      {"sort_wildcards", sort_wildcards},
      {"ptrace", [] { return error_of(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr)); }},
      {"vm_writev", write_to_parent},
      {"module", [] { return error_of(::syscall(SYS_init_module, nullptr, 0, nullptr)); }},
      {"mount", [] { return error_of(::mount("none", "/nowhere/at/all", "tmpfs", 0, nullptr)); }},
      {"unshare", [] { return in_child([] { return error_of(::unshare(CLONE_NEWUTS)); }); }},
      {"clone", clone_into_namespace},
      {"setns", [] { return error_of(::setns(-1, 0)); }},
      {"packet_socket", [] { return open_socket(AF_PACKET, SOCK_DGRAM, 0); }},
      {"wide_packet_socket", wide_packet_socket},
      {"unix_socket", [] { return open_socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"connect_unix", connect_unix},
      {"message", send_datagram_as_message},
      {"raw_socket", [] { return open_socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP); }},
      {"io_uring", io_uring},
      {"bpf", [] { return error_of(::syscall(SYS_bpf, -1, nullptr, 0)); }},
      {"perf", [] { return error_of(::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0)); }},
      {"userfaultfd", [] { return error_of(::syscall(SYS_userfaultfd, ~0)); }},
      {"foreign_abi", foreign_abi},
      {"mmap_exec", [] { return executable_memory(true); }},
      {"mprotect_exec", [] { return executable_memory(false); }},
      {"pidfd_getfd", [] { return error_of(::syscall(SYS_pidfd_getfd, -1, 0, 0)); }},
      {"io_uring_enter", [] { return error_of(::syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0)); }},
  };
  return kDeeds;
}

int do_deed(const std::string& name) {
  const auto deed = deeds().find(name);
  return deed == deeds().end() ? ENOSYS : deed->second();
}

// In a grandchild whose parent is gone; its outcome comes back by a pipe.
int double_fork(const std::string& name) {
  int ends[2];
  if (::pipe(ends) != 0) return errno;
  if (::fork() == 0) {
    if (::fork() != 0) ::_exit(0);
    const int outcome = do_deed(name);
    [[maybe_unused]] const ssize_t told = ::write(ends[1], &outcome, sizeof outcome);
    ::_exit(0);
  }
  int outcome = 0;
  ::close(ends[1]);
  if (::read(ends[0], &outcome, sizeof outcome) != sizeof outcome) outcome = -SIGKILL;
  ::close(ends[0]);
  return outcome;
}

int in_thread(const std::string& name) {
  int outcome = 0;
  std::thread([&] { outcome = do_deed(name); }).join();
  return outcome;
}

// The server's own program once more, which the service may run: the mark and the label outlive the exec.
int after_exec(const std::string& name) {
  const int outcome = in_child([&] {
    ::execl("/proc/self/exe", "deed_server", "--do", name.c_str(), nullptr);
    return errno;
  });
  return outcome > 128 ? 128 - outcome : outcome;
}

// The thread that runs the program takes the place of the first, and the process goes on.
int after_exec_by_thread(const std::string& name) {
  const int outcome = in_child([&] {
    ::setsid();
    std::thread([&] { ::execl("/proc/self/exe", "deed_server", "--do", name.c_str(), nullptr); }).join();
    return errno;
  });
  return outcome > 128 ? 128 - outcome : outcome;
}

int perform(const std::string& how, const std::string& name) {
  if (how == "thread") return in_thread(name);
  if (how == "double_fork") return double_fork(name);
  if (how == "exec") return after_exec(name);
  if (how == "thread_exec") return after_exec_by_thread(name);
  if (how == "setsid") ::setsid();
  if (how == "renamed") ::prctl(PR_SET_NAME, "kworker/0:1");
  return do_deed(name);
}

void serve(int client) {
  std::string line;
  receive_until(client, line, 30'000, [](const std::string& text) { return text.find('\n') != std::string::npos; });
  std::istringstream words(line);
  std::string how, name;
  words >> how >> name;
  const int outcome = perform(how, name);
  send_all(client, name + (outcome == 0  ? " done\n"
                           : outcome > 0 ? " errno " + std::to_string(outcome) + "\n"
                                         : " killed by " + std::to_string(-outcome) + "\n"));
  ::close(client);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--do") == 0) {
    const int outcome = do_deed(argv[2]);
    return outcome >= 0 ? outcome : 128 - outcome;
  }
  const sockaddr_in address = test_address(argc > 1 ? argv[1] : "");
  own_address = address;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 128) != 0) {
    std::perror("deed_server");
    return 1;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // As servers do that wake a process of their own: by a process that has nothing to do with any session.
  if (argc > 2 && ::fork() == 0) {
    std::printf("woken: errno %d\n", connect_to_self());
    std::fflush(stdout);
    ::_exit(0);
  }
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    if (::fork() == 0) {
      serve(client);
      ::_exit(0);
    }
    ::close(client);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}
