#include "http/unpacker.h"

namespace skep::http {

namespace {

constexpr int kRawDeflate = -15;
constexpr int kGzipOrZlib = 15 + 32;

}  // namespace

Unpacker::Unpacker(Packing packing) : packing_(packing) {
  start();
}
Unpacker::~Unpacker() {
  stop();
}

void Unpacker::start() {
  stream_ = {};
  const bool gzip = (packing_ == Packing::gzip) != other_;
  started_ = inflateInit2(&stream_, gzip ? kGzipOrZlib : kRawDeflate) == Z_OK;
  if (!started_) state_ = State::plain;
}

void Unpacker::stop() {
  if (started_) inflateEnd(&stream_);
  started_ = false;
}

void Unpacker::next(uint8_t packed) {
  last_ = packed;
  if (state_ == State::packed && !brought_ && in_.size() <= kTried) in_.push_back(packed);
  stream_.next_in = &last_;
  stream_.avail_in = 1;
}

ByteView Unpacker::more() {
  if (state_ == State::over) return {};
  if (state_ == State::plain) {
    if (stream_.avail_in == 0) return {};
    const ByteView rest(stream_.next_in, stream_.avail_in);
    stream_.avail_in = 0;
    return rest;
  }
  stream_.next_out = out_;
  stream_.avail_out = sizeof out_;
  const int status = inflate(&stream_, Z_NO_FLUSH);
  const size_t size = sizeof out_ - stream_.avail_out;
  if (status == Z_STREAM_END) {
    stop();
    state_ = State::over;
  } else if (status != Z_OK && status != Z_BUF_ERROR) {
    if (size == 0) {
      try_another();
      return more();
    }
    stop();
    state_ = State::plain;
    stream_.avail_in = 0;
  }
  if (size != 0 && !brought_) {
    brought_ = true;
    in_ = Bytes();
  }
  return {out_, size};
}

// The bytes so far brought nothing: they are read as the other packing, then as none.
void Unpacker::try_another() {
  stop();
  if (brought_) {
    state_ = State::plain;
    stream_.next_in = &last_;
    stream_.avail_in = 1;
    return;
  }
  if (!other_ && in_.size() <= kTried) {
    other_ = true;
    start();
  } else {
    state_ = State::plain;
  }
  stream_.next_in = in_.data();
  stream_.avail_in = static_cast<unsigned>(in_.size());
}

}  // namespace skep::http
