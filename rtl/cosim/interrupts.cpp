// SPDX-License-Identifier: Apache-2.0
// MSI-X vectors, see interrupts.h.
#include "interrupts.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace vkcosim {

int Interrupts::check(int fd) {
  char link[64], target[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, target, sizeof target - 1);
  if (length < 0) return EBADF;
  target[length] = 0;
  return strncmp(target, "anon_inode:[eventfd", 19) == 0 ? 0 : EINVAL;
}

void Interrupts::clear() {
  for (Fd& event : events_) event.reset();
  masked_.fill(false);
}

bool Interrupts::fire(unsigned vector) {
  if (vector >= kVectors || !events_[vector] || masked_[vector]) return false;
  // A blocking eventfd whose counter is full would stop us; full means that an interrupt is pending already.
  pollfd ready{events_[vector].get(), POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return true;
  const uint64_t one = 1;
  return write(events_[vector].get(), &one, sizeof one) == static_cast<ssize_t>(sizeof one);
}

}  // namespace vkcosim
