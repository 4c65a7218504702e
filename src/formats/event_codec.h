// The payloads of a segment's events, to bytes and back. Integers little-endian, texts with a 32-bit length before
// them.
#pragma once

#include <optional>

#include "formats/segment.h"

namespace skep::formats {

Bytes encode(const OpenedEvent& event);
Bytes encode(const ConnectedEvent& event);
Bytes encode(const OriginEvent& event);
Bytes encode(const ServedEvent& event);
Bytes encode(const ProcessEvent& event);
Bytes encode(const NoteEvent& event);
Bytes encode(const FileEvent& event);
Bytes encode(const CrashEvent& event);
Bytes encode(const ClosedEvent& event);
Bytes encode(const Alert& alert);
Bytes encode(const RuleHit& hit);

// nullopt: not such an event.
template <typename Event>
std::optional<Event> decode(ByteView payload);

}  // namespace skep::formats
