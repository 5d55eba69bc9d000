// SPDX-License-Identifier: Apache-2.0
// Reads the server's console in a thread of its own, which notes when each piece came in. The thread sleeps in
// poll(), so the kernel says how long it waited for a processor after the piece had woken it: the time that it notes
// is never later than the piece, however busy the host is. (A process that is stopped by a signal, or a machine
// that is itself stolen its processors, is not seen that way.) Where the system lets it, the thread goes before all
// that is not real-time: a text that comes while it naps is otherwise noted earlier than it came, by its whole wait.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "sockets.h"

namespace vkcosim {

// Bytes of the server, and when they came: CLOCK_MONOTONIC, seconds.
struct ConsoleText {
  double came_s;
  ByteQueue bytes;
};

class ConsoleReader {
 public:
  static constexpr size_t kMaxWaiting = 65536;  // bytes; more stay in the socket
  static constexpr long kNapNs = 50'000;        // between two pieces: a text is not worth a wake-up for each byte

  // `realtime`: at a real-time priority, where the system lets it.
  explicit ConsoleReader(bool realtime = true);
  ~ConsoleReader();
  ConsoleReader(const ConsoleReader&) = delete;
  ConsoleReader& operator=(const ConsoleReader&) = delete;

  // Reads from this socket from now on, which must stay open until detach().
  void attach(int fd);
  void detach();
  // Moves everything that the server has sent before this call to the end of `texts`. kClosed at the end of the
  // stream, when all of it was taken.
  IoResult take(std::deque<ConsoleText>* texts);
  // Whether the thread has the real-time priority.
  bool realtime() const { return realtime_; }

 private:
  // What the thread has spent since it was started: waiting for a processor, and running. Below 0: unknown.
  double spent_s() const;
  void run(bool realtime);
  // Takes one piece, with the lock held.
  IoResult receive(double came_s);
  void kick();

  Fd kick_, spent_file_;
  std::mutex mutex_;
  std::condition_variable progress_;
  std::deque<ConsoleText> texts_;
  size_t waiting_ = 0;    // bytes in texts_
  int fd_ = -1;           // -1: none, or its stream has ended
  bool ended_ = false;
  bool asleep_ = false;   // in poll(): what comes in wakes the thread
  double empty_s_ = 0;    // the socket was seen empty not before this time
  bool stop_ = false;
  std::atomic<bool> realtime_ = false;
  std::thread thread_;
};

}  // namespace vkcosim
