// SPDX-License-Identifier: Apache-2.0
// The server's serial console: QEMU's COM1 connects to a UNIX socket, hosts connect to a TCP port, and every
// byte of the server is also shown to the analyser's console pin. Every host client gets all output and may
// type.
//
// The newest QEMU wins (a power cycle may connect before the old end is seen closed). A host client that does
// not read is kept for up to kMaxBacklog bytes and then disconnected, with a log line: a connected client
// loses nothing.
#pragma once

#include <poll.h>

#include <cstdint>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include "console_reader.h"
#include "counters.h"
#include "sockets.h"

class Vcosim_top;

namespace vkcosim {

class Console {
 public:
  static constexpr size_t kMaxBacklog = 4u << 20;  // bytes per host client
  static constexpr size_t kMaxClients = 16;
  static constexpr size_t kMaxPending = 65536;  // bytes waiting for the console pin, or for the server

  // `delay` cycles: every byte reaches the pin so much later than it should (a known error, for tests).
  Console(Vcosim_top& pins, Counters& counters, uint64_t delay)
      : pins_(pins), counters_(counters), delay_(delay) {}
  Listener& server_listener() { return server_listener_; }
  Listener& host_listener() { return host_listener_; }

  void add_poll(std::vector<pollfd>* set) const;
  void service();
  // Takes everything that the server has sent so far; that waits for show().
  void drain_server();
  // The oldest text that waits for show(): when it came in, CLOCK_MONOTONIC in seconds.
  bool waits() const { return !texts_.empty(); }
  double came_s() const { return texts_.front().came_s; }
  // The oldest text goes to the pin, behind what is on its way there.
  void show();

  // After the rising edge: the next byte, one a cycle.
  void advance();
  // Texts are timed at a real-time priority.
  bool realtime() const { return reader_.realtime(); }
  // No byte waits for the pin or stands on it, but for those that are delayed.
  bool idle() const { return texts_.empty() && pending_.empty() && (!driving_ || delay_ != 0); }

 private:
  struct Client {
    Fd fd;
    ByteQueue out;
  };
  void accept_clients();
  void close_server();
  void relay(const ByteQueue& fresh);
  void read_hosts();
  // Takes the next byte for the pin.
  bool next(uint8_t* byte);

  Vcosim_top& pins_;
  Counters& counters_;
  Listener server_listener_, host_listener_;
  Fd server_;
  ConsoleReader reader_;  // ends before server_ is closed
  ByteQueue to_server_;
  std::list<Client> clients_;
  std::deque<ConsoleText> texts_;  // what the server has sent, until show()
  size_t waiting_ = 0;             // bytes in texts_
  ByteQueue pending_;     // server bytes on their way to the console pin
  const uint64_t delay_;
  uint64_t now_ = 0;  // cycles, counted only with a delay
  std::deque<std::pair<uint64_t, uint8_t>> delayed_;  // when to show it, byte
  bool driving_ = false;  // con_valid_i is 1
};

}  // namespace vkcosim
