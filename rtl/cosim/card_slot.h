// SPDX-License-Identifier: Apache-2.0
// The slot the card sits in: PERST#, Function Level Reset, and the hard IP's sidebands that follow
// configuration space.
#pragma once

#include <cstdint>
#include <functional>

#include "config_space.h"
#include "core_model.h"
#include "counters.h"
#include "root_complex.h"

namespace vkcosim {

class CardSlot {
 public:
  CardSlot(uint32_t clock_hz, CoreModel& core, ConfigSpace& config, RootComplex& root, Counters& counters);
  void set_step(std::function<void()> step) { step_ = std::move(step); }

  // The server is switched off: PERST# is held, configuration space forgets everything.
  void power_off();
  // The server is on: PERST# pulse, then the link is up. Also a hot reset of a running card.
  void reset();

  // Configuration accesses of the host, each dword of one a request of its own that the analyser sees. A write
  // takes effect in the clock after it was seen, and starts the reset when it asks for one.
  void read_config(size_t offset, uint8_t* out, size_t count);
  void write_config(size_t offset, const uint8_t* in, size_t count);

  // After the rising edge: ends a Function Level Reset when the card is done.
  void advance();
  // Before the rising edge: what the card says.
  void sample() { flr_done_ = flr_active_ && core_.pins().cfg_flr_done_o; }

  bool powered() const { return powered_; }
  bool resetting() const { return flr_active_; }

 private:
  void drive_sidebands();
  void show_access(bool write, size_t offset, unsigned enables, uint32_t data);

  CoreModel& core_;
  ConfigSpace& config_;
  RootComplex& root_;
  Counters& counters_;
  std::function<void()> step_;
  const uint64_t flr_limit_;  // cycles
  uint64_t flr_deadline_ = 0;
  bool powered_ = false;
  bool link_up_ = false;
  bool flr_active_ = false;
  bool flr_done_ = false;
};

}  // namespace vkcosim
