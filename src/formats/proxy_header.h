// The header by which a balancer tells whose connection it passes on: the PROXY protocol, versions 1 (a line of text)
// and 2 (binary), as haproxy.org's proxy-protocol.txt of 2020 has it. It stands before the first byte of the client.
// Reads from bytes in place; any thread.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "model/session.h"

namespace skep::formats {

struct ProxyHeader {
  enum class State : uint8_t {
    incomplete,  // as far as it goes it may be one
    whole,
    refused,  // it is none, whatever may follow: `why`
  };
  State state = State::incomplete;
  size_t bytes = 0;  // of a whole one: the client's first byte is behind them
  // False: LOCAL, UNKNOWN, or addresses that are none of TCP: the connection's own ends are meant.
  bool told = false;
  Endpoint client;    // where told
  Endpoint entrance;  // where it connected to at the balancer
  const char* why = "";
};

constexpr size_t kProxyLineBytesMax = 107;     // of version 1, with its CR LF
constexpr size_t kProxyHeaderBytesMax = 4096;  // of version 2, with all that is appended: longer is refused

// `bytes`: all that has come so far. The state of a beginning that is whole or refused is that of any longer one.
ProxyHeader read_proxy_header(ByteView bytes);

}  // namespace skep::formats
