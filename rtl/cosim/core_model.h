// SPDX-License-Identifier: Apache-2.0
// The Verilated cosim_top and its clock. A cycle is settle() (clock low: outputs answer to this cycle's
// inputs), sampling by the caller, edge() (rising clock). Inputs change only between edge() and the next
// settle().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "Vcosim_top.h"
#include "Vcosim_top___024root.h"
#include "tlp.h"
#include "verilated.h"

void Vcosim_top___024root___eval(Vcosim_top___024root* model);

namespace vkcosim {

class CoreModel {
 public:
  // `build_id` is the identity that *IDN? shows.
  CoreModel(uint32_t clock_hz, const uint32_t (&build_id)[4]);
  ~CoreModel();
  CoreModel(const CoreModel&) = delete;
  CoreModel& operator=(const CoreModel&) = delete;

  void settle() {
    top_->clk_i = 0;
    evaluate();
  }
  void edge() {
    top_->clk_i = 1;
    evaluate();
    ++cycle_;
  }
  Vcosim_top& pins() { return *top_; }
  // Rising edges since the power-on reset ended: what the analyser's timestamp counts.
  const uint64_t& cycle() const { return cycle_; }

 private:
  // What surrounds the model's own function in eval() (messages, objects to delete) takes locks, a tenth of
  // all time: now and then is enough for it.
  void evaluate() {
    if (cycle_ % 64 == 0) {
      top_->eval();
    } else {
      Vcosim_top___024root___eval(top_->rootp);
    }
  }

  VerilatedContext context_;
  std::unique_ptr<Vcosim_top> top_;
  uint64_t cycle_ = 0;
};

// One beat of a TLP onto (or off) a stream's header and data pins.
template <typename Hdr, typename Data>
void put_beat(const Tlp& tlp, unsigned beat, Hdr& hdr, Data& data) {
  for (unsigned i = 0; i < 4; ++i) hdr[i] = tlp.hdr[i];
  uint32_t words[kBeatBytes / 4];
  memcpy(words, tlp.data + beat * kBeatBytes, kBeatBytes);
  for (unsigned i = 0; i < kBeatBytes / 4; ++i) data[i] = tlp.bytes == 0 ? 0 : words[i];
}

// Puts the beats of one outgoing stream together again. A framing error drops the packet.
class TlpAssembler {
 public:
  enum class Result { kPartial, kComplete, kBroken };
  template <typename Hdr, typename Data>
  Result beat(bool sop, bool eop, const Hdr& hdr, const Data& data) {
    if (sop) {
      const bool lost = open_;
      for (unsigned i = 0; i < 4; ++i) tlp_.hdr[i] = hdr[i];
      tlp_.bytes = tlp_.has_data() ? tlp_.length_dw() * 4 : 0;
      beat_ = 0;
      open_ = true;
      if (lost) return close(Result::kBroken);
    } else if (!open_) {
      return Result::kBroken;
    }
    uint32_t words[kBeatBytes / 4];
    for (unsigned i = 0; i < kBeatBytes / 4; ++i) words[i] = data[i];
    memcpy(tlp_.data + beat_ * kBeatBytes, words, kBeatBytes);
    ++beat_;
    if (eop) return close(beat_ == tlp_.beats() ? Result::kComplete : Result::kBroken);
    return beat_ >= tlp_.beats() ? close(Result::kBroken) : Result::kPartial;
  }
  void abandon() { open_ = false; }
  const Tlp& tlp() const { return tlp_; }

 private:
  Result close(Result result) {
    open_ = false;
    return result;
  }
  Tlp tlp_;
  unsigned beat_ = 0;
  bool open_ = false;
};

// The folder of the running program; the firmware image lies beside it.
std::string program_folder();

}  // namespace vkcosim
