#include "payload/transforms.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace skep::payload {
namespace {

using formats::Transform;

struct TransformCase {
  const char* description;
  std::vector<Transform> transforms;
  std::string_view in;
  std::string_view out;
};

TEST(Transforms, AreThoseOfSuricata) {
  const TransformCase cases[] = {
      {"none", {}, "a b", "a b"},
      {"dotprefix", {Transform::dotprefix}, "a.com", ".a.com"},
      {"dotprefix of nothing", {Transform::dotprefix}, "", ""},
      {"url_decode", {Transform::url_decode}, "a%20b+%27%61%Bc", "a b 'a\xbc"},
      {"url_decode leaves what encodes nothing", {Transform::url_decode}, "%ZZ%u0041%4", "%ZZ%u0041%4"},
      {"url_decode decodes once", {Transform::url_decode}, "%2541", "%41"},
      {"url_decode at the very end", {Transform::url_decode}, "%41", "A"},
      {"strip_whitespace", {Transform::strip_whitespace}, " a\t\r\n\v\fb ", "ab"},
      {"compress_whitespace keeps the first", {Transform::compress_whitespace}, "a\t  b \n", "a\tb "},
      {"to_lowercase", {Transform::to_lowercase}, "AbC\xc4", "abc\xc4"},
      {"to_uppercase", {Transform::to_uppercase}, "aBc\xe4", "ABC\xe4"},
      {"header_lowercase", {Transform::header_lowercase}, "Ab: Cd:E\r\nFG:H\r\nIJ", "ab: Cd:E\r\nfg:H\r\nij"},
      {"strip_pseudo_headers",
       {Transform::strip_pseudo_headers},
       ":method: GET\r\na: :b\r\n:path: /\r\n\r\nc\n",
       "a: :b\r\n\r\nc\n"},
      {"md5", {Transform::to_md5}, "abc", "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72"},
      {"sha1",
       {Transform::to_sha1},
       "abc",
       "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d"},
      {"in their order", {Transform::to_lowercase, Transform::dotprefix, Transform::url_decode}, "A+B", ".a b"},
  };
  for (const TransformCase& each : cases)
    EXPECT_EQ(as_text(transformed(as_bytes(each.in), each.transforms)), each.out) << each.description;
}

TEST(Transforms, Sha256IsOfAllBytes) {
  const Transform transforms[] = {Transform::to_sha256};
  EXPECT_EQ(hex(transformed(as_bytes("abc"), transforms)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct Base64Case {
  const char* description;
  std::string_view in;
  std::string_view out;
};

TEST(Base64Decoded, IsAsSuricataHasIt) {
  const Base64Case cases[] = {
      {"nothing", "", ""},
      {"whole blocks", "SGVsbG8gV29ybGR6", "Hello Worldz"},
      {"one padding", "Zm9vYmE=", "fooba"},
      {"two paddings", "Zm9vYg==", "foob"},
      {"no padding", "Zm9vYmE", "fooba"},
      {"one character of a block", "Zm9vY", "foo"},
      {"a blank ends it", "SGVs bG8=", "Hel"},
      {"what is no base64 ends it", "Zm9vYmE!Zm9v", "fooba"},
      {"one character, and then the end", "Zm9vY!", "foo\x60"},
      {"behind padding it goes on", "Zg==Zm9v", "ffoo"},
      {"nothing of base64", "!!!!", ""},
      {"padding alone", "====", ""},
      {"plus and slash", "+/+/", "\xfb\xff\xbf"},
  };
  for (const Base64Case& each : cases)
    EXPECT_EQ(as_text(base64_decoded(as_bytes(each.in))), each.out) << each.description;
}

}  // namespace
}  // namespace skep::payload
