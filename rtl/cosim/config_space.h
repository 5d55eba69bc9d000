// SPDX-License-Identifier: Apache-2.0
// The function's configuration space, as the PCIe hard IP would hold it: reset values and write masks come
// from rtl/regs/vk_config.rdl by way of the generated vkbench_regs.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vkcosim {

class ConfigSpace {
 public:
  static constexpr size_t kBytes = 4096;

  ConfigSpace() { reset(); }
  // Power-on, PERST# and hot reset.
  void reset();
  // Function Level Reset: what PCIe 6.6.2 exempts (Max_Payload_Size, Link Control, Link Control 2) survives.
  void function_level_reset();

  // Reads any number of bytes; the caller has checked offset + count <= kBytes.
  void read(size_t offset, uint8_t* out, size_t count) const;
  // Writes the writable bits. Returns true when Initiate Function Level Reset was written with 1.
  bool write(size_t offset, const uint8_t* in, size_t count);

  uint16_t command() const { return static_cast<uint16_t>(word(0x04)); }
  bool memory_enabled() const { return (command() & 2) != 0; }
  bool bus_master() const { return (command() & 4) != 0; }
  unsigned max_payload() const;       // DevCtl encoding
  unsigned max_read_request() const;  // DevCtl encoding
  bool extended_tags() const;         // tags of 8 bits, else of 5
  bool boundary_128() const;          // Read Completion Boundary: 128 bytes, else 64
  bool msix_enable() const;
  bool msix_function_mask() const;
  bool msix_enabled() const { return msix_enable() && !msix_function_mask(); }
  // Link Status: the code of the speed (1 is 2.5 GT/s) and the number of lanes.
  unsigned link_speed() const;
  unsigned link_lanes() const;
  // Bus address of a 64-bit BAR, index 0, 2 or 4.
  uint64_t bar_base(unsigned index) const;
  // Its size in bytes, by the address bits that the host can write.
  static uint64_t bar_bytes(unsigned index);

  // The dword at `offset`, a multiple of 4.
  uint32_t word(size_t offset) const;

 private:
  std::array<uint8_t, kBytes> value_{};
};

// Max_Payload_Size and Max_Read_Request_Size encodings: 128 << n bytes; the reserved 6 and 7 count as 128.
constexpr unsigned size_from_encoding(unsigned encoding) { return encoding > 5 ? 128 : 128u << encoding; }

}  // namespace vkcosim
