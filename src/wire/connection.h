// Connection: a Channel on a non-blocking socket. Reads what is there, writes what goes; never waits. One thread.
#pragma once

#include "base/fd.h"
#include "wire/channel.h"

namespace skep::wire {

class Connection {
 public:
  Connection(Fd socket, const TlsContext& context);

  // Reads all that is there and writes all that goes. An error: the connection is over, and why.
  Status pump();
  bool wants_write() { return !channel_.outgoing().empty(); }
  int fd() const { return socket_.get(); }
  Channel& channel() { return channel_; }
  const Channel& channel() const { return channel_; }

 private:
  Status read_all();
  Status write_all();

  Fd socket_;
  Channel channel_;
};

}  // namespace skep::wire
