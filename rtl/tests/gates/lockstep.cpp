// SPDX-License-Identifier: Apache-2.0
// Runs two models of vkbench_top side by side, one with clock gates and one whose clocks always run, and
// compares their outputs in every cycle. A gate that misses a clock in which its block's state changes shows
// as a difference.
//
//   lockstep SEED CYCLES
//
// Ends with 0 and the counts of what the stimulus caused, or with 1 and the first difference.
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <optional>
#include <random>
#include <string>

#include "Vgated.h"
#include "Vplain.h"
#include "verilated.h"

namespace {

using Header = std::array<uint32_t, 4>;
using Payload = std::array<uint32_t, 8>;

constexpr uint64_t kPowerOnCycles = 16;   // outputs mean nothing before
constexpr uint64_t kFirstPerstCycles = 200;
constexpr uint64_t kFirstRequestCycle = 300;
constexpr uint64_t kFirstUpsetCycle = 3000;  // FLR and PERST#: once the card has come up

constexpr uint32_t kWriteFormat = 0x40000000;           // DW0: memory write, three header dwords
constexpr uint32_t kFourDwords = 0x20000000;            // DW0: 64-bit address
constexpr uint32_t kCompletionWithoutData = 0x0a000000;
constexpr uint32_t kCompletionWithData = 0x4a000000;
constexpr uint32_t kUnsupportedRequest = 1;             // completion status
constexpr uint32_t kCardAddress = 0xe0000000;           // of every BAR: the card sees its low bits only
constexpr uint32_t kCardId = 0x0100;                    // bus 1, device 0, function 0
constexpr uint32_t kAllBytes = 0xf;

constexpr uint16_t kMemoryOn = 0x0402;  // Command: memory space, INTx off
constexpr uint16_t kMemoryAndBusMasterOn = 0x0406;

// What the stimulus prefers, because it has effects; offsets in rtl/regs/*.rdl.
constexpr int kRegisterBar = 0;
constexpr int kBufferBar = 2;
constexpr int kInfoBar = 4;
constexpr uint32_t kResetDoorbell = 0x49c;
constexpr uint32_t kHardReset = 0xfffffffd;
constexpr uint32_t kSoftReset = 0xffffffff;
constexpr uint32_t kNoReset = 0xfffffffe;  // a neighbour that must do nothing
constexpr uint32_t kScratchHigh = 0x61f0;
constexpr uint32_t kScratchLow = 0x61f4;
constexpr uint32_t kScratchSize = 0x61f8;
constexpr uint32_t kBootWindow = 0x100000;
constexpr uint32_t kToCardRing = 0x7100;      // of queue 0: 64 blocks of 16 bytes
constexpr uint32_t kToCardWriteIndex = 0x700c;
constexpr uint32_t kToHostReadIndex = 0x7068;
constexpr uint32_t kRingBytes = 1024;
constexpr uint32_t kQueueDoorbell = 0x484;
constexpr uint32_t kSglAddress = 0x50000000;  // where the messages' SGL is, one entry long,
constexpr uint32_t kDataAddress = 0x60000000; // and what it points to
constexpr uint32_t kBar0Offsets[] = {0x400, 0x404, 0x408, 0x410, 0x41c, 0x444, 0x448,
                                     0x45c, 0x46c, 0x47c, 0x484, 0x4a0, 0xc78, 0xcf0};

constexpr const char* kCommands[] = {
    "CAPT:ARM\n",        "CAPT:STOP\n",       "CAPT:PRET 20\n",      "CAPT:STAT?\n",
    "CAPT:COUN?\n",      "CAPT:LOST?\n",      "CAPT:DATA? 0,16\n",   "STAT:ALL?\n",
    "TRIG:SOUR CONS\n",  "TRIG:SOUR DOOR\n",  "TRIG:SOUR BME\n",     "TRIG:CONS:TEXT \"ab\"\n",
    "TRIG:IMM\n",        "MARK 7\n",          "DUT:DMA:STAT ON\n",   "DUT:DMA:STAT ON\n",
    "DUT:DMA:STAT ON\n",
    "DUT:DMA:MODE READ\n", "DUT:DMA:MODE WRIT\n", "DUT:DMA:PER 40\n", "DUT:DMA:PER 0\n",
    "DUT:DMA:LENG 256\n", "DUT:DMA:LENG 64\n", "DUT:DMA:SEQ?\n",     "DUT:DMA:COMP?\n",
    "DUT:DMA:ADDR?\n",   "DUT:INT 1\n",       "DUT:STAT?\n",         "SYST:TIME?\n",
    "DUT:ALER 8\n",
    "SYST:ERR?\n",       "*IDN?\n",           "*TST?\n",             "*RST\n",
    "TRIG:SOUR SEQ\n",   "CAPT:SEGM 4\n",      "CAPT:SEGM 1\n",       "TRIG:TERM1:SOUR LEVEL\n",
    "TRIG:STEP1 1,3,FIRE\n", "TRIG:STEP1:PULS ON\n", "TRIG:STEP1:TIM 900,2\n", "TRIG:STEP2 1,1,1\n",
    "TRIG:CLE\n",        "CAPT:QUAL CQ,LEVEL\n", "CAPT:QUAL ALL\n",   "CAPT:FOLD OFF\n",
    "CAPT:FOLD ON\n",    "TRIG:STAT?\n",       "INP:LEV?\n",          "TRIG:PROG?\n",
    // Whole lines, or chance would hardly ever arm anything that fires.
    "CAPT:STOP;:TRIG:SOUR DOOR;:CAPT:ARM\n", "CAPT:STOP;:TRIG:SOUR BME;:CAPT:SEGM 4;PRET 20;ARM\n",
    "CAPT:STOP;:TRIG:SOUR CONS;CONS:TEXT \"ab\";:CAPT:ARM\n",
    "CAPT:STOP;:TRIG:SOUR CONS;CONS:TEXT \"b\";:CAPT:SEGM 4;PRET 20;ARM\n",
    "CAPT:STOP;:TRIG:CLE;TERM1:SOUR LEVEL;:TRIG:STEP1 1,3,FIRE;STEP1:PULS ON;STEP1:TIM 900,2;"
    ":TRIG:STEP2 1,1,1;:TRIG:SOUR SEQ;:CAPT:ARM\n",
};

// One beat of a stream.
struct Beat {
  bool sop = false;
  bool eop = false;
  uint8_t bar = 0;
  bool rings = false;  // asks the card to reset itself
  Header header{};
  Payload payload{};
};

// The top's input pins but for its clock.
struct Inputs {
  bool rst_n = false, perst_n = false;
  uint32_t clk_hz = 0;
  bool cq_valid = false, rc_valid = false, cc_ready = true, rq_ready = true, msix_ready = true;
  Beat cq, rc;
  uint16_t command = 0;
  uint8_t max_payload = 0;
  bool flr = false, extended_tags = false;
  bool console_valid = false, scpi_rx_valid = false, scpi_tx_ready = true;
  uint8_t console_byte = 0, scpi_rx_byte = 0;
  // Taps of the analyser.
  bool access_valid = false, access_write = false, console_error = false;
  uint16_t access_address = 0;
  uint8_t access_enables = 0;
  uint32_t access_data = 0;
  bool link_up = false, msix_enable = false, msix_mask = false;
  uint8_t link_speed = 0, link_width = 0, link_state = 0, no_credit = 0, inputs = 0;
};

// The top's output pins; what goes with a valid that is low is left at 0, because it means nothing.
struct Outputs {
  bool cq_ready, rc_ready, cc_valid, rq_valid, flr_done, msix_valid, scpi_rx_ready, scpi_tx_valid;
  uint8_t msix_vector, scpi_tx_byte, trigger;
  Beat cc, rq;
};

struct Counts {
  uint64_t messages = 0, reads = 0, cc = 0, rq = 0, rc = 0, msix = 0, tx_bytes = 0, flr = 0, perst = 0, rings = 0;
  uint64_t triggers = 0;
};

template <typename Model>
void drive(Model& top, const Inputs& in) {
  top.rst_ni = in.rst_n;
  top.perst_ni = in.perst_n;
  top.clk_hz_i = in.clk_hz;
  top.cq_valid_i = in.cq_valid;
  top.cq_sop_i = in.cq.sop;
  top.cq_eop_i = in.cq.eop;
  top.cq_bar_i = in.cq.bar;
  top.rc_valid_i = in.rc_valid;
  top.rc_sop_i = in.rc.sop;
  top.rc_eop_i = in.rc.eop;
  for (size_t i = 0; i < std::size(in.cq.header); ++i) {
    top.build_id_i[i] = 0x1111u * static_cast<uint32_t>(i);
    top.cq_hdr_i[i] = in.cq.header[i];
    top.rc_hdr_i[i] = in.rc.header[i];
  }
  for (size_t i = 0; i < std::size(in.cq.payload); ++i) {
    top.cq_data_i[i] = in.cq.payload[i];
    top.rc_data_i[i] = in.rc.payload[i];
  }
  top.cc_ready_i = in.cc_ready;
  top.rq_ready_i = in.rq_ready;
  top.msix_ready_i = in.msix_ready;
  top.cfg_command_i = in.command;
  top.cfg_flr_i = in.flr;
  top.cfg_mps_i = in.max_payload;
  top.cfg_mrrs_i = 0;
  top.cfg_ext_tag_i = in.extended_tags;
  top.cfg_rcb_i = false;
  top.cfg_bdf_i = kCardId;
  top.con_valid_i = in.console_valid;
  top.con_byte_i = in.console_byte;
  top.scpi_rx_valid_i = in.scpi_rx_valid;
  top.scpi_rx_byte_i = in.scpi_rx_byte;
  top.scpi_tx_ready_i = in.scpi_tx_ready;
  top.cfg_acc_valid_i = in.access_valid;
  top.cfg_acc_write_i = in.access_write;
  top.cfg_acc_addr_i = in.access_address;
  top.cfg_acc_be_i = in.access_enables;
  top.cfg_acc_data_i = in.access_data;
  top.link_up_i = in.link_up;
  top.link_speed_i = in.link_speed;
  top.link_width_i = in.link_width;
  top.link_ltssm_i = in.link_state;
  top.msix_enable_i = in.msix_enable;
  top.msix_mask_i = in.msix_mask;
  top.no_credit_i = in.no_credit;
  top.input_i = in.inputs;
  top.con_error_i = in.console_error;
  top.con_rx_i = 1;
}

template <typename HeaderPins, typename PayloadPins>
Beat beat_of(bool sop, bool eop, const HeaderPins& header, const PayloadPins& payload) {
  Beat beat;
  beat.sop = sop;
  beat.eop = eop;
  for (size_t i = 0; i < std::size(beat.header); ++i) beat.header[i] = header[i];
  for (size_t i = 0; i < std::size(beat.payload); ++i) beat.payload[i] = payload[i];
  return beat;
}

template <typename Model>
Outputs sample(const Model& top) {
  Outputs out{};
  out.cq_ready = top.cq_ready_o;
  out.rc_ready = top.rc_ready_o;
  out.cc_valid = top.cc_valid_o;
  out.rq_valid = top.rq_valid_o;
  out.flr_done = top.cfg_flr_done_o;
  out.msix_valid = top.msix_valid_o;
  out.msix_vector = top.msix_vector_o;
  out.scpi_rx_ready = top.scpi_rx_ready_o;
  out.scpi_tx_valid = top.scpi_tx_valid_o;
  out.trigger = top.trig_out_o;
  if (out.scpi_tx_valid) out.scpi_tx_byte = top.scpi_tx_byte_o;
  if (out.cc_valid) out.cc = beat_of(top.cc_sop_o, top.cc_eop_o, top.cc_hdr_o, top.cc_data_o);
  if (out.rq_valid) out.rq = beat_of(top.rq_sop_o, top.rq_eop_o, top.rq_hdr_o, top.rq_data_o);
  return out;
}

// The first output that differs, by name.
std::optional<std::string> compare(const Outputs& gated, const Outputs& plain) {
  if (gated.cq_ready != plain.cq_ready) return "cq_ready_o";
  if (gated.rc_ready != plain.rc_ready) return "rc_ready_o";
  if (gated.flr_done != plain.flr_done) return "cfg_flr_done_o";
  if (gated.msix_valid != plain.msix_valid) return "msix_valid_o";
  if (gated.msix_vector != plain.msix_vector) return "msix_vector_o";
  if (gated.scpi_rx_ready != plain.scpi_rx_ready) return "scpi_rx_ready_o";
  if (gated.scpi_tx_valid != plain.scpi_tx_valid) return "scpi_tx_valid_o";
  if (gated.scpi_tx_byte != plain.scpi_tx_byte) return "scpi_tx_byte_o";
  if (gated.trigger != plain.trigger) return "trig_out_o";
  if (gated.cc_valid != plain.cc_valid) return "cc_valid_o";
  if (gated.cc.sop != plain.cc.sop) return "cc_sop_o";
  if (gated.cc.eop != plain.cc.eop) return "cc_eop_o";
  if (gated.cc.header != plain.cc.header) return "cc_hdr_o";
  if (gated.cc.payload != plain.cc.payload) return "cc_data_o";
  if (gated.rq_valid != plain.rq_valid) return "rq_valid_o";
  if (gated.rq.sop != plain.rq.sop) return "rq_sop_o";
  if (gated.rq.eop != plain.rq.eop) return "rq_eop_o";
  if (gated.rq.header != plain.rq.header) return "rq_hdr_o";
  if (gated.rq.payload != plain.rq.payload) return "rq_data_o";
  return std::nullopt;
}

// Random host, operator and console. Its reactions follow one model's outputs; as long as the models are equal
// it does not matter which.
class Stimulus {
 public:
  explicit Stimulus(uint64_t seed) : random_(seed) {
    // A slow clock by name: milliseconds of the card's reset, and seconds of its uptime, pass in few cycles.
    in_.clk_hz = 10'000 + below(3) * 7'777;
  }

