// `skep hids …` and `skep status` as judge answers them.
#pragma once

#include <functional>
#include <string>

#include "judge/enforcement.h"
#include "wire/local.pb.h"

namespace skep::judge {

// `status` gives the status object's text.
wire::LocalReply answer_local(const wire::LocalRequest& request, Enforcement& enforcement,
                              const std::function<std::string()>& status);

}  // namespace skep::judge
