// Community ID v1 (github.com/corelight/community-id-spec): one text for both directions of a flow, seed 0.
#pragma once

#include <string>

#include "model/session.h"

namespace skep::formats {

std::string community_id(Protocol protocol, const Endpoint& a, const Endpoint& b);

}  // namespace skep::formats
