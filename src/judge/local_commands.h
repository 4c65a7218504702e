// `skep hids …` and `skep status` as judge answers them.
#pragma once

#include <functional>
#include <string>

#include "judge/enforcement.h"
#include "judge/profiles.h"
#include "wire/local.pb.h"

namespace skep::judge {

// `status` gives the status object's text; `drain` takes what the kernel has told until now.
wire::LocalReply answer_local(const wire::LocalRequest& request, Enforcement& enforcement, Profiles& profiles,
                              const std::function<std::string()>& status, const std::function<void()>& drain);

}  // namespace skep::judge
