// SPDX-License-Identifier: Apache-2.0
// A small host inside vkcosim, in place of a server: it brings the card up and keeps it busy. For the
// benchmark and for the profiling run of the build, where no QEMU is there.
#pragma once

#include <cstdint>

#include "card_slot.h"
#include "core_model.h"
#include "guest_memory.h"
#include "root_complex.h"
#include "scpi_port.h"
#include "sockets.h"

namespace vkcosim {

enum class Load { kNone, kWrites, kMessages, kBoth };

class SelfDrive {
 public:
  SelfDrive(Load load, CoreModel& core, CardSlot& slot, RootComplex& root, GuestMemory& memory,
            ScpiPort& scpi);
  // Powers the card on and starts the load. Throws std::runtime_error when the card does not come up.
  void start();
  // Takes answers and sends the next messages. Throws when a message failed.
  void turn();

 private:
  bool messages() const { return load_ == Load::kMessages || load_ == Load::kBoth; }
  bool writes() const { return load_ == Load::kWrites || load_ == Load::kBoth; }
  uint32_t read(unsigned bar, uint64_t offset);
  void write(unsigned bar, uint64_t offset, uint32_t value);
  void configure(size_t offset, uint32_t value);
  void write_sgl(uint64_t at, uint64_t buffer);
  void send(bool upload);

  const Load load_;
  CoreModel& core_;
  CardSlot& slot_;
  RootComplex& root_;
  GuestMemory& memory_;
  ScpiPort& scpi_;
  Fd fd_;  // what the card sees as the host's memory
  struct Ring {
    uint32_t descriptor, start, index;
  };
  Ring to_card_{}, to_host_{};
  uint32_t sent_ = 0, answered_ = 0;
};

}  // namespace vkcosim
