// SPDX-License-Identifier: Apache-2.0
// The vfio-user socket: one client at a time (others wait in the backlog), message framing, descriptor
// passing. A message that cannot be framed closes the connection; everything else that is wrong gets an error
// reply.
#pragma once

#include <poll.h>

#include <vector>

#include "counters.h"
#include "sockets.h"
#include "vfio_device.h"
#include "vfio_protocol.h"

namespace vkcosim {

class VfioServer {
 public:
  VfioServer(VfioDevice& device, Counters& counters) : device_(device), counters_(counters) {}
  ~VfioServer() { close_client(nullptr); }
  Listener& listener() { return listener_; }
  void add_poll(std::vector<pollfd>* set) const;
  void service();

 private:
  enum class Progress { kMessage, kWait, kClosed };
  Progress receive();
  bool take_descriptors(void* message);
  void dispatch();
  void reply(int error, const std::vector<uint8_t>& payload);
  // `why` null: an ordinary end.
  void close_client(const char* why);

  VfioDevice& device_;
  Counters& counters_;
  Listener listener_;
  Fd client_;
  vfio::Header header_{};
  size_t got_ = 0;  // bytes of the current message
  VfioCommand command_;
  ByteQueue out_;
};

}  // namespace vkcosim
