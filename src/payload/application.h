// Which protocol a client speaks, by its first bytes, whatever the port: by the patterns that Suricata 7 has for
// clients. What it goes by the port for is told by what a client must send first there: RDP and Telnet. Functions of
// values; any thread.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "formats/rule.h"

namespace skep::payload {

// After so many bytes the answer does not change any more.
constexpr size_t kApplicationBytes = 64;

enum class Recognition : uint8_t { undecided, none, found };
struct Application {
  Recognition recognition = Recognition::undecided;
  formats::RuleProtocol protocol = formats::RuleProtocol::tcp;  // where found
};
// `bytes`: from the stream's beginning, as far as they have come. The more there are the surer: what is found or none
// stays so, whatever follows.
Application recognise(ByteView bytes);

}  // namespace skep::payload
