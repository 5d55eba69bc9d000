// SPDX-License-Identifier: Apache-2.0
// The root complex, see root_complex.h: streams, and accesses of the host to the card.
#include "root_complex.h"

#include <algorithm>

namespace vkcosim {
namespace {

// The widest load or store of a CPU; the card answers no longer read.
constexpr unsigned kHostRequestBytes = 32;
constexpr size_t kMaxPendingReads = 256;  // an 8-bit tag allows no more

}  // namespace

RootComplex::RootComplex(const RootComplexSettings& settings, CoreModel& core, const ConfigSpace& config,
                         GuestMemory& memory, Interrupts& interrupts, Counters& counters)
    : settings_(settings),
      core_(core),
      pins_(core.pins()),
      config_(config),
      memory_(memory),
      interrupts_(interrupts),
      counters_(counters),
      shuffle_(settings.shuffle_seed.value_or(0)) {}

void RootComplex::set_link(bool up) {
  link_up_ = up;
  cq_active_ = rc_active_ = false;
  pins_.cq_valid_i = pins_.rc_valid_i = 0;
  cq_taken_ = rc_taken_ = false;
  waiting_ = false;
  reads_.clear();
  cc_in_.abandon();
  rq_in_.abandon();
  pins_.rq_ready_i = 1;
}

RootComplex::Status RootComplex::read(unsigned bar, uint64_t offset, uint8_t* out, size_t count) {
  Status worst = Status::kOk;
  for (size_t done = 0; done < count;) {
    const uint64_t at = offset + done;
    const size_t part = std::min<size_t>(count - done, kHostRequestBytes - at % kHostRequestBytes);
    // A request that the card never took still stands on the pins: valid may not be withdrawn.
    Status status = cq_active_ ? Status::kTimeout : Status::kUnsupported;
    if (!cq_active_ && function_answers()) {
      make_memory_request(cq_, config_.bar_base(bar) + at, static_cast<unsigned>(part), nullptr, next_tag_);
      status = transact(bar, out + done, at & 3, part);
    }
    if (status != Status::kOk) {
      memset(out + done, 0xff, part);
      worst = status;
      ++(status == Status::kTimeout ? counters_.bar_timeouts : counters_.bar_ur);
      host_log_.line("read of BAR %u + 0x%llx: %s, the host reads all ones", bar,
                     static_cast<unsigned long long>(at),
                     status == Status::kTimeout ? "no completion" : "Unsupported Request");
    }
    done += part;
  }
  return worst;
}

RootComplex::Status RootComplex::write(unsigned bar, uint64_t offset, const uint8_t* in, size_t count) {
  Status worst = Status::kOk;
  for (size_t done = 0; done < count;) {
    const uint64_t at = offset + done;
    const size_t part = std::min<size_t>(count - done, kHostRequestBytes - at % kHostRequestBytes);
    // A request that the card never took still stands on the pins: valid may not be withdrawn.
    Status status = cq_active_ ? Status::kTimeout : Status::kUnsupported;
    if (!cq_active_ && function_answers()) {
      make_memory_request(cq_, config_.bar_base(bar) + at, static_cast<unsigned>(part), in + done, 0);
      status = transact(bar, nullptr, 0, 0);
    }
    if (status != Status::kOk) {
      worst = status;
      ++(status == Status::kTimeout ? counters_.bar_timeouts : counters_.bar_ur);
      host_log_.line("write to BAR %u + 0x%llx lost: %s", bar, static_cast<unsigned long long>(at),
                     status == Status::kTimeout ? "the card does not take it" : "Unsupported Request");
    }
    done += part;
  }
  return worst;
}

// Sends cq_ and runs the clock until it was taken, and for a read until it was answered.
RootComplex::Status RootComplex::transact(unsigned bar, uint8_t* out, unsigned lead, size_t count) {
  const bool is_read = out != nullptr;
  cq_.bar = static_cast<uint8_t>(bar);
  if (is_read) {
    cq_tag_ = next_tag_++;
    waiting_ = true;
    answered_ = false;
    got_bytes_ = 0;
    wanted_bytes_ = cq_.length_dw() * 4;
    enabled_bytes_ = count;
  }
  cq_active_ = true;
  cq_beat_ = 0;
  put_cq();
  const uint64_t limit = core_.cycle() + settings_.completion_timeout;
  while (link_up_ && (cq_active_ || (is_read && !answered_)) && core_.cycle() < limit) step_();
  const bool done = link_up_ && !cq_active_ && (!is_read || answered_);
  waiting_ = false;
  if (!done) return Status::kTimeout;
  if (!is_read) return Status::kOk;
  if (answer_status_ == Status::kOk) memcpy(out, answer_ + lead, count);
  return answer_status_;
}

void RootComplex::put_cq() {
  pins_.cq_valid_i = 1;
  pins_.cq_sop_i = cq_beat_ == 0;
  pins_.cq_eop_i = cq_beat_ + 1 == cq_.beats();
  pins_.cq_bar_i = cq_.bar;
  put_beat(cq_, cq_beat_, pins_.cq_hdr_i, pins_.cq_data_i);
}

void RootComplex::put_rc() {
  pins_.rc_valid_i = 1;
  pins_.rc_sop_i = rc_beat_ == 0;
  pins_.rc_eop_i = rc_beat_ + 1 == rc_.beats();
  put_beat(rc_, rc_beat_, pins_.rc_hdr_i, pins_.rc_data_i);
}

void RootComplex::sample() {
  exchanged_ = false;
  if (!link_up_) return;
  cq_taken_ = pins_.cq_valid_i && pins_.cq_ready_o;
  rc_taken_ = pins_.rc_valid_i && pins_.rc_ready_o;
  exchanged_ = (pins_.rq_valid_o && pins_.rq_eop_o) || (rc_taken_ && pins_.rc_eop_i) || pins_.msix_valid_o;
  if (pins_.cc_valid_o) {
    const auto result = cc_in_.beat(pins_.cc_sop_o, pins_.cc_eop_o, pins_.cc_hdr_o, pins_.cc_data_o);
    if (result == TlpAssembler::Result::kComplete) take_completion(cc_in_.tlp());
    if (result == TlpAssembler::Result::kBroken) {
      ++counters_.malformed_tlps;
      malformed_log_.line("completion stream: sop, eop and Length disagree, packet dropped");
    }
  }
  if (pins_.rq_valid_o) {
    const auto result = rq_in_.beat(pins_.rq_sop_o, pins_.rq_eop_o, pins_.rq_hdr_o, pins_.rq_data_o);
    if (result == TlpAssembler::Result::kComplete) take_request(rq_in_.tlp());
    if (result == TlpAssembler::Result::kBroken) {
      ++counters_.malformed_tlps;
      malformed_log_.line("request stream: sop, eop and Length disagree, packet dropped");
    }
  }
  if (pins_.msix_valid_o) {
    const unsigned vector = pins_.msix_vector_o;
    // Like the hard IP: no bus mastering, no message.
    const bool allowed = config_.msix_enabled() && config_.bus_master();
    ++(allowed && interrupts_.fire(vector) ? counters_.msix_sent : counters_.msix_dropped);
  }
}

void RootComplex::advance() {
  if (cq_taken_) {
    cq_taken_ = false;
    if (++cq_beat_ < cq_.beats()) {
      put_cq();
    } else {
      cq_active_ = false;
      pins_.cq_valid_i = 0;
    }
  }
  if (rc_taken_) {
    rc_taken_ = false;
    if (++rc_beat_ < rc_.beats()) {
      put_rc();
    } else {
      rc_active_ = false;
      pins_.rc_valid_i = 0;
    }
  }
  if (!rc_active_ && !reads_.empty()) next_completion();
  pins_.rq_ready_i = reads_.size() < kMaxPendingReads;
}

void RootComplex::take_completion(const Tlp& tlp) {
  const auto tag = static_cast<uint8_t>(tlp.hdr[2] >> 8);
  if (!tlp.is_completion() || !waiting_ || answered_ || tag != cq_tag_) {
    ++counters_.unexpected_cpl;
    malformed_log_.line("unexpected completion from the card: DW0 %08x DW1 %08x DW2 %08x", tlp.hdr[0],
                        tlp.hdr[1], tlp.hdr[2]);
    return;
  }
  const unsigned status = (tlp.hdr[1] >> 13) & 7;
  if (status != kCplSuccess) {
    answer_status_ = Status::kUnsupported;
    answered_ = true;
    return;
  }
  if (tlp.bytes == 0 || tlp.bytes > wanted_bytes_ - got_bytes_) {
    ++counters_.malformed_tlps;
    malformed_log_.line("completion with %u bytes for a read of %u", tlp.bytes, wanted_bytes_);
    return;
  }
  if (const unsigned said = tlp.hdr[1] & 0xfff; got_bytes_ == 0 && said != enabled_bytes_) {
    ++counters_.malformed_tlps;
    malformed_log_.line("completion with Byte Count %u for a read of %zu bytes", said, enabled_bytes_);
  }
  memcpy(answer_ + got_bytes_, tlp.data, tlp.bytes);
  got_bytes_ += tlp.bytes;
  answer_status_ = Status::kOk;
  answered_ = got_bytes_ == wanted_bytes_;
}

}  // namespace vkcosim
