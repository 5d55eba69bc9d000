// SPDX-License-Identifier: Apache-2.0
// MSI-X vectors: the eventfds that the vfio-user client assigned, and what happens to a vector without one.
#pragma once

#include <array>
#include <cstdint>

#include "sockets.h"

namespace vkcosim {

class Interrupts {
 public:
  static constexpr unsigned kVectors = 4;

  // Takes the eventfd; an empty Fd takes the vector out of use. Returns 0 or an errno value: a descriptor
  // that is no eventfd is refused, because writing to it could block the whole simulation.
  static int check(int fd);
  void assign(unsigned vector, Fd fd) { events_[vector] = std::move(fd); }
  void set_mask(unsigned vector, bool masked) { masked_[vector] = masked; }
  void clear();
  // False when the vector has no eventfd or is masked: the interrupt is lost and the caller counts it.
  bool fire(unsigned vector);

 private:
  std::array<Fd, kVectors> events_;
  std::array<bool, kVectors> masked_{};
};

}  // namespace vkcosim
