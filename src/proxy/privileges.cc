#include "proxy/privileges.h"

#include <linux/capability.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "archive/ring.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "proxy/sandbox.h"

namespace skep::proxy {
namespace {

Status give_archive_to(const std::string& folder, const std::string& user) {
  const passwd* account = ::getpwnam(user.c_str());
  if (account == nullptr) return fail("no user named '{}' to become", user);
  if (auto made = make_directories(folder, 0750); !made) return made;
  const auto give = [&](const std::string& path) -> Status {
    if (::lchown(path.c_str(), account->pw_uid, account->pw_gid) == 0) return {};
    return fail_errno("give " + path + " to " + user);
  };
  if (auto given = give(folder); !given) return given;
  std::error_code error;
  std::filesystem::recursive_directory_iterator files(folder, error);
  for (; !error && files != std::filesystem::recursive_directory_iterator(); files.increment(error)) {
    if (auto given = give(files->path().string()); !given) return given;
  }
  if (error) return fail("{}: {}", folder, error.message());
  // What a killed proxy left is recovered by the user, whoever that proxy was.
  for (const std::string& ring : archive::rings_in_memory(folder)) {
    if (::access(ring.c_str(), F_OK) != 0) continue;
    if (auto given = give(ring); !given) return given;
  }
  return {};
}

}  // namespace

Status give_up_privileges(const formats::ProxyOptions& options) {
  // IP_TRANSPARENT is asked for at each connection to the bait: CAP_NET_RAW is the least that allows it.
  const bool transparent = std::any_of(options.services.begin(), options.services.end(),
                                       [](const formats::ServiceOptions& service) { return service.source_kept; });
  const std::vector<int> keep = transparent ? std::vector<int>{CAP_NET_RAW} : std::vector<int>{};
  if (transparent) log::info("CAP_NET_RAW is kept: a service has `source: transparent`");
  const auto done = [&](const Status& given) -> Status {
    return given || !transparent ? given : wrap("`source: transparent` wants CAP_NET_RAW", given);
  };
  if (options.user.empty()) return done(drop_capabilities(keep));
  if (auto given = give_archive_to(options.archive, options.user); !given) return given;
  return done(become_user(options.user, keep));
}

Status close_sandbox() {
  // The sanitizers' own calls are not on the list, so a build with them goes without.
#if defined(__SANITIZE_ADDRESS__)
  return {};
#else
  return allow_only(kAllowedCalls, OnUnlistedCall::refuse);
#endif
}

}  // namespace skep::proxy
