// SPDX-License-Identifier: Apache-2.0
// The root complex, see root_complex.h: the card's accesses to guest memory.
#include <algorithm>

#include "root_complex.h"

namespace vkcosim {
namespace {

// Bits of DW0 that a completion takes over from its request: T9, TC, T8, Attr (PCIe 2.2.9).
constexpr uint32_t kCompletionKeeps = 0x00fc3000;

unsigned lowest_bit(unsigned four_bits) {
  return four_bits == 0 ? 0 : static_cast<unsigned>(__builtin_ctz(four_bits));
}
unsigned leading_gap(unsigned four_bits) {
  return four_bits == 0 ? 3 : 3 - (31 - static_cast<unsigned>(__builtin_clz(four_bits)));
}

}  // namespace

void RootComplex::refuse(const Tlp& tlp, const char* why, uint64_t& counter) {
  ++counters_.ur_count;
  ++counter;
  refused_log_.line("%s of %u bytes at 0x%llx refused: %s", tlp.has_data() ? "DMA write" : "DMA read",
                    tlp.length_dw() * 4, static_cast<unsigned long long>(tlp.address()), why);
}

// The rules that make a request malformed (PCIe 2.2.3, 2.2.5, 2.2.7): such a packet is dropped without an
// answer.
bool RootComplex::check_request(const Tlp& tlp, unsigned limit) {
  const unsigned length = tlp.length_dw() * 4;
  const char* wrong = nullptr;
  if (length > limit) wrong = "longer than Max_Payload_Size or Max_Read_Request_Size allows";
  if (tlp.address() % kPageBytes + length > kPageBytes) wrong = "crosses a 4 KiB boundary";
  if (tlp.length_dw() == 1 ? tlp.last_be() != 0 : (tlp.first_be() == 0 || tlp.last_be() == 0))
    wrong = "has byte enables that its length does not allow";
  if (wrong == nullptr) return true;
  ++counters_.malformed_tlps;
  malformed_log_.line("malformed request from the card at 0x%llx, %u bytes: %s",
                      static_cast<unsigned long long>(tlp.address()), length, wrong);
  return false;
}

// A tag names one read at a time, and has 5 bits unless Extended Tag is enabled (PCIe 2.2.6.2). A root
// complex answers such a read all the same.
void RootComplex::check_tag(const Tlp& tlp) {
  const uint32_t tag = tlp.hdr[1] >> 8 & 0xff;
  const char* wrong = nullptr;
  if (tag > 31 && !config_.extended_tags()) wrong = "it has 8 bits, but Extended Tag is not enabled";
  for (const PendingRead& read : reads_)
    if ((read.request[1] >> 8 & 0xff) == tag) wrong = "a read with it is not answered yet";
  if (wrong == nullptr) return;
  ++counters_.wrong_tags;
  malformed_log_.line("read from the card at 0x%llx has tag %u: %s",
                      static_cast<unsigned long long>(tlp.address()), tag, wrong);
}

void RootComplex::take_request(const Tlp& tlp) {
  if (!tlp.is_memory()) {
    ++counters_.malformed_tlps;
    malformed_log_.line("request of an unknown type from the card: DW0 %08x", tlp.hdr[0]);
    return;
  }
  if (tlp.has_data()) {
    ++counters_.dma_writes;
    take_write(tlp);
  } else {
    ++counters_.dma_reads;
    take_read(tlp);
  }
}

void RootComplex::take_write(const Tlp& tlp) {
  if (!check_request(tlp, size_from_encoding(config_.max_payload()))) return;
  if (!config_.bus_master()) return refuse(tlp, "Bus Master Enable is 0", counters_.ur_bme_clear);
  const uint64_t address = tlp.address();
  const unsigned first = tlp.first_be();
  const unsigned last = tlp.length_dw() == 1 ? first : tlp.last_be();
  bool written = true;
  uint64_t bytes = tlp.bytes;
  if (first == 0xf && last == 0xf) {
    written = memory_.write(address, tlp.data, tlp.bytes);
  } else {
    // Byte by byte; the packet lies in one page, so either all of it is mapped or nothing.
    bytes = 0;
    for (unsigned i = 0; i < tlp.bytes && written; ++i) {
      const unsigned enables = i < 4 ? first : (i >= tlp.bytes - 4 ? last : 0xf);
      if ((enables >> (i % 4) & 1) == 0) continue;
      written = memory_.write(address + i, tlp.data + i, 1);
      ++bytes;
    }
  }
  if (!written) return refuse(tlp, "address is not mapped for writing", counters_.ur_unmapped);
  counters_.dma_write_bytes += bytes;
}

void RootComplex::take_read(const Tlp& tlp) {
  if (!check_request(tlp, size_from_encoding(config_.max_read_request()))) return;
  check_tag(tlp);
  const unsigned first = tlp.first_be();
  const bool single = tlp.length_dw() == 1;
  const unsigned lead = lowest_bit(first);
  const unsigned gap = single && first == 0 ? 3 : leading_gap(single ? first : tlp.last_be());
  PendingRead read{};
  read.due = core_.cycle() + settings_.read_latency;
  read.request[0] = tlp.hdr[0];
  read.request[1] = tlp.hdr[1];
  read.address = tlp.address() + lead;
  read.remaining = tlp.length_dw() * 4 - lead - gap;
  if (!config_.bus_master()) {
    refuse(tlp, "Bus Master Enable is 0", counters_.ur_bme_clear);
    read.refused = true;
  } else {
    uint8_t probe[kPageBytes];
    if (!memory_.read(tlp.address(), probe, tlp.length_dw() * 4)) {
      refuse(tlp, "address is not mapped for reading", counters_.ur_unmapped);
      read.refused = true;
    }
  }
  reads_.push_back(read);
}

std::deque<RootComplex::PendingRead>::iterator RootComplex::next_read() {
  const uint64_t now = core_.cycle();
  if (reads_.front().due > now) return reads_.end();
  if (!settings_.shuffle_seed) return reads_.begin();
  const auto due =
      std::find_if(reads_.begin(), reads_.end(), [now](const PendingRead& read) { return read.due > now; });
  return reads_.begin() + static_cast<std::ptrdiff_t>(shuffle_() % static_cast<size_t>(due - reads_.begin()));
}

// Puts the next completion on the pins when it is due. Memory is read now, not at the request: a page that
// was unmapped in between is answered with Unsupported Request.
void RootComplex::next_completion() {
  const auto next = next_read();
  if (next == reads_.end()) return;
  PendingRead& read = *next;
  const unsigned boundary = std::max(settings_.read_boundary, config_.boundary_128() ? 128u : 64u);
  const unsigned to_boundary = boundary - static_cast<unsigned>(read.address % boundary);
  const unsigned part = std::min(read.remaining, to_boundary);
  const unsigned lead = read.address & 3;
  rc_.bytes = (lead + part + 3) / 4 * 4;
  memset(rc_.data, 0, rc_.bytes + kBeatBytes);
  uint32_t status = kCplSuccess;
  if (read.refused || !memory_.read(read.address - lead, rc_.data, rc_.bytes)) {
    if (!read.refused) ++counters_.ur_count, ++counters_.ur_unmapped;
    status = kCplUnsupported;
    rc_.bytes = 0;
  }
  const uint32_t fmt = status == kCplSuccess ? 2 : 0;
  rc_.hdr[0] = fmt << 29 | 0x0au << 24 | (read.request[0] & kCompletionKeeps) | (rc_.bytes / 4 & 0x3ff);
  rc_.hdr[1] = status << 13 | (read.remaining & 0xfff);  // completer 00:00.0
  rc_.hdr[2] = (read.request[1] & 0xffffff00u) | (static_cast<uint32_t>(read.address) & 0x7f);
  rc_.hdr[3] = 0;
  if (status == kCplSuccess) {
    counters_.dma_read_bytes += part;
    read.address += part;
    read.remaining -= part;
  } else {
    read.remaining = 0;
  }
  if (read.remaining == 0) reads_.erase(next);
  rc_active_ = true;
  rc_beat_ = 0;
  put_rc();
}

}  // namespace vkcosim
