// Whose bytes they are: rules are about addresses and ports too. Values only.
#pragma once

#include "model/session.h"

namespace skep::payload {

struct Flow {
  Endpoint source;
  Endpoint destination;
};

}  // namespace skep::payload
