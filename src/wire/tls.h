// TLS 1.3 with certificates on both sides, over memory: ciphertext in, ciphertext out; sockets are the caller's. One
// thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::wire {

enum class Role { proxy, monitor };  // the proxy dials: TLS client; the monitor listens: TLS server

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsContext {
 public:
  // Reads ca.pem and ROLE.pem, ROLE.key from `keys_folder`.
  static Result<TlsContext> load(const std::string& keys_folder, Role role);
  Role role() const { return role_; }
  SSL_CTX* get() const { return context_.get(); }

 private:
  TlsContext(Role role, SSL_CTX* context) : role_(role), context_(context) {}
  Role role_;
  std::unique_ptr<SSL_CTX, SslContextFree> context_;
};

class TlsChannel {
 public:
  explicit TlsChannel(const TlsContext& context);

  // Bytes from the peer. An error ends the connection: its words say what the peer did.
  Status receive(ByteView ciphertext);
  // What must go to the peer, handshake included.
  Bytes take_outgoing();
  // The handshake is over and the peer has shown a certificate of the other role.
  bool established() const { return established_; }
  Status send(ByteView plain);
  Bytes take_plain() { return std::exchange(plain_, {}); }

 private:
  Status handshake();
  Status check_peer();
  Status read_plain();

  Role role_;
  std::unique_ptr<SSL, SslFree> ssl_;
  BIO* incoming_;  // owned by ssl_
  BIO* outgoing_;
  bool established_ = false;
  Bytes plain_;
};

// What OpenSSL's error queue says, emptied.
std::string openssl_words();

}  // namespace skep::wire
