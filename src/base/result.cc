#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace skep {

tl::unexpected<Error> fail_errno(std::string context) {
  const int code = errno;
  return tl::unexpected<Error>(Error{std::move(context) + ": " + std::strerror(code), code});
}

void broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "skep: broken promise: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace skep
