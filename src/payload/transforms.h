// What a rule has done to a buffer before it looks: Suricata's transforms. Functions of values; any thread.
#pragma once

#include <span>

#include "base/bytes.h"
#include "formats/rule.h"

namespace skep::payload {

// In this order.
Bytes transformed(ByteView bytes, std::span<const formats::Transform> transforms);

// What base64_decode makes of the bytes, up to the first that is not of base64 (Suricata 7's mode RFC 4648: blanks end
// it, and padding may lack).
Bytes base64_decoded(ByteView bytes);

}  // namespace skep::payload
