// SPDX-License-Identifier: Apache-2.0
// The whole co-simulation: the card's model, what stands in for the server's wires, and the loop that paces
// them.
#pragma once

#include <poll.h>

#include <csignal>
#include <string>
#include <vector>

#include "card_slot.h"
#include "config_space.h"
#include "console.h"
#include "core_model.h"
#include "counters.h"
#include "guest_memory.h"
#include "interrupts.h"
#include "options.h"
#include "pacer.h"
#include "root_complex.h"
#include "scpi_port.h"
#include "self_drive.h"
#include "vfio_device.h"
#include "vfio_server.h"

namespace vkcosim {

class Machine {
 public:
  static constexpr uint64_t kBatch = 256;  // cycles between two looks at the sockets

  explicit Machine(const Options& options);
  // Opens all sockets that the options name. False with the reason in `error`.
  bool listen(std::string* error);
  uint16_t console_port() const { return console_.host_listener().port(); }
  uint16_t scpi_port() const { return scpi_.listener().port(); }
  // Runs until `stop` becomes non-zero or the wanted cycles are done.
  void run(const volatile sig_atomic_t& stop);
  // Everything that is counted, as one JSON object.
  std::string status_json() const;
  // Rewrites the status file in one step; a reader never sees half of it.
  void write_status() const;

 private:
  void step();
  void doze(double seconds);
  // Before an access of the guest.
  void order_access();
  // The card and the server have just exchanged something. Noted late it makes a text's distance shorter, never longer.
  void note_exchange();
  // The console's oldest text is as far from the last exchange on the card's clock as it was in wall time.
  bool console_due();
  // Runs the clock up to `limit` for the console's texts, each of which goes to the pin when it is due.
  void show_texts(uint64_t limit);
  // A cycle while an access or a reset waits: the console is looked at as often as at any other time.
  void wait_step();
  void count_outputs();

  const Options options_;
  Counters counters_;
  CoreModel core_;
  ConfigSpace config_;
  GuestMemory memory_;
  Interrupts interrupts_;
  RootComplex root_;
  CardSlot slot_;
  mutable Console console_;
  mutable ScpiPort scpi_;
  VfioDevice device_;
  VfioServer vfio_;
  SelfDrive drive_;
  double start_s_;
  Pacer pacer_;
  std::vector<pollfd> poll_set_;
  // For the speed over the last second.
  double mark_s_ = 0;
  uint64_t mark_cycle_ = 0;
  double mclk_per_s_ = 0;
  // The last exchange between card and server (an access, a TLP of the card's), in wall time and in cycles.
  double exchange_s_ = 0;
  uint64_t exchange_cycle_ = 0;
  bool unnoted_ = false;  // there was one since
  bool stall_ = false;
  uint64_t looked_ = 0;      // cycle of the last look at the console
  uint64_t next_input_;      // cycle in which the general inputs change
  uint8_t outputs_ = 0;      // trig_out_o
  uint64_t max_turn_cycles_ = 0;  // most cycles of the paced clock between two looks at the sockets
};

}  // namespace vkcosim
