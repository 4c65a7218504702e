#include "capture/capture_file.h"

#include <pcap/pcap.h>

#include <memory>

namespace skep::capture {
namespace {

struct PcapClose {
  void operator()(pcap_t* file) const { ::pcap_close(file); }
};
using Pcap = std::unique_ptr<pcap_t, PcapClose>;

void count(const Frame& frame, CaptureCounts& counts) {
  ++counts.packets;
  switch (frame.kind) {
    case Frame::Kind::tcp:
      ++counts.tcp;
      counts.cut_short += frame.segment.payload.size() < frame.segment.bytes ? 1 : 0;
      break;
    case Frame::Kind::fragment:
      ++counts.fragments;
      break;
    case Frame::Kind::other:
      ++counts.other;
      break;
    case Frame::Kind::damaged:
      ++counts.damaged;
      break;
  }
}

}  // namespace

Result<CaptureRead> read_capture(std::FILE* opened, ClientStreams& streams) {
  char error[PCAP_ERRBUF_SIZE] = {};
  const Pcap file(::pcap_fopen_offline(opened, error));
  if (!file) {
    std::fclose(opened);
    return fail("{}", error);
  }
  const int link_type = ::pcap_datalink(file.get());
  if (!knows_link_type(link_type)) {
    const char* const name = ::pcap_datalink_val_to_name(link_type);
    return fail("link type {} ({}) is not known", link_type, name == nullptr ? "without a name" : name);
  }
  CaptureRead read;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int outcome = 0;
  while ((outcome = ::pcap_next_ex(file.get(), &header, &bytes)) == 1) {
    Frame frame = read_frame(link_type, {bytes, header->caplen});
    count(frame, read.counts);
    if (frame.kind != Frame::Kind::tcp) continue;
    frame.segment.time_ns = header->ts.tv_sec * int64_t{1'000'000'000} + header->ts.tv_usec * 1000;
    streams.take(frame.segment);
  }
  if (outcome == PCAP_ERROR) read.damage = ::pcap_geterr(file.get());
  streams.finish();
  return read;
}

}  // namespace skep::capture
