#include "watch/watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/systemd.h"
#include "model/signature_table.h"
#include "watch/cgroup.h"
#include "watch/copier.h"
#include "watch/guard.h"
#include "watch/kernel.h"
#include "watch/notifier.h"
#include "watch/orders.h"
#include "watch/services.h"

namespace skep::watch {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kJudgePause = 500 * kMillisecond;  // before a judge that died is started again
constexpr int64_t kStopGrace = 2000 * kMillisecond;

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&set, signal);
  return set;
}

Result<Fd> make_table_memory() {
  Fd memory(::memfd_create("skep-table", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ::ftruncate(memory.get(), sizeof(skep_table)) != 0)
    return fail_errno("make the signature table's memory");
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno("seal a memfd");
  return memory;
}

// Leaves only the standard descriptors and the judge's own open: no map, no program, no lifeline of watch's is
// inherited.
JudgePipes keep_only(int orders, int memory, int alerts, int telemetry, int journal) {
  constexpr int kFirst = 3;
  const int wanted[] = {orders, memory, alerts, telemetry, journal};
  // First far away, so that no target is overwritten before it was copied.
  int copies[std::size(wanted)];
  for (size_t i = 0; i < std::size(wanted); ++i) copies[i] = ::fcntl(wanted[i], F_DUPFD_CLOEXEC, 512);
  for (size_t i = 0; i < std::size(wanted); ++i) ::dup3(copies[i], kFirst + static_cast<int>(i), O_CLOEXEC);
  ::close_range(kFirst + std::size(wanted), ~0u, 0);
  return {Fd(kFirst), Fd(kFirst + 1), Fd(kFirst + 2), Fd(kFirst + 3), Fd(kFirst + 4)};
}

class Watch {
 public:
  Watch(std::unique_ptr<Kernel> kernel, Cgroup group, Fd table_memory, Fd journal,
        const std::function<int(JudgePipes)>& judge)
      : kernel_(std::move(kernel)),
        group_(std::move(group)),
        table_memory_(std::move(table_memory)),
        journal_(std::move(journal)),
        judge_(judge),
        notifier_(*kernel_, copier_),
        services_(*kernel_, notifier_, group_),
        orders_(*kernel_, services_, notifier_, copier_, table_memory_.get()) {}

  Result<int> run() {
    const sigset_t set = handled_signals();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return fail_errno("signalfd");
    if (auto guarded = start_guard(); !guarded) return tl::unexpected<Error>(guarded.error());
    if (auto started = start_judge(); !started) return tl::unexpected<Error>(started.error());
    if (auto started = notifier_.start(); !started) return tl::unexpected<Error>(started.error());
    while (!exit_code_) turn();
    stop();
    return *exit_code_;
  }

 private:
  Status start_guard() {
    auto guard = Guard::start(group_);
    if (!guard) return tl::unexpected<Error>(guard.error());
    guard_.emplace(std::move(*guard));
    return {};
  }

  Status start_judge() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      return fail_errno("make the judge's socket");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno("fork the judge");
    if (pid == 0) become_judge(theirs.get());
    judge_pid_ = pid;
    judge_socket_ = std::move(ours);
    judge_restart_ns_.reset();
    copier_.begin_judge();
    return {};
  }

  [[noreturn]] void become_judge(int socket) {
    ::prctl(PR_SET_NAME, "skep-judge");
    JudgePipes pipes =
        keep_only(socket, table_memory_.get(), kernel_->alerts_ring(), kernel_->telemetry_ring(), journal_.get());
    const sigset_t set = handled_signals();
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    const int code = judge_(std::move(pipes));
    ::_exit(code);
  }

  void turn() {
    const int64_t now = now_monotonic_ns();
    std::optional<int64_t> next = services_.restart_due(now);
    if (judge_socket_) orders_.tell_changes(judge_socket_.get());
    if (judge_restart_ns_ && *judge_restart_ns_ <= now) restart_judge();
    if (judge_restart_ns_ && (!next || *judge_restart_ns_ < *next)) next = judge_restart_ns_;
    systemd_.alive(now);
    if (const int64_t every = systemd_.alive_every_ns(); every > 0 && (!next || now + every < *next))
      next = now + every;
    const int timeout = next ? static_cast<int>(std::max<int64_t>(0, (*next - now) / kMillisecond + 1)) : -1;
    pollfd waits[] = {{signals_.get(), POLLIN, 0}, {judge_socket_.get(), POLLIN, 0}, {copier_.done_fd(), POLLIN, 0}};
    if (::poll(waits, std::size(waits), timeout) <= 0) return;
    if (waits[0].revents != 0) take_signals();
    if (waits[1].revents != 0 && judge_socket_) take_order();
    if (waits[2].revents != 0) orders_.tell_copies(judge_socket_.get());
  }

  void take_order() {
    switch (orders_.take_one(judge_socket_.get())) {
      case Orders::Outcome::closed:
        judge_socket_.reset();
        return;  // its end is told by SIGCHLD
      case Orders::Outcome::stop:
        exit_code_ = 0;
        return;
      case Orders::Outcome::done:
        if (orders_.sealed() && !std::exchange(told_ready_, true)) systemd_.ready();
        return;
    }
  }

  void restart_judge() {
    if (auto started = start_judge(); !started) {
      log::error("{}", started.error().message);
      judge_restart_ns_ = now_monotonic_ns() + kJudgePause;
    }
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) exit_code_ = 0;
    }
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) child_ended(pid, status);
  }

  void child_ended(pid_t pid, int status) {
    if (pid == judge_pid_) return judge_ended(status);
    if (guard_ && pid == guard_->pid()) {
      log::error("the guard was killed: another takes its place");
      if (auto guarded = start_guard(); !guarded) {
        log::error("{}: the services are ended", guarded.error().message);
        exit_code_ = 1;
      }
      return;
    }
    services_.ended(pid, status, now_monotonic_ns());
  }

  void judge_ended(int status) {
    judge_pid_ = -1;
    judge_socket_.reset();
    if (!orders_.sealed()) {
      // It never came to work: its own words say why.
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
      return;
    }
    log::error("the judge has died (wait status {:#x}): verdicts go on in the kernel, another judge is started",
               status);
    judge_restart_ns_ = now_monotonic_ns() + kJudgePause;
  }

  // The judge first, so that it can say goodbye to the proxy; then the services, asked, then made to.
  void stop() {
    systemd_.stopping();
    if (judge_pid_ > 0) {
      ::kill(judge_pid_, SIGTERM);
      await_exit(judge_pid_);
    }
    for (const skep_service_state& state : services_.all_states()) {
      if (state.enforces && state.phase == SKEP_SERVICE_RUNNING &&
          ::kill(static_cast<pid_t>(state.pid), SIGTERM) == 0) {
        await_exit(static_cast<pid_t>(state.pid));
      }
    }
    group_.end();
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    guard_->dismiss();
  }

  static void await_exit(pid_t pid) {
    const int64_t deadline = now_monotonic_ns() + kStopGrace;
    while (now_monotonic_ns() < deadline) {
      if (::waitpid(pid, nullptr, WNOHANG) != 0) return;
      const timespec pause{0, 10 * kMillisecond};
      ::nanosleep(&pause, nullptr);
    }
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  std::unique_ptr<Kernel> kernel_;
  Cgroup group_;
  Fd table_memory_;
  Fd journal_;
  const std::function<int(JudgePipes)>& judge_;
  Copier copier_;
  Notifier notifier_;
  Services services_;
  Orders orders_;
  Fd signals_;
  std::optional<Guard> guard_;
  pid_t judge_pid_ = -1;
  Fd judge_socket_;
  std::optional<int64_t> judge_restart_ns_;
  std::optional<int> exit_code_;
  Systemd systemd_ = Systemd::from_environment();  // before the judge and any service: none of them inherits it
  bool told_ready_ = false;
};

Result<int> assemble(bool follow, const std::function<int(JudgePipes)>& judge) {
  const auto root = find_cgroup_root();
  if (!root) return tl::unexpected<Error>(root.error());
  auto kernel = Kernel::load(*root, follow);
  if (!kernel) return tl::unexpected<Error>(kernel.error());
  auto group = Cgroup::make(fmt::format("{}/skep-{}", *root, ::getpid()));
  if (!group) return tl::unexpected<Error>(group.error());
  auto memory = make_table_memory();
  if (!memory) return tl::unexpected<Error>(memory.error());
  Fd journal(::memfd_create("skep-journal", MFD_CLOEXEC));
  if (!journal) return fail_errno("make the journal's memory");
  return Watch(std::move(*kernel), std::move(*group), std::move(*memory), std::move(journal), judge).run();
}

}  // namespace

int run(bool follow, const std::function<int(JudgePipes)>& judge) {
  const auto code = assemble(follow, judge);
  if (code) return *code;
  log::error("{}", code.error().message);
  return 1;
}

}  // namespace skep::watch
