// SPDX-License-Identifier: Apache-2.0
// The root complex: host accesses become request TLPs to the card, the card's requests become accesses to
// guest memory. It refuses what a root complex refuses (Bus Master Enable clear, unmapped address) and counts
// it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>

#include "config_space.h"
#include "core_model.h"
#include "counters.h"
#include "guest_memory.h"
#include "interrupts.h"
#include "log.h"
#include "tlp.h"

namespace vkcosim {

struct RootComplexSettings {
  uint64_t read_latency = 250;          // cycles from a memory read to its first completion
  unsigned read_boundary = 64;          // read completions are split at multiples of this (RCB), bytes
  std::optional<uint32_t> shuffle_seed;  // reads with different tags are answered in any order
  uint64_t completion_timeout = 25000;   // cycles until a host access gives up
};

class RootComplex {
 public:
  enum class Status { kOk, kUnsupported, kTimeout };

  RootComplex(const RootComplexSettings& settings, CoreModel& core, const ConfigSpace& config,
              GuestMemory& memory, Interrupts& interrupts, Counters& counters);

  // `step` runs one cycle of the whole machine; host accesses use it while they wait.
  void set_step(std::function<void()> step) { step_ = std::move(step); }

  // Host accesses to BAR 0, 2 or 4. A failed read gives all ones.
  Status read(unsigned bar, uint64_t offset, uint8_t* out, size_t count);
  Status write(unsigned bar, uint64_t offset, const uint8_t* in, size_t count);

  // The link goes down or comes up (PERST#): everything in flight is lost.
  void set_link(bool up);
  // During a Function Level Reset the function answers no request.
  void set_function_busy(bool busy) { function_busy_ = busy; }

  // A TLP of the card's own, or of the answer to it, or a message signalled interrupt, is through in this cycle.
  bool exchanged() const { return exchanged_; }

  // The two halves of a cycle, around the rising edge.
  void sample();
  void advance();

 private:
  // A memory read of the card that is being answered.
  struct PendingRead {
    uint64_t due;
    uint32_t request[2];  // header dwords 0 and 1
    uint64_t address;     // next byte
    unsigned remaining;   // bytes
    bool refused;
  };

  Status transact(unsigned bar, uint8_t* out, unsigned lead, size_t count);
  bool function_answers() const { return link_up_ && !function_busy_ && config_.memory_enabled(); }
  void take_request(const Tlp& tlp);
  void take_write(const Tlp& tlp);
  void take_read(const Tlp& tlp);
  void take_completion(const Tlp& tlp);
  bool check_request(const Tlp& tlp, unsigned limit);
  void check_tag(const Tlp& tlp);
  void refuse(const Tlp& tlp, const char* why, uint64_t& counter);
  // Which of the reads is answered next; reads_.end() when none is due.
  std::deque<PendingRead>::iterator next_read();
  void next_completion();
  void put_cq();
  void put_rc();

  const RootComplexSettings settings_;
  CoreModel& core_;
  Vcosim_top& pins_;
  const ConfigSpace& config_;
  GuestMemory& memory_;
  Interrupts& interrupts_;
  Counters& counters_;
  std::function<void()> step_;
  RateLimit refused_log_, malformed_log_, host_log_;

  bool link_up_ = false;
  bool function_busy_ = false;
  bool exchanged_ = false;

  Tlp cq_;  // the host request being sent
  bool cq_active_ = false;
  unsigned cq_beat_ = 0;
  bool cq_taken_ = false;  // the beat on the pins was accepted in this cycle
  uint8_t next_tag_ = 0;

  bool waiting_ = false;  // for the completion of the read with tag cq_tag_
  uint8_t cq_tag_ = 0;
  unsigned wanted_bytes_ = 0, got_bytes_ = 0;  // whole dwords
  size_t enabled_bytes_ = 0;                   // of them asked for: Byte Count of the first completion
  uint8_t answer_[kMaxTlpBytes];
  Status answer_status_ = Status::kOk;
  bool answered_ = false;

  TlpAssembler cc_in_, rq_in_;

  std::deque<PendingRead> reads_;  // in the order of their arrival, so that due never falls
  std::minstd_rand shuffle_;
  Tlp rc_;  // the completion being sent
  bool rc_active_ = false;
  unsigned rc_beat_ = 0;
  bool rc_taken_ = false;
};

}  // namespace vkcosim
