#include "wire/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace skep::wire {
namespace {

constexpr const char* name_of(Role role) {
  return role == Role::proxy ? "proxy" : "monitor";
}
constexpr Role other(Role role) {
  return role == Role::proxy ? Role::monitor : Role::proxy;
}

std::string common_name(X509* certificate) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

}  // namespace

std::string openssl_words() {
  std::string words;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!words.empty()) words += "; ";
    words += reason != nullptr ? reason : "unknown error";
  }
  return words.empty() ? "no reason given" : words;
}

Result<TlsContext> TlsContext::load(const std::string& keys_folder, Role role) {
  TlsContext context(role, SSL_CTX_new(role == Role::proxy ? TLS_client_method() : TLS_server_method()));
  SSL_CTX* const ssl = context.get();
  if (ssl == nullptr) return fail("TLS: {}", openssl_words());
  SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ssl, 0);
  SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // The purpose (extended key usage) follows from the role: a stolen monitor's key cannot pass for a proxy's.
  X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ssl),
                                role == Role::proxy ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  const std::string ca = keys_folder + "/ca.pem";
  const std::string certificate = fmt::format("{}/{}.pem", keys_folder, name_of(role));
  const std::string key = fmt::format("{}/{}.key", keys_folder, name_of(role));
  if (SSL_CTX_load_verify_file(ssl, ca.c_str()) != 1)
    return fail("keys: {}: {} (`skep keys init {}` makes them)", ca, openssl_words(), keys_folder);
  if (SSL_CTX_use_certificate_chain_file(ssl, certificate.c_str()) != 1)
    return fail("keys: {}: {}", certificate, openssl_words());
  if (SSL_CTX_use_PrivateKey_file(ssl, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail("keys: {}: {}", key, openssl_words());
  if (SSL_CTX_check_private_key(ssl) != 1) return fail("keys: {} does not belong to {}", key, certificate);
  return context;
}

TlsChannel::TlsChannel(const TlsContext& context)
    : role_(context.role()),
      ssl_(SSL_new(context.get())),
      incoming_(BIO_new(BIO_s_mem())),
      outgoing_(BIO_new(BIO_s_mem())) {
  SKEP_CHECK(ssl_ && incoming_ != nullptr && outgoing_ != nullptr);
  SSL_set_bio(ssl_.get(), incoming_, outgoing_);
  if (role_ == Role::proxy) {
    SSL_set_connect_state(ssl_.get());
    // The first flight; it cannot fail, there is nothing to answer yet.
    SSL_do_handshake(ssl_.get());
    ERR_clear_error();
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

Status TlsChannel::receive(ByteView ciphertext) {
  ERR_clear_error();
  if (BIO_write(incoming_, ciphertext.data(), static_cast<int>(ciphertext.size())) !=
      static_cast<int>(ciphertext.size())) {
    return fail("TLS: no memory for {} bytes", ciphertext.size());
  }
  if (!established_) {
    if (auto shaken = handshake(); !shaken || !established_) return shaken;
  }
  return read_plain();
}

Status TlsChannel::handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return check_peer();
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
  return fail("TLS handshake: {}", openssl_words());
}

Status TlsChannel::check_peer() {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
  if (!certificate) return fail("TLS: the peer has shown no certificate");
  const std::string name = common_name(certificate.get());
  if (name != name_of(other(role_)))
    return fail("TLS: the peer's certificate is for '{}', not '{}'", name, name_of(other(role_)));
  established_ = true;
  return {};
}

Status TlsChannel::read_plain() {
  uint8_t block[16384];
  while (true) {
    const int got = SSL_read(ssl_.get(), block, sizeof block);
    if (got > 0) {
      plain_.insert(plain_.end(), block, block + got);
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), got);
    if (error == SSL_ERROR_WANT_READ) return {};
    if (error == SSL_ERROR_ZERO_RETURN) return fail("TLS: the peer has closed the channel");
    return fail("TLS: {}", openssl_words());
  }
}

Bytes TlsChannel::take_outgoing() {
  Bytes out(BIO_ctrl_pending(outgoing_));
  if (!out.empty()) BIO_read(outgoing_, out.data(), static_cast<int>(out.size()));
  return out;
}

Status TlsChannel::send(ByteView plain) {
  ERR_clear_error();
  while (!plain.empty()) {
    const int written = SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
    if (written <= 0) return fail("TLS: {}", openssl_words());
    plain = plain.subspan(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace skep::wire
