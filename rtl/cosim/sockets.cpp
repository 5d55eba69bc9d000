// SPDX-License-Identifier: Apache-2.0
// Sockets, see sockets.h.
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vkcosim {

void Fd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

Listener::~Listener() {
  if (!path_.empty()) unlink(path_.c_str());
}

bool Listener::listen_unix(const std::string& path, std::string* error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    *error = "socket path '" + path + "' must be 1 to " + std::to_string(sizeof address.sun_path - 1) +
             " bytes long; use a shorter runtime folder";
    return false;
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  struct stat info{};
  if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
    Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN) {
      *error = "socket " + path + " is in use by another process; stop it or choose another path";
      return false;
    }
    unlink(path.c_str());
  }
  if (!fd || bind(fd.get(), generic, sizeof address) != 0) {
    *error = "cannot bind socket " + path + ": " + strerror(errno);
    return false;
  }
  path_ = path;
  chmod(path.c_str(), 0600);
  if (listen(fd.get(), 8) != 0) {
    *error = "cannot listen on " + path + ": " + strerror(errno);
    return false;
  }
  fd_ = std::move(fd);
  return true;
}

bool Listener::listen_tcp(uint16_t port, std::string* error) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 8) != 0) {
    *error = "cannot listen on TCP port " + std::to_string(port) + " of loopback: " + strerror(errno);
    return false;
  }
  socklen_t length = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  fd_ = std::move(fd);
  return true;
}

Fd Listener::accept() {
  if (!fd_) return Fd();
  Fd client(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (client && path_.empty()) {
    const int on = 1;  // short answers must not wait for the peer's delayed acknowledge
    setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return client;
}

void ByteQueue::pop(size_t count) {
  head_ += std::min(count, size());
  if (head_ == text_.size()) {
    clear();
  } else if (head_ > 65536 && head_ > text_.size() / 2) {
    text_.erase(0, head_);
    head_ = 0;
  }
}

void ByteQueue::clear() {
  text_.clear();
  head_ = 0;
}

IoResult receive_some(int fd, ByteQueue* queue, size_t limit) {
  char buffer[16384];
  const ssize_t got = recv(fd, buffer, std::min(limit, sizeof buffer), MSG_DONTWAIT);
  if (got > 0) {
    queue->append(buffer, static_cast<size_t>(got));
    return IoResult::kOk;
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return IoResult::kWouldBlock;
  return IoResult::kClosed;
}

IoResult send_some(int fd, ByteQueue* queue) {
  while (!queue->empty()) {
    const ssize_t sent = send(fd, queue->data(), queue->size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      queue->pop(static_cast<size_t>(sent));
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      return IoResult::kWouldBlock;
    } else {
      return IoResult::kClosed;
    }
  }
  return IoResult::kOk;
}

}  // namespace vkcosim
