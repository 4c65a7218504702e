// skep doctor: what this kernel allows skep-monitor to do. It tries nothing that changes anything.
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <vector>

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

// What can be done about a call, by how the service came under supervision; `needs` are indexes of findings.
struct Promise {
  std::string_view what;
  std::string_view launched;
  std::string_view adopted;  // by pid or cgroup
  std::vector<size_t> launched_needs;
  std::vector<size_t> adopted_needs;
};
enum FindingIndex : size_t { kRoot, kTypes, kTasks, kNotices, kCgroups };

const std::vector<Promise>& promises() {
  static const std::vector<Promise> kPromises = {
      {"any call, after it has run", "observe, kill", "observe, kill", {kTypes}, {kTypes}},
      {"calls that are asked about (docs/reference/signatures.md)",
       "observe, deny, kill",
       "observe, kill after it has run",
       {kTypes, kTasks, kNotices},
       {kTypes}},
      {"execve, execveat: the program that was opened",
       "observe, kill before its first instruction",
       "observe, kill before its first instruction",
       {kTypes},
       {kTypes}},
      {"connect, bind, send to an address",
       "observe, deny, kill",
       "observe, deny, kill",
       {kTypes, kCgroups},
       {kTypes, kCgroups}},
      {"listen", "observe, deny, kill", "observe, kill as it begins", {kTypes, kTasks, kNotices}, {kTypes}},
      {"containment: TCP, UDP, raw and other sockets of IP", "deny", "deny", {kTypes, kCgroups}, {kTypes, kCgroups}},
      {"containment: every packet of such a socket", "dropped", "dropped", {kTypes, kCgroups}, {kTypes, kCgroups}},
      {"containment: AF_PACKET, AF_VSOCK and other families",
       "deny",
       "not held: raw_socket kills who opens one",
       {kTypes, kTasks, kNotices},
       {kTypes}},
  };
  return kPromises;
}

std::string_view held(std::string_view words, const std::vector<size_t>& needs, std::span<const Finding> findings) {
  const bool all = std::all_of(needs.begin(), needs.end(), [&](size_t need) { return findings[need].there; });
  return all ? words : "NO: see above";
}

void print_promises(std::span<const Finding> findings, bool json) {
  if (!json) std::printf("what can be done, for a service that is launched / adopted by pid or cgroup\n");
  for (const Promise& promise : promises()) {
    const std::string launched(held(promise.launched, promise.launched_needs, findings));
    const std::string adopted(held(promise.adopted, promise.adopted_needs, findings));
    if (json) {
      JsonWriter line;
      line.begin_object()
          .field("call", promise.what)
          .field("launched", launched)
          .field("adopted", adopted)
          .end_object();
      std::printf("%s\n", line.text().c_str());
      continue;
    }
    std::printf("  %s: %s%s\n", std::string(promise.what).c_str(), launched.c_str(),
                launched == adopted ? "" : (" / " + adopted).c_str());
  }
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
      {"kernel types (/sys/kernel/btf/vmlinux), bpf_rdonly_cast",
       ::access("/sys/kernel/btf/vmlinux", R_OK) == 0 && kernel_symbol("bpf_rdonly_cast"),
       "loading the kernel programs", "a kernel from 6.2 on with CONFIG_DEBUG_INFO_BTF, as Debian's have"},
      {"bpf_task_from_pid", kernel_symbol("bpf_task_from_pid"), "deny: the verdict on a call before it runs",
       "a newer kernel (6.12 has it for programs that are run by hand)"},
      {"seccomp user notification", notifications(), "deny: holding a call until it is judged",
       "a kernel with CONFIG_SECCOMP_FILTER"},
      {"cgroup v2", cgroup_v2(), "deny on connect, bind and send; containment; ending a service whole",
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
  print_promises(findings, json);
  return all ? 0 : 1;
}

}  // namespace skep::cli
