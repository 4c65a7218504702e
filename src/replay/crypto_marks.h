// The marks by which cryptography is recognised that bytes sent again cannot answer. Pure.
#pragma once

#include <string>

#include "replay/draft.h"

namespace skep::replay {

// "TLS", "SSH key exchange", "SCRAM" …; empty: nothing of the kind.
std::string recognised_crypto(const Recording& recording);
// After all echoes have been claimed. What is as long as a digest, looks like one, is new since the server sent a
// nonce, and is no echo, is unresolved; before any nonce the client has chosen it.
void claim_digests(Draft& draft);
// The tests behind it, of a word or of bytes.
bool is_as_digest(ByteView bytes);
bool holds_nonce(ByteView bytes);
// What stands there is the client's to choose: a WebSocket's key, a boundary …
bool is_behind_chosen_name(ByteView bytes, size_t at);

}  // namespace skep::replay
