// SPDX-License-Identifier: Apache-2.0
// The analyser's SCPI port: one TCP client, the newest wins, bytes to and from the core's scpi_rx and
// scpi_tx.
//
// When a client goes (or is replaced) its answer may still be under way. The port then ends a half sent
// command line with a newline, throws away output until none came for kQuiet seconds of simulated time, and
// only then listens to the next client: an answer never reaches the wrong client.
#pragma once

#include <poll.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "counters.h"
#include "sockets.h"

class Vcosim_top;

namespace vkcosim {

class ScpiPort {
 public:
  static constexpr double kQuiet = 10e-3;
  static constexpr size_t kMaxIn = 65536;      // bytes read ahead from the client
  static constexpr size_t kMaxOut = 4u << 20;  // bytes for a client that reads slowly; then the core waits

  ScpiPort(uint32_t clock_hz, Vcosim_top& pins, const uint64_t& cycle, Counters& counters);
  Listener& listener() { return listener_; }

  void add_poll(std::vector<pollfd>* set) const;
  void service();
  // As if a client had sent it.
  void type(const char* text) { in_.append(text, strlen(text)); }
  // Sends what the core has produced.
  void flush();

  void sample();
  void advance();

 private:
  void drop_client(const char* why);

  Vcosim_top& pins_;
  const uint64_t& cycle_;
  Counters& counters_;
  const uint64_t quiet_cycles_;
  Listener listener_;
  Fd client_;
  ByteQueue in_, out_;
  bool mid_line_ = false;     // the core has been given part of a line
  bool clearing_ = false;     // output of an earlier client is being thrown away
  uint64_t last_output_ = 0;  // cycle
  bool rx_taken_ = false;
};

}  // namespace vkcosim
