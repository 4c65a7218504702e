// Sockets of the testbed's hosts, in the test's own hands: made in a host's network namespace, used from here.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::harness {

// Does it on that host, to its end.
Status act_in_namespace(const std::string& netns, const std::function<void()>& act);
// Blocking, with a time limit of ten seconds on what is sent and received.
Result<Fd> listen_on(const std::string& netns, const std::string& endpoint);
// `source`: the address, of those of the host, that it comes from; empty: the kernel's choice.
Result<Fd> connect_from(const std::string& netns, const std::string& endpoint, const std::string& source = {});
// `name` of /proc/net on the host, as its kernel tells it; "" where it cannot be read.
std::string kernel_file(const std::string& netns, const std::string& name);
// Whether somebody waits at this port of the host, of "tcp" or "udp", at whatever address. Asked of the kernel: to try
// it would be a session, or an answer too many.
bool listens(const std::string& netns, const std::string& protocol, uint16_t port);
// A socket of any kind, not connected; `protocol` as socket() takes it.
Result<Fd> socket_in(const std::string& netns, int family, int type, int protocol);
Result<Fd> accept_one(const Fd& listener);

void send_text(const Fd& socket, std::string_view text);
// The far end of a connection.
Endpoint peer_of(const Fd& socket);
// Until the peer ends, or `most` bytes. `reset`: it ended by a reset.
struct Received {
  std::string text;
  bool reset = false;
  bool timed_out = false;
};
Received receive_all(const Fd& socket, size_t most = SIZE_MAX);
// The peer is to see a reset.
void reset(Fd socket);

}  // namespace skep::harness
