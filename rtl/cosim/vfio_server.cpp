// SPDX-License-Identifier: Apache-2.0
// The vfio-user socket, see vfio_server.h.
#include "vfio_server.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "log.h"

namespace vkcosim {
namespace {

constexpr unsigned kMessagesPerTurn = 64;  // then the other sockets and the clock get their share

}  // namespace

void VfioServer::add_poll(std::vector<pollfd>* set) const {
  if (!client_) {
    set->push_back({listener_.fd(), POLLIN, 0});
  } else {
    set->push_back({client_.get(), static_cast<short>(out_.empty() ? POLLIN : POLLOUT), 0});
  }
}

void VfioServer::service() {
  if (!client_) {
    client_ = listener_.accept();
    if (!client_) return;
    got_ = 0;
  }
  if (send_some(client_.get(), &out_) == IoResult::kClosed) return close_client(nullptr);
  // No further command while a reply waits: a client that does not read cannot make us buffer without end.
  for (unsigned i = 0; i < kMessagesPerTurn && client_ && out_.empty(); ++i) {
    const Progress progress = receive();
    if (progress != Progress::kMessage) return;
    dispatch();
    got_ = 0;
  }
}

// Reads the header, then exactly the rest of the message, so that descriptors belong to the message they came
// with.
VfioServer::Progress VfioServer::receive() {
  while (true) {
    const bool in_header = got_ < sizeof header_;
    iovec part{};
    if (in_header) {
      if (got_ == 0) {
        command_.payload.clear();
        command_.fds.clear();
      }
      part = {reinterpret_cast<uint8_t*>(&header_) + got_, sizeof header_ - got_};
    } else {
      const size_t done = got_ - sizeof header_;
      if (done == command_.payload.size()) return Progress::kMessage;
      part = {command_.payload.data() + done, command_.payload.size() - done};
    }
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * vfio::kMaxFds)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(client_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::kWait;
    if (got <= 0) {
      close_client(got_ == 0 ? nullptr : "connection ended inside a message");
      return Progress::kClosed;
    }
    if (!take_descriptors(&message)) {
      close_client("more file descriptors than max_msg_fds in one message");
      return Progress::kClosed;
    }
    got_ += static_cast<size_t>(got);
    if (!in_header || got_ < sizeof header_) continue;
    if (header_.size < sizeof header_ || header_.size > vfio::kMaxMessage) {
      close_client("message size out of range");
      return Progress::kClosed;
    }
    if ((header_.flags & vfio::kTypeMask) != vfio::kTypeCommand) {
      close_client("message is no command");
      return Progress::kClosed;
    }
    command_.command = header_.command;
    command_.payload.resize(header_.size - sizeof header_);
  }
}

bool VfioServer::take_descriptors(void* raw) {
  auto* message = static_cast<msghdr*>(raw);
  for (cmsghdr* item = CMSG_FIRSTHDR(message); item != nullptr; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
      command_.fds.emplace_back(fd);
    }
  }
  return (message->msg_flags & MSG_CTRUNC) == 0 && command_.fds.size() <= vfio::kMaxFds;
}

void VfioServer::dispatch() {
  std::vector<uint8_t> payload;
  const bool reserved = (header_.flags & ~(vfio::kTypeMask | vfio::kNoReply)) != 0;
  const bool first = !device_.negotiated();
  const int error = reserved ? EINVAL : device_.execute(command_, &payload);
  command_.fds.clear();
  if (error != 0) {
    ++counters_.vfio_errors;
    static RateLimit limit;
    limit.line("vfio-user: command %u (%u bytes) refused: %s", header_.command, header_.size,
               strerror(error));
  }
  if ((header_.flags & vfio::kNoReply) == 0) reply(error, payload);
  if (first && !device_.negotiated()) close_client("no version was agreed on");
}

void VfioServer::reply(int error, const std::vector<uint8_t>& payload) {
  const size_t size = sizeof header_ + (error == 0 ? payload.size() : 0);
  vfio::Header header{header_.id, header_.command, static_cast<uint32_t>(size), vfio::kTypeReply, 0};
  if (error != 0) {
    header.flags |= vfio::kError;
    header.error = static_cast<uint32_t>(error);
  }
  out_.append(&header, sizeof header);
  if (error == 0) out_.append(payload.data(), payload.size());
  if (send_some(client_.get(), &out_) == IoResult::kClosed) close_client(nullptr);
}

void VfioServer::close_client(const char* why) {
  if (!client_) return;
  if (why != nullptr) {
    ++counters_.vfio_protocol_closes;
    log().line("vfio-user: connection closed: %s", why);
  } else {
    log().line("vfio-user: client disconnected");
  }
  client_.reset();
  out_.clear();
  command_.fds.clear();
  got_ = 0;
  device_.disconnect();
}

}  // namespace vkcosim
