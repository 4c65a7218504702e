// A message over a Unix socket, with a descriptor beside it. Any thread; nothing is allocated, and sendmsg or recvmsg
// is the only call made, because a child that has just put on a filter sends by it, too.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstring>

#include "base/fd.h"

namespace skep {

// Both return what sendmsg and recvmsg return: -1 with errno, else the bytes of the message.
inline ssize_t send_with_descriptor(int socket, const void* bytes, size_t count, int descriptor) {
  iovec part{const_cast<void*>(bytes), count};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

// `descriptor` stays as it is where none came along.
inline ssize_t receive_with_descriptor(int socket, void* bytes, size_t count, Fd& descriptor) {
  iovec part{bytes, count};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    descriptor.reset(fd);
  }
  return got;
}

}  // namespace skep
