// What a request asks for, taken apart and decoded as Suricata 7 does by default: as a server that takes everything for
// what it may mean. Functions of values; any thread.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace skep::http {

struct Uri {
  std::optional<ByteView> host;
  std::optional<ByteView> path;
  std::optional<ByteView> query;     // without its '?'
  std::optional<ByteView> fragment;  // without its '#'
};

Uri split_uri(ByteView uri);
// Of CONNECT, which names a host and a port alone.
Uri split_authority(ByteView uri);
// The name in "name:port", "[address]:port" or without a port. nullopt: there is none.
std::optional<ByteView> host_in(ByteView host_and_port);

// Decoding it changes nothing: what follows would bring the same bytes.
bool is_plain_uri(ByteView uri);
// Its path decoded (%2f, %u002f, \, UTF-8), without "//", "/./" and "/../"; then its query and its fragment.
void append_decoded(Bytes& out, const Uri& uri);
// Decoded, in lower case, without dots at its end.
void append_decoded_host(Bytes& out, ByteView host);

}  // namespace skep::http
