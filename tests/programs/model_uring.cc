// One thread and one ring: accept, receive, answer, all by io_uring. Without a library: three calls' worth of rings.
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstring>
#include <map>

#include "models.h"
#include "net.h"

namespace {

constexpr unsigned kEntries = 256;

class Ring {
 public:
  Ring() {
    io_uring_params setup{};
    fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, kEntries, &setup));
    if (fd_ < 0) {
      std::perror("model_server: io_uring");
      std::exit(1);
    }
    submissions_ = map(setup.sq_off.array + setup.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    completions_ = map(setup.cq_off.cqes + setup.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
    entries_ = reinterpret_cast<io_uring_sqe*>(map(setup.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
    at_ = setup;
  }
  void submit(uint8_t what, int fd, void* memory, unsigned bytes, uint64_t ticket) {
    unsigned& tail = word(submissions_, at_.sq_off.tail);
    const unsigned slot = tail & word(submissions_, at_.sq_off.ring_mask);
    io_uring_sqe& entry = entries_[slot];
    std::memset(&entry, 0, sizeof entry);
    entry.opcode = what;
    entry.fd = fd;
    entry.addr = reinterpret_cast<uint64_t>(memory);
    entry.len = bytes;
    entry.user_data = ticket;
    word(submissions_, at_.sq_off.array + slot * static_cast<unsigned>(sizeof(unsigned))) = slot;
    std::atomic_ref(tail).store(tail + 1, std::memory_order_release);
    ++unsubmitted_;
  }
  io_uring_cqe next() {
    unsigned& head = word(completions_, at_.cq_off.head);
    while (head == std::atomic_ref(word(completions_, at_.cq_off.tail)).load(std::memory_order_acquire)) {
      const long taken = ::syscall(SYS_io_uring_enter, fd_, unsubmitted_, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
      if (taken > 0) unsubmitted_ -= static_cast<unsigned>(taken);
    }
    const auto* const all = reinterpret_cast<io_uring_cqe*>(completions_ + at_.cq_off.cqes);
    const io_uring_cqe done = all[head & word(completions_, at_.cq_off.ring_mask)];
    std::atomic_ref(head).store(head + 1, std::memory_order_release);
    return done;
  }

 private:
  char* map(size_t bytes, off_t what) {
    return static_cast<char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, what));
  }
  static unsigned& word(char* ring, unsigned offset) { return *reinterpret_cast<unsigned*>(ring + offset); }

  int fd_ = -1;
  char *submissions_ = nullptr, *completions_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
  io_uring_params at_{};
  unsigned unsubmitted_ = 0;
};

struct Client {
  char block[512];
  std::string line, reply;
};

}  // namespace

void uring_model(int listener) {
  Ring ring;
  std::map<int, Client> clients;
  ring.submit(IORING_OP_ACCEPT, listener, nullptr, 0, static_cast<uint64_t>(listener));
  for (;;) {
    const io_uring_cqe done = ring.next();
    const int fd = static_cast<int>(done.user_data);
    if (fd == listener) {
      ring.submit(IORING_OP_ACCEPT, listener, nullptr, 0, done.user_data);
      if (done.res >= 0)
        ring.submit(IORING_OP_RECV, done.res, clients[done.res].block, sizeof Client::block,
                    static_cast<uint64_t>(done.res));
      continue;
    }
    Client& client = clients[fd];
    if (done.res > 0 && client.reply.empty()) client.line.append(client.block, static_cast<size_t>(done.res));
    if (done.res <= 0 || !client.reply.empty()) {
      ::close(fd);
      clients.erase(fd);
    } else if (has_line(client.line)) {
      client.reply = answer(client.line);
      ring.submit(IORING_OP_SEND, fd, client.reply.data(), static_cast<unsigned>(client.reply.size()), done.user_data);
    } else {
      ring.submit(IORING_OP_RECV, fd, client.block, sizeof Client::block, done.user_data);
    }
  }
}
