// bench_attach_empty CGROUP_ROOT: attaches the programs of bpf/empty.bpf.c, says "ready" and keeps them until it is
// ended.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "watch/bench_empty.skel.h"
#pragma GCC diagnostic pop

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int cgroup = ::open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bench_empty* const programs = bench_empty__open_and_load();
  if (cgroup < 0 || programs == nullptr) {
    std::perror("the empty programs");
    return 1;
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, programs->obj) {
    const bool hook = bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
    const bpf_link* link = hook ? bpf_program__attach_cgroup(program, cgroup) : bpf_program__attach(program);
    if (link != nullptr) continue;
    std::perror(bpf_program__name(program));
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  ::pause();
}
