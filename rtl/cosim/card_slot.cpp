// SPDX-License-Identifier: Apache-2.0
// The slot the card sits in, see card_slot.h.
#include "card_slot.h"

#include "log.h"

namespace vkcosim {
namespace {

constexpr unsigned kPerstCycles = 64;  // asserted
constexpr unsigned kReleaseCycles =
    256;  // from release to the first request: PERST# to link up, much shortened
constexpr uint32_t kFlrsPerSecond = 10;  // a function must finish its reset within 100 ms (PCIe 6.6.2)

}  // namespace

CardSlot::CardSlot(uint32_t clock_hz, CoreModel& core, ConfigSpace& config, RootComplex& root,
                   Counters& counters)
    : core_(core),
      config_(config),
      root_(root),
      counters_(counters),
      flr_limit_(clock_hz / kFlrsPerSecond + 1) {}

void CardSlot::drive_sidebands() {
  Vcosim_top& pins = core_.pins();
  pins.cfg_command_i = config_.command();
  pins.cfg_mps_i = config_.max_payload() & 7;
  pins.cfg_mrrs_i = config_.max_read_request() & 7;
  pins.cfg_ext_tag_i = config_.extended_tags();
  pins.cfg_rcb_i = config_.boundary_128();
  pins.cfg_flr_i = flr_active_;
  pins.perst_ni = powered_;
}

void CardSlot::power_off() {
  powered_ = false;
  flr_active_ = false;
  config_.reset();
  root_.set_function_busy(false);
  root_.set_link(false);
  drive_sidebands();
}

void CardSlot::reset() {
  power_off();
  for (unsigned i = 0; i < kPerstCycles; ++i) step_();
  powered_ = true;
  drive_sidebands();
  for (unsigned i = 0; i < kReleaseCycles; ++i) step_();
  root_.set_link(true);
  ++counters_.perst_pulses;
}

void CardSlot::write_config(size_t offset, const uint8_t* in, size_t count) {
  if (config_.write(offset, in, count) && powered_ && !flr_active_) {
    config_.function_level_reset();
    flr_active_ = true;
    flr_deadline_ = core_.cycle() + flr_limit_;
    ++counters_.flr_count;
    root_.set_function_busy(true);
    log().line("Function Level Reset started");
  }
  drive_sidebands();
  // One cycle each, so that the card and the analyser see every value in turn.
  step_();
}

void CardSlot::advance() {
  if (!flr_active_) return;
  const bool late = core_.cycle() >= flr_deadline_;
  if (!flr_done_ && !late) return;
  if (!flr_done_) {
    ++counters_.flr_timeouts;
    log().line("the card did not finish its Function Level Reset within 100 ms; going on");
  }
  flr_active_ = false;
  root_.set_function_busy(false);
  drive_sidebands();
}

}  // namespace vkcosim
