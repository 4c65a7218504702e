#include "wire/keys.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <memory>

#include "base/file.h"
#include "wire/tls.h"

namespace skep::wire {
namespace {

constexpr long kDay = 86400;
constexpr long kCaDays = 3650;
constexpr long kLeafDays = 825;

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct CertificateFree {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;
using Certificate = std::unique_ptr<X509, CertificateFree>;

struct Pair {
  Key key;
  Certificate certificate;
};

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// `usage` nullptr: a CA. `issuer` nullptr: signed by itself.
Result<Pair> make_pair(const char* name, const char* usage, const Pair* issuer) {
  Pair pair{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* const certificate = pair.certificate.get();
  if (!pair.key || certificate == nullptr) return fail("make a key: {}", openssl_words());
  X509* const signer = issuer != nullptr ? issuer->certificate.get() : certificate;
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);  // hosts whose clocks differ a little
  X509_gmtime_adj(X509_getm_notAfter(certificate), (usage == nullptr ? kCaDays : kLeafDays) * kDay);
  X509_set_pubkey(certificate, pair.key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  const bool extended = usage == nullptr
                            ? add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                                  add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign")
                            : add_extension(certificate, signer, NID_basic_constraints, "critical,CA:FALSE") &&
                                  add_extension(certificate, signer, NID_key_usage, "critical,digitalSignature") &&
                                  add_extension(certificate, signer, NID_ext_key_usage, usage);
  if (!extended) return fail("make a certificate: {}", openssl_words());
  EVP_PKEY* const signing_key = issuer != nullptr ? issuer->key.get() : pair.key.get();
  if (X509_sign(certificate, signing_key, EVP_sha256()) == 0) return fail("sign a certificate: {}", openssl_words());
  return pair;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(bytes));
}

Status write_pair(const std::string& folder, const std::string& name, const Pair& pair,
                  std::vector<std::string>& made) {
  const std::unique_ptr<BIO, BioFree> certificate(BIO_new(BIO_s_mem()));
  const std::unique_ptr<BIO, BioFree> key(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate.get(), pair.certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key.get(), pair.key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail("write a key: {}", openssl_words());
  }
  const std::string base = folder + "/" + name;
  if (auto written = write_file(base + ".pem", text_of(certificate.get()), 0644); !written) return written;
  if (auto written = write_file(base + ".key", text_of(key.get()), 0600); !written) return written;
  made.push_back(base + ".pem");
  made.push_back(base + ".key");
  return {};
}

}  // namespace

Result<std::vector<std::string>> init_keys(const std::string& folder) {
  if (auto ready = make_directories(folder, 0755); !ready) return tl::unexpected<Error>(ready.error());
  for (const char* name : {"ca", "proxy", "monitor"}) {
    for (const char* ending : {".pem", ".key"}) {
      const std::string path = folder + "/" + name + ending;
      if (::access(path.c_str(), F_OK) == 0) return fail("{} is there already: keys are never overwritten", path);
    }
  }
  auto ca = make_pair("skep CA", nullptr, nullptr);
  if (!ca) return tl::unexpected<Error>(ca.error());
  auto proxy = make_pair("proxy", "clientAuth", &*ca);
  if (!proxy) return tl::unexpected<Error>(proxy.error());
  auto monitor = make_pair("monitor", "serverAuth", &*ca);
  if (!monitor) return tl::unexpected<Error>(monitor.error());
  std::vector<std::string> made;
  for (const auto& [name, pair] :
       {std::pair<const char*, const Pair*>{"ca", &*ca}, {"proxy", &*proxy}, {"monitor", &*monitor}}) {
    if (auto written = write_pair(folder, name, *pair, made); !written) return tl::unexpected<Error>(written.error());
  }
  return made;
}

}  // namespace skep::wire
