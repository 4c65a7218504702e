// What a rule has done to a buffer before it looks: Suricata's transforms. Functions of values; any thread.
#pragma once

#include <span>

#include "base/bytes.h"
#include "formats/rule.h"

namespace skep::payload {

// In this order.
Bytes transformed(ByteView bytes, std::span<const formats::Transform> transforms);

// What base64_decode makes of the bytes, as far as they are base64 (Suricata: RFC 4648 with blanks passed over).
Bytes base64_decoded(ByteView bytes);

}  // namespace skep::payload
