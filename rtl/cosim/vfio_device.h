// SPDX-License-Identifier: Apache-2.0
// What the vfio-user commands do to the card: checks every field of a command, then acts. Knows no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "card_slot.h"
#include "config_space.h"
#include "counters.h"
#include "guest_memory.h"
#include "interrupts.h"
#include "root_complex.h"
#include "sockets.h"

namespace vkcosim {

// One received command: payload without its header, and the descriptors that came with it.
struct VfioCommand {
  uint16_t command = 0;
  std::vector<uint8_t> payload;
  std::vector<Fd> fds;
};

class VfioDevice {
 public:
  VfioDevice(CardSlot& slot, ConfigSpace& config, GuestMemory& memory, Interrupts& interrupts,
             RootComplex& root, Counters& counters)
      : slot_(slot),
        config_(config),
        memory_(memory),
        interrupts_(interrupts),
        root_(root),
        counters_(counters) {}
  // Called before an access of the guest takes effect: whatever else the server has sent must go first.
  void set_before_access(std::function<void()> call) { before_access_ = std::move(call); }
  // Called when a command is done, before its reply: whoever waits for it goes on from here.
  void set_after_command(std::function<void()> call) { after_command_ = std::move(call); }

  // Executes a command; fills `reply` with the reply's payload. Returns 0 or an errno value (the reply is
  // then a bare header).
  int execute(VfioCommand& command, std::vector<uint8_t>* reply);
  // The client is gone: nothing of it may stay.
  void disconnect();
  bool negotiated() const { return negotiated_; }

 private:
  using Reply = std::vector<uint8_t>;
  int carry_out(VfioCommand& command, Reply* reply);
  int version(const VfioCommand& command, Reply* reply);
  int dma_map(VfioCommand& command);
  int dma_unmap(const VfioCommand& command, Reply* reply);
  int device_info(const VfioCommand& command, Reply* reply);
  int region_info(const VfioCommand& command, Reply* reply);
  int irq_info(const VfioCommand& command, Reply* reply);
  int set_irqs(VfioCommand& command);
  int region_read(const VfioCommand& command, Reply* reply);
  int region_write(const VfioCommand& command, Reply* reply);
  int write_multi(const VfioCommand& command, Reply* reply);
  void write_region(uint32_t region, uint64_t offset, const uint8_t* data, uint32_t count);

  CardSlot& slot_;
  ConfigSpace& config_;
  GuestMemory& memory_;
  Interrupts& interrupts_;
  RootComplex& root_;
  Counters& counters_;
  std::function<void()> before_access_, after_command_;
  bool negotiated_ = false;
};

}  // namespace vkcosim
