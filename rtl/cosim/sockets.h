// SPDX-License-Identifier: Apache-2.0
// Sockets: an owned file descriptor, listeners on a UNIX path or a loopback TCP port, non-blocking byte
// streams.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace vkcosim {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();
  // Both say in `error` what is wrong. A socket file left behind by a dead process is replaced, a live one is
  // not.
  bool listen_unix(const std::string& path, std::string* error);
  bool listen_tcp(uint16_t port, std::string* error);
  // The next waiting client, non-blocking and close-on-exec, or an empty Fd.
  Fd accept();
  int fd() const { return fd_.get(); }
  // The port that was bound (0 asks for a free one).
  uint16_t port() const { return port_; }

 private:
  Fd fd_;
  std::string path_;
  uint16_t port_ = 0;
};

// Bytes waiting to be sent or used: appended at the end, taken from the front.
class ByteQueue {
 public:
  size_t size() const { return text_.size() - head_; }
  bool empty() const { return size() == 0; }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(text_.data()) + head_; }
  void append(const void* data, size_t count) { text_.append(static_cast<const char*>(data), count); }
  void push(uint8_t byte) { text_.push_back(static_cast<char>(byte)); }
  uint8_t front() const { return static_cast<uint8_t>(text_[head_]); }
  void pop(size_t count = 1);
  void clear();

 private:
  std::string text_;
  size_t head_ = 0;
};

enum class IoResult { kOk, kWouldBlock, kClosed };

// Reads up to `limit` bytes to the end of `queue`.
IoResult receive_some(int fd, ByteQueue* queue, size_t limit);
// Sends what the socket takes now. kClosed when the other side is gone.
IoResult send_some(int fd, ByteQueue* queue);

}  // namespace vkcosim
