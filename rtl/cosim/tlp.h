// SPDX-License-Identifier: Apache-2.0
// A transaction layer packet as the four TLP streams carry it: header dwords numbered as in the PCI Express
// Base Specification (DW0[31:29] = Fmt) and payload bytes in memory order.
#pragma once

#include <cstdint>
#include <cstring>

namespace vkcosim {

constexpr unsigned kMaxTlpBytes = 4096;  // Length field: at most 1024 dwords
constexpr unsigned kBeatBytes = 32;      // one stream beat
constexpr unsigned kPageBytes = 4096;    // no request may cross this boundary (PCIe 2.2.7)
constexpr uint32_t kCplSuccess = 0;      // completion status, PCIe table 2-34
constexpr uint32_t kCplUnsupported = 1;

struct Tlp {
  uint32_t hdr[4] = {};
  uint8_t bar = 0;
  unsigned bytes = 0;  // payload, a multiple of 4
  alignas(kBeatBytes) uint8_t data[kMaxTlpBytes + kBeatBytes];

  uint32_t fmt() const { return hdr[0] >> 29; }
  uint32_t type() const { return (hdr[0] >> 24) & 0x1f; }
  bool has_data() const { return (fmt() & 2) != 0; }
  bool four_dw() const { return (fmt() & 1) != 0; }
  unsigned length_dw() const { return (hdr[0] & 0x3ff) == 0 ? 1024 : (hdr[0] & 0x3ff); }
  bool is_memory() const { return type() == 0 && fmt() <= 3; }
  bool is_completion() const { return (type() == 0x0a) && (fmt() == 0 || fmt() == 2); }
  uint64_t address() const {
    return four_dw() ? (static_cast<uint64_t>(hdr[2]) << 32) | (hdr[3] & ~3u) : (hdr[2] & ~3u);
  }
  unsigned first_be() const { return hdr[1] & 0xf; }
  unsigned last_be() const { return (hdr[1] >> 4) & 0xf; }
  unsigned beats() const { return bytes == 0 ? 1 : (bytes + kBeatBytes - 1) / kBeatBytes; }
};

// A memory request for the bytes [address, address+length): length 1 or more, within one 4 KiB page.
// `data` is null for a read.
inline void make_memory_request(Tlp& tlp, uint64_t address, unsigned length, const uint8_t* data,
                                uint8_t tag) {
  const unsigned lead = address & 3;
  const unsigned dwords = (lead + length + 3) / 4;
  const unsigned tail = (lead + length) & 3;
  unsigned first = (0xfu << lead) & 0xf;
  unsigned last = tail == 0 ? 0xf : (1u << tail) - 1;
  if (dwords == 1) {
    first &= last;
    last = 0;
  }
  const bool wide = (address >> 32) != 0;
  const uint32_t fmt = (data != nullptr ? 2u : 0u) | (wide ? 1u : 0u);
  tlp.hdr[0] = fmt << 29 | (dwords & 0x3ff);
  tlp.hdr[1] = static_cast<uint32_t>(tag) << 8 | last << 4 | first;  // requester 00:00.0, the root complex
  const uint32_t low = static_cast<uint32_t>(address) & ~3u;
  tlp.hdr[2] = wide ? static_cast<uint32_t>(address >> 32) : low;
  tlp.hdr[3] = wide ? low : 0;
  tlp.bytes = 0;
  if (data != nullptr) {
    tlp.bytes = dwords * 4;
    memset(tlp.data, 0, (tlp.bytes + kBeatBytes - 1) / kBeatBytes * kBeatBytes);
    memcpy(tlp.data + lead, data, length);
  }
}

}  // namespace vkcosim
