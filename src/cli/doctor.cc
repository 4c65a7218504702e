// skep doctor: what this kernel allows skep-monitor to do. It tries nothing that changes anything.
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "base/text.h"
#include "cli/parse.h"

namespace skep::cli {
namespace {

struct Finding {
  std::string_view what;
  bool there;
  std::string_view needed_for;
  std::string_view remedy;
};

bool kernel_symbol(std::string_view name) {
  const auto symbols = read_file("/proc/kallsyms", 64 << 20);
  if (!symbols) return false;
  return symbols->find(fmt::format(" T {}\n", name)) != std::string::npos ||
         symbols->find(fmt::format(" t {}\n", name)) != std::string::npos;
}

bool cgroup_v2() {
  const auto kinds = read_file("/proc/filesystems");
  return kinds && kinds->find("cgroup2") != std::string::npos;
}

bool notifications() {
  const uint32_t action = SECCOMP_RET_USER_NOTIF;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace

int run_doctor(Words words) {
  bool json = false;
  CLI::App app("what this kernel allows skep to do", "skep doctor");
  app.add_flag("--json", json, "one object a line");
  if (const auto code = parse(app, words)) return *code;
  utsname name{};
  ::uname(&name);
  const Finding findings[] = {
      {"root", ::geteuid() == 0, "everything that skep-monitor does", "run it as root"},
      {"kernel types (/sys/kernel/btf/vmlinux)", ::access("/sys/kernel/btf/vmlinux", R_OK) == 0,
       "loading the kernel programs on any kernel", "a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's are"},
      {"bpf_task_from_pid", kernel_symbol("bpf_task_from_pid"), "deny: the verdict on a call before it runs",
       "a newer kernel (6.12 has it for programs that are run by hand)"},
      {"seccomp user notification", notifications(), "deny: holding a call until it is judged",
       "a kernel with CONFIG_SECCOMP_FILTER"},
      {"cgroup v2", cgroup_v2(), "deny on connect, bind and send; ending a service whole",
       "a kernel with CONFIG_CGROUPS and CONFIG_CGROUP_BPF"},
  };
  bool all = true;
  if (!json) std::printf("kernel %s %s\n", name.release, name.machine);
  for (const Finding& finding : findings) {
    all &= finding.there;
    if (json) {
      JsonWriter line;
      line.begin_object()
          .field("what", finding.what)
          .field("there", finding.there)
          .field("needed_for", finding.needed_for)
          .end_object();
      std::printf("%s\n", line.text().c_str());
      continue;
    }
    std::printf("  %-4s %s: %s%s%s\n", finding.there ? "yes" : "NO", std::string(finding.what).c_str(),
                std::string(finding.needed_for).c_str(), finding.there ? "" : ". It wants ",
                finding.there ? "" : std::string(finding.remedy).c_str());
  }
  return all ? 0 : 1;
}

}  // namespace skep::cli
