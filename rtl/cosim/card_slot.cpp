// SPDX-License-Identifier: Apache-2.0
// The slot the card sits in, see card_slot.h.
#include "card_slot.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "log.h"

namespace vkcosim {
namespace {

constexpr unsigned kPerstCycles = 64;  // asserted
constexpr unsigned kReleaseCycles =
    256;  // from release to the first request: PERST# to link up, much shortened
constexpr uint8_t kL0 = 0x10;  // state of the link as AMD's hard IP numbers it (PG213, cfg_ltssm_state)
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
  pins.msix_enable_i = config_.msix_enable();
  pins.msix_mask_i = config_.msix_function_mask();
  pins.link_up_i = link_up_;
  pins.link_speed_i = link_up_ ? config_.link_speed() & 7 : 0;
  pins.link_width_i = link_up_ ? std::bit_width(config_.link_lanes() >> 1) & 7 : 0;  // log2
  pins.link_ltssm_i = link_up_ ? kL0 : 0;
}

void CardSlot::power_off() {
  powered_ = link_up_ = false;
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
  link_up_ = true;
  drive_sidebands();
  step_();
  root_.set_link(true);
  ++counters_.perst_pulses;
}

void CardSlot::show_access(bool write, size_t offset, unsigned enables, uint32_t data) {
  if (!link_up_) return;
  Vcosim_top& pins = core_.pins();
  pins.cfg_acc_valid_i = 1;
  pins.cfg_acc_write_i = write;
  pins.cfg_acc_addr_i = static_cast<uint16_t>(offset / 4);
  pins.cfg_acc_be_i = static_cast<uint8_t>(enables);
  pins.cfg_acc_data_i = data;
  step_();
  pins.cfg_acc_valid_i = 0;
}

void CardSlot::read_config(size_t offset, uint8_t* out, size_t count) {
  config_.read(offset, out, count);
  for (size_t at = offset & ~size_t{3}; at < offset + count; at += 4)
    show_access(false, at, 0, config_.word(at));
}

void CardSlot::write_config(size_t offset, const uint8_t* in, size_t count) {
  for (size_t part; count > 0; offset += part, in += part, count -= part) {
    const size_t lane = offset % 4;
    part = std::min(count, 4 - lane);
    uint8_t lanes[4] = {};
    memcpy(lanes + lane, in, part);
    uint32_t data;
    memcpy(&data, lanes, sizeof data);
    show_access(true, offset, ((1u << part) - 1) << lane, data);
    if (config_.write(offset, in, part) && powered_ && !flr_active_) {
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
