// Two readers of HTTP requests, the project's own and libhtp, held against each other. Functions of values; any thread.
#pragma once

#include <string>

#include "base/bytes.h"

namespace skep::reference {

// What they say otherwise than each other of a client's bytes, for a person; "": nothing. Both are given the bytes in
// pieces of `cut`. Not compared are words; nor whether one says at the connection's end that what had begun was no
// HTTP.
std::string http_difference(ByteView bytes, size_t cut);

}  // namespace skep::reference
