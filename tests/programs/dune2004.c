/* dune2004: a forking web server as they were written in 2004. The Host field is copied into a stack buffer without a
 * check; the build (CMakeLists.txt) leaves the stack executable and the addresses fixed. It is the demo's bait and
 * useless elsewhere: it listens on loopback and on the testbed's network alone. Built with REPAIRED the copy ends where
 * the buffer does, and nothing else is different: dune2004_repaired. Built with SHIFTING each connection's stack begins
 * at one of two places, so that an attack that knows one of them succeeds now and then: dune2004_shifting. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 8192, HOST_BYTES = 256 };

#ifdef REPAIRED
#define HAS_ROOM(to, host) ((to) < (host) + HOST_BYTES - 1)
#else
#define HAS_ROOM(to, host) 1
#endif

/* The flaw: as long as the line is, so much is copied. */
static int serve_host(const char* field) {
  char host[HOST_BYTES];
  register char* to = host;
  while (HAS_ROOM(to, host) && *field && *field != '\r' && *field != '\n') *to++ = *field++;
  *to = 0;
  return host[0] == 0;
}

static void answer(int client, const char* path) {
  char page[512], head[256];
  int bytes = snprintf(page, sizeof page, "<html><body><h1>Dune</h1><p>You asked for %.200s</p></body></html>\n", path);
  int head_bytes =
      snprintf(head, sizeof head,
               "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", bytes);
  write(client, head, head_bytes);
  write(client, page, bytes);
}

/* The head, and as much of a body as it announces; all into one buffer. */
static int read_request(int client, char* request) {
  int have = 0, want = REQUEST_BYTES - 1;
  while (have < want) {
    int got = read(client, request + have, want - have);
    if (got <= 0) return have;
    have += got;
    request[have] = 0;
    char* end = memmem(request, have, "\r\n\r\n", 4);
    if (!end) continue;
    char* length = strcasestr(request, "Content-Length: ");
    int body = length && length < end ? atoi(length + 16) : 0;
    if (have >= end + 4 - request + body) return have;
  }
  return have;
}

static void serve(int client) {
  char request[REQUEST_BYTES];
  char path[256] = "/";
  if (read_request(client, request) <= 0) return;
  sscanf(request, "%*15s %255s", path);
  char* host = strcasestr(request, "\r\nHost: ");
  if (host) serve_host(host + 8);
  answer(client, path);
}

#ifdef SHIFTING
enum { SHIFT_BYTES = 8192 };
static void serve_somewhere(int client) {
  unsigned char chance = 0;
  getrandom(&chance, 1, 0);
  volatile char above[1 + chance % 2 * SHIFT_BYTES];
  above[0] = 0;
  serve(client);
}
#else
#define serve_somewhere serve
#endif

static int allowed(in_addr_t address) {
  unsigned host = ntohl(address);
  return host >> 24 == 127 || host >> 8 == (10u << 16 | 99u << 8 | 0);
}

int main(int argc, char** argv) {
  struct sockaddr_in where = {.sin_family = AF_INET};
  struct rlimit no_core = {0, 0};
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  if (argc != 3 || !inet_aton(argv[1], &where.sin_addr) || !allowed(where.sin_addr.s_addr)) {
    fprintf(
        stderr,
        "usage: dune2004 ADDRESS PORT, with an address in 127.0.0.0/8 or 10.99.0.0/24: it is vulnerable by intent\n");
    return 2;
  }
  where.sin_port = htons(atoi(argv[2]));
  setrlimit(RLIMIT_CORE, &no_core);
  signal(SIGCHLD, SIG_IGN);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr*)&where, sizeof where) || listen(listener, 128)) {
    perror("dune2004");
    return 1;
  }
  for (;;) {
    int client = accept(listener, 0, 0);
    if (client < 0) continue;
    if (fork() == 0) {
      close(listener);
      serve_somewhere(client);
      _exit(0);
    }
    close(client);
  }
}
