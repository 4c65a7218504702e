#include "proxy/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"

namespace skep::proxy {

uint64_t raise_descriptors(uint64_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const rlimit whole{wanted, std::max<rlim_t>(limit.rlim_max, wanted)};
  if (::setrlimit(RLIMIT_NOFILE, &whole) == 0) return wanted;
  const rlimit allowed{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &allowed) == 0) limit.rlim_cur = limit.rlim_max;
  log::warning("{} descriptors are allowed, sessions_max wants {}: raise LimitNOFILE, or lower sessions_max",
               limit.rlim_cur, wanted);
  return limit.rlim_cur;
}

}  // namespace skep::proxy