  // Inputs of the cycle, before the models settle.
  const Inputs& next(uint64_t cycle) {
    resets(cycle);
    configuration(cycle);
    // Clocks stop only when nothing happens, so there are long pauses.
    if (pause_left_ > 0) --pause_left_;
    else if (one_in(3'000)) pause_left_ = below(6'000);
    if (requests_.empty() && pause_left_ == 0 && cycle > kFirstRequestCycle && one_in(30)) request();
    if (!requests_.empty() && (in_.cq_valid || one_in(3))) {
      in_.cq_valid = true;
      in_.cq = requests_.front();
    }
    if (!answers_.empty() && (in_.rc_valid || one_in(9))) {
      in_.rc_valid = true;
      in_.rc = answers_.front();
    }
    in_.console_valid = pause_left_ == 0 && one_in(50);
    in_.console_byte = static_cast<uint8_t>("ab\nx"[below(4)]);
    in_.console_error = one_in(10);
    levels();
    if (typed_.empty() && one_in(800)) typed_ = kCommands[below(std::size(kCommands))];
    if (!typed_.empty()) {
      in_.scpi_rx_valid = true;
      in_.scpi_rx_byte = static_cast<uint8_t>(typed_.front());
    }
    in_.scpi_tx_ready = !one_in(8);
    in_.cc_ready = !one_in(4);
    in_.rq_ready = !one_in(4);
    in_.msix_ready = one_in(2);
    return in_;
  }

  // What passed in the cycle; called once the models have settled.
  void observe(const Outputs& out) {
    if (out.cc_valid && in_.cc_ready) ++counts_.cc;
    if (out.msix_valid && in_.msix_ready) ++counts_.msix;
    if (out.scpi_tx_valid && in_.scpi_tx_ready) ++counts_.tx_bytes;
    if (out.trigger & ~trigger_) ++counts_.triggers;
    trigger_ = out.trigger;
    if (out.rq_valid && in_.rq_ready && out.rq.sop) {
      ++counts_.rq;
      const bool is_read = (out.rq.header[0] & kWriteFormat) == 0;
      if (is_read) ++counts_.reads;
      if (is_read && !one_in(10)) answer(out.rq.header);  // some reads time out
    }
    if (in_.cq_valid && out.cq_ready) {
      if (in_.cq.rings) ++counts_.rings;
      requests_.pop_front();
      in_.cq_valid = false;
    }
    if (in_.rc_valid && out.rc_ready) {
      ++counts_.rc;
      answers_.pop_front();
      in_.rc_valid = false;
    }
    if (in_.scpi_rx_valid && out.scpi_rx_ready) {
      typed_.erase(0, 1);
      in_.scpi_rx_valid = false;
    }
  }

  const Counts& counts() const { return counts_; }

 private:
  uint32_t word() { return static_cast<uint32_t>(random_()); }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
  bool one_in(uint32_t chance) { return below(chance) == 0; }

  void resets(uint64_t cycle) {
    in_.rst_n = cycle >= kPowerOnCycles;
    if (cycle > kFirstUpsetCycle && one_in(80'000)) {
      perst_left_ = 1 + below(300);
      ++counts_.perst;
    }
    if (perst_left_ > 0) --perst_left_;
    in_.perst_n = in_.rst_n && perst_left_ == 0;
    if (cycle > kFirstUpsetCycle && one_in(25'000)) {
      flr_left_ = 1 + below(400);
      ++counts_.flr;
    }
    in_.flr = flr_left_ > 1;
    if (flr_left_ > 0) --flr_left_;
  }

  void configuration(uint64_t cycle) {
    if (cycle == kFirstPerstCycles) in_.command = kMemoryAndBusMasterOn;
    if (one_in(30'000)) in_.command = one_in(4) ? kMemoryOn : kMemoryAndBusMasterOn;
    if (one_in(20'000)) in_.max_payload = static_cast<uint8_t>(below(3));
    if (one_in(20'000)) in_.extended_tags = one_in(2);
  }

  // What only the analyser sees.
  void levels() {
    in_.access_valid = pause_left_ == 0 && one_in(300);
    in_.access_write = one_in(2);
    in_.access_address = static_cast<uint16_t>(below(1024));
    in_.access_enables = static_cast<uint8_t>(below(16));
    in_.access_data = word();
    if (pause_left_ > 0 || !one_in(400)) return;
    switch (below(5)) {
      case 0:
        in_.link_up = !in_.link_up;
        in_.link_speed = static_cast<uint8_t>(below(6));
        in_.link_width = static_cast<uint8_t>(below(5));
        in_.link_state = static_cast<uint8_t>(below(64));
        break;
      case 1: in_.msix_enable = !in_.msix_enable; break;
      case 2: in_.msix_mask = !in_.msix_mask; break;
      case 3: in_.no_credit = static_cast<uint8_t>(below(8)); break;
      default: in_.inputs = static_cast<uint8_t>(below(16));
    }
  }

  // One request of the host, or the few that announce a buffer.
  void request() {
    switch (below(14)) {
      case 0:
        write(kBufferBar, kScratchHigh, 1, 0x12);
        write(kBufferBar, kScratchLow, 1, 0x1000 * below(16));
        write(kBufferBar, kScratchSize, 1, 0x2000);
        break;
      case 1:
        if (one_in(40)) ring();
        break;
      case 2: access(kBufferBar, 0x7000 + 4 * below(1024), 1, 1 + below(15)); break;
      case 3: access(kInfoBar, 4 * below(1024), 1 + below(8), kAllBytes); break;
      case 4: access(kBufferBar, 0x6000 + 4 * below(1024), 1, kAllBytes); break;
      case 5: write(kRegisterBar, 0x400 + 4 * below(60), 1 + below(12), word()); break;
      case 7: messages(); break;
      case 8: access(kBufferBar, kBootWindow + 4 * below(0x10000), 1 + below(12), kAllBytes); break;
      case 6: read(static_cast<int>(below(7)), 4 * below(16384), 1 + below(10)); break;
      default: {
        const uint32_t offset = kBar0Offsets[below(std::size(kBar0Offsets))];
        if (one_in(3)) write(kRegisterBar, offset, 1, word());
        else read(kRegisterBar, offset, 1);
      }
    }
  }

  // Fills queue 0 with TRANS_BUF messages of two blocks, up and down, or moves an index only.
  void messages() {
    if (one_in(6)) {
      for (uint32_t at = 0; at < kRingBytes; at += 32) {
        const uint32_t upload_or_download = 0x401 + 0x100 * below(2);
        write(kBufferBar, kToCardRing + at, 8, 0x105);
        Payload& words = requests_.back().payload;
        words = {0x105, 0, upload_or_download, 64 * below(100), 0, 20, kSglAddress, 0};
      }
    }
    write(kBufferBar, kToHostReadIndex, 1, below(64));
    write(kBufferBar, kToCardWriteIndex, 1, 2 * below(32));
    write(kRegisterBar, kQueueDoorbell, 1, 1);
    ++counts_.messages;
  }

  void ring() {
    constexpr uint32_t kValues[] = {kHardReset, kSoftReset, kNoReset};
    const uint32_t value = kValues[below(std::size(kValues))];
    write(kRegisterBar, kResetDoorbell, 1, value);
    requests_.back().rings = value != kNoReset;
  }

  void access(int bar, uint32_t offset, uint32_t dwords, uint32_t first_enables) {
    if (one_in(2)) write(bar, offset, dwords, word(), first_enables);
    else read(bar, offset, dwords, first_enables);
  }

  Beat request_beat(int bar, uint32_t offset, uint32_t dwords, uint32_t format, uint32_t first_enables) {
    const uint32_t last_enables = dwords == 1 ? 0 : kAllBytes;
    Beat beat;
    beat.bar = static_cast<uint8_t>(bar);
    beat.header = {format | dwords, below(32) << 8 | last_enables << 4 | first_enables, kCardAddress | offset, 0};
    return beat;
  }

  void read(int bar, uint32_t offset, uint32_t dwords, uint32_t first_enables = kAllBytes) {
    Beat beat = request_beat(bar, offset, dwords, 0, first_enables);
    beat.sop = beat.eop = true;
    requests_.push_back(beat);
  }

  void write(int bar, uint32_t offset, uint32_t dwords, uint32_t first_dword,
             uint32_t first_enables = kAllBytes) {
    const size_t start = requests_.size();
    queue_payload(requests_, request_beat(bar, offset, dwords, kWriteFormat, first_enables), dwords);
    requests_[start].payload[0] = first_dword;
  }

  // The host's completion of the card's read: mostly with data, sometimes a refusal.
  void answer(const Header& read_header) {
    const uint32_t dwords = read_header[0] & 0x3ff;
    const uint32_t tag = read_header[1] >> 8 & 0xff;
    const uint32_t status = one_in(8) ? kUnsupportedRequest : 0;
    Beat beat;
    const uint32_t address = read_header[read_header[0] & kFourDwords ? 3 : 2];
    beat.header = {status ? kCompletionWithoutData : (kCompletionWithData | dwords),
                   status << 13 | (dwords * 4 & 0xfff), kCardId << 16 | tag << 8 | (address & 0x7f), 0};
    const size_t start = answers_.size();
    queue_payload(answers_, beat, status ? 1 : dwords);
    if (address == kSglAddress) {
      const uint32_t bytes = 64 * (1 + below(40));
      answers_[start].payload = {1, bytes, bytes, kDataAddress, 0, 0, 0, 0};
    }
  }

  // Queues the packet whose header `beat` has, as many beats as its dwords need, with random data.
  void queue_payload(std::deque<Beat>& queue, Beat beat, uint32_t dwords) {
    const uint32_t dwords_a_beat = static_cast<uint32_t>(std::size(beat.payload));
    for (uint32_t done = 0; done < dwords; done += dwords_a_beat) {
      beat.sop = done == 0;
      beat.eop = done + dwords_a_beat >= dwords;
      for (uint32_t& dword : beat.payload) dword = word();
      queue.push_back(beat);
    }
  }

  std::mt19937_64 random_;
  Inputs in_;
  Counts counts_;
  std::deque<Beat> requests_, answers_;  // to CQ and to RC
  std::string typed_;                    // rest of the SCPI command
  uint8_t trigger_ = 0;
  uint64_t pause_left_ = 0, flr_left_ = 0, perst_left_ = kFirstPerstCycles;
};

template <typename Model>
class Clocked {
 public:
  Clocked() : top_(&context_) {}
  // Clock low: the outputs answer to this cycle's inputs.
  Outputs settle(const Inputs& in) {
    drive(top_, in);
    top_.clk_i = 0;
    top_.eval();
    return sample(top_);
  }
  void edge() {
    top_.clk_i = 1;
    top_.eval();
  }

 private:
  VerilatedContext context_;
  Model top_;
};

int run(uint64_t seed, uint64_t cycles) {
  Clocked<Vgated> gated;
  Clocked<Vplain> plain;
  Stimulus stimulus(seed);
  for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
    const Inputs& in = stimulus.next(cycle);
    const Outputs from_gated = gated.settle(in);
    const Outputs from_plain = plain.settle(in);
    if (cycle >= kPowerOnCycles) {
      if (const auto signal = compare(from_gated, from_plain)) {
        printf("seed %" PRIu64 ": first difference in cycle %" PRIu64 ", %s\n", seed, cycle, signal->c_str());
        return 1;
      }
      stimulus.observe(from_plain);
    }
    gated.edge();
    plain.edge();
  }
  const Counts& counts = stimulus.counts();
  printf("seed %" PRIu64 ": %" PRIu64 " cycles equal; cc %" PRIu64 " rq %" PRIu64 " rc %" PRIu64 " msix %" PRIu64
         " tx_bytes %" PRIu64 " messages %" PRIu64 " reads %" PRIu64 " flr %" PRIu64 " perst %" PRIu64 " rings %" PRIu64
         " triggers %" PRIu64 "\n",
         seed, cycles, counts.cc, counts.rq, counts.rc, counts.msix, counts.tx_bytes, counts.messages, counts.reads, counts.flr, counts.perst,
         counts.rings, counts.triggers);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: lockstep SEED CYCLES\n");
    return 2;
  }
  return run(strtoull(argv[1], nullptr, 0), strtoull(argv[2], nullptr, 0));
}
