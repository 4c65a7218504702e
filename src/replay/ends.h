// What a client's messages say of the ends of its connection and of the clock, and where the service named a port.
#pragma once

#include "replay/draft.h"

namespace skep::replay {

// Addresses and ports of the recorded target, of the attacker, and of where the service called back: in text, as FTP's
// six octets, and as in_addr beside its port.
void claim_addresses(Draft& draft);
// Seconds, milli-, micro- or nanoseconds since 1970 within kClockReach of the message's time, as digits or as hex.
void claim_clock(Draft& draft);
// The ports of connections which the client opened because the service told it to.
void name_ports(Draft& draft);

}  // namespace skep::replay
