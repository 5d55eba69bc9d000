// SPDX-License-Identifier: Apache-2.0
// The console's reader thread, see console_reader.h.
#include "console_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "log.h"

namespace vkcosim {
namespace {

int unread(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
}

}  // namespace

ConsoleReader::ConsoleReader(bool realtime)
    : kick_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), thread_([this, realtime] { run(realtime); }) {}

ConsoleReader::~ConsoleReader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  kick();
  thread_.join();
}

void ConsoleReader::kick() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t done = write(kick_.get(), &one, sizeof one);
}

void ConsoleReader::attach(int fd) {
  {
    const std::lock_guard lock(mutex_);
    fd_ = fd;
    ended_ = false;
    empty_s_ = monotonic_s();
  }
  kick();
}

void ConsoleReader::detach() {
  const std::lock_guard lock(mutex_);
  fd_ = -1;
  ended_ = false;
}

double ConsoleReader::spent_s() const {
  char text[64] = {};
  unsigned long long running = 0, waiting = 0;
  if (pread(spent_file_.get(), text, sizeof text - 1, 0) <= 0 ||
      sscanf(text, "%llu %llu", &running, &waiting) != 2)
    return -1;
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);  // the file's first figure is a tick old
  return static_cast<double>(waiting) * 1e-9 + static_cast<double>(used.tv_sec) +
         static_cast<double>(used.tv_nsec) * 1e-9;
}

IoResult ConsoleReader::receive(double came_s) {
  if (fd_ < 0) return IoResult::kWouldBlock;
  if (waiting_ >= kMaxWaiting) return IoResult::kWouldBlock;
  ConsoleText text{came_s, {}};
  const double before = monotonic_s();
  const IoResult result = receive_some(fd_, &text.bytes, kMaxWaiting - waiting_);
  if (result == IoResult::kOk) {
    waiting_ += text.bytes.size();
    texts_.push_back(std::move(text));
  } else if (result == IoResult::kWouldBlock) {
    empty_s_ = before;
  } else {
    fd_ = -1;
    ended_ = true;
  }
  return result;
}

void ConsoleReader::run(bool realtime) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // they are the main loop's
  const sched_param lowest{sched_get_priority_min(SCHED_FIFO)};
  realtime_ = realtime && pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest) == 0;
  spent_file_ = Fd(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  std::unique_lock lock(mutex_, std::defer_lock);
  while (true) {
    // In this order: what comes in after the socket was seen empty came after `spent`.
    const double spent = spent_s();
    lock.lock();
    if (stop_) return;
    while (receive(empty_s_) == IoResult::kOk) {
    }
    progress_.notify_all();
    const bool listens = fd_ >= 0 && waiting_ < kMaxWaiting;
    pollfd set[] = {{kick_.get(), POLLIN, 0}, {listens ? fd_ : -1, POLLIN, 0}};
    asleep_ = listens;
    lock.unlock();
    poll(set, 2, -1);
    const double woken = monotonic_s(), spent_now = spent_s();
    lock.lock();
    asleep_ = false;
    if (set[0].revents != 0) {
      lock.unlock();
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t done = read(kick_.get(), &count, sizeof count);
      continue;
    }
    const bool known = spent >= 0 && spent_now >= 0;
    const double came = known ? std::max(empty_s_, woken - (spent_now - spent)) : empty_s_;
    while (receive(came) == IoResult::kOk) {
    }
    progress_.notify_all();
    lock.unlock();
    const timespec nap{0, kNapNs};
    nanosleep(&nap, nullptr);
  }
}

IoResult ConsoleReader::take(std::deque<ConsoleText>* texts) {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  // The thread is on its way to what woke it, and alone knows when that was; but the server may not wait for it long.
  while (asleep_ && fd_ >= 0 && unread(fd_) > 0)
    if (progress_.wait_for(lock, 50ms) == std::cv_status::timeout) break;
  while ((!asleep_ || unread(fd_) > 0) && receive(empty_s_) == IoResult::kOk) {
  }
  const bool was_full = waiting_ >= kMaxWaiting;
  waiting_ = 0;
  std::move(texts_.begin(), texts_.end(), std::back_inserter(*texts));
  texts_.clear();
  if (was_full) kick();
  if (!ended_) return IoResult::kOk;
  ended_ = false;
  return IoResult::kClosed;
}

}  // namespace vkcosim
