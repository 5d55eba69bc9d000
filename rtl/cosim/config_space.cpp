// SPDX-License-Identifier: Apache-2.0
// The function's configuration space, see config_space.h.
#include "config_space.h"

#include <cstring>

#include "vkbench_regs.h"

namespace vkcosim {
namespace {

struct Row {
  uint32_t offset, reset, mask;
};

constexpr Row kRows[] = {
#define VKCOSIM_ROW(offset, reset, mask) {offset, reset, mask},
    VK_CONFIG_REGISTERS(VKCOSIM_ROW)
#undef VKCOSIM_ROW
};

// Initiate Function Level Reset: bit 15 of Device Control, so bit 7 of its second byte.
constexpr size_t kFlrByte = VK_CONFIG_DEV_CTL_STA_OFFSET + 1;
constexpr uint8_t kFlrBit = 0x80;

const std::array<uint8_t, ConfigSpace::kBytes>& write_masks() {
  static const auto masks = [] {
    std::array<uint8_t, ConfigSpace::kBytes> table{};
    for (const Row& row : kRows)
      for (unsigned i = 0; i < 4; ++i) table[row.offset + i] = static_cast<uint8_t>(row.mask >> (8 * i));
    return table;
  }();
  return masks;
}

void put(uint8_t* at, uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

void ConfigSpace::reset() {
  value_.fill(0);
  for (const Row& row : kRows) put(&value_[row.offset], row.reset);
}

void ConfigSpace::function_level_reset() {
  const uint32_t payload = word(VK_CONFIG_DEV_CTL_STA_OFFSET) & VK_CONFIG_DEV_CTL_STA_MAX_PAYLOAD_MASK;
  const uint32_t link_control = word(VK_CONFIG_LINK_CTL_STA_OFFSET);
  const uint32_t link_control2 = word(VK_CONFIG_LINK_CTL2_OFFSET);
  reset();
  const uint32_t device_control =
      word(VK_CONFIG_DEV_CTL_STA_OFFSET) & ~VK_CONFIG_DEV_CTL_STA_MAX_PAYLOAD_MASK;
  put(&value_[VK_CONFIG_DEV_CTL_STA_OFFSET], device_control | payload);
  put(&value_[VK_CONFIG_LINK_CTL_STA_OFFSET], link_control);
  put(&value_[VK_CONFIG_LINK_CTL2_OFFSET], link_control2);
}

void ConfigSpace::read(size_t offset, uint8_t* out, size_t count) const {
  memcpy(out, value_.data() + offset, count);
}

bool ConfigSpace::write(size_t offset, const uint8_t* in, size_t count) {
  const auto& masks = write_masks();
  bool flr = false;
  for (size_t i = 0; i < count; ++i) {
    uint8_t& byte = value_[offset + i];
    const uint8_t mask = masks[offset + i];
    byte = static_cast<uint8_t>((byte & ~mask) | (in[i] & mask));
    flr = flr || (offset + i == kFlrByte && (in[i] & kFlrBit) != 0);
  }
  return flr;
}

uint32_t ConfigSpace::word(size_t offset) const {
  uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= static_cast<uint32_t>(value_[offset + i]) << (8 * i);
  return value;
}

unsigned ConfigSpace::max_payload() const {
  return (word(VK_CONFIG_DEV_CTL_STA_OFFSET) & VK_CONFIG_DEV_CTL_STA_MAX_PAYLOAD_MASK) >>
         VK_CONFIG_DEV_CTL_STA_MAX_PAYLOAD_LSB;
}

unsigned ConfigSpace::max_read_request() const {
  return (word(VK_CONFIG_DEV_CTL_STA_OFFSET) & VK_CONFIG_DEV_CTL_STA_MAX_READ_REQUEST_MASK) >>
         VK_CONFIG_DEV_CTL_STA_MAX_READ_REQUEST_LSB;
}

bool ConfigSpace::extended_tags() const {
  return (word(VK_CONFIG_DEV_CTL_STA_OFFSET) & VK_CONFIG_DEV_CTL_STA_EXTENDED_TAG_MASK) != 0;
}

bool ConfigSpace::boundary_128() const {
  return (word(VK_CONFIG_LINK_CTL_STA_OFFSET) & VK_CONFIG_LINK_CTL_STA_RCB_MASK) != 0;
}

bool ConfigSpace::msix_enable() const {
  return (word(VK_CONFIG_MSIX_CAP_OFFSET) & VK_CONFIG_MSIX_CAP_ENABLE_MASK) != 0;
}

bool ConfigSpace::msix_function_mask() const {
  return (word(VK_CONFIG_MSIX_CAP_OFFSET) & VK_CONFIG_MSIX_CAP_FUNCTION_MASK_MASK) != 0;
}

unsigned ConfigSpace::link_speed() const {
  return (word(VK_CONFIG_LINK_CTL_STA_OFFSET) & VK_CONFIG_LINK_CTL_STA_SPEED_MASK) >>
         VK_CONFIG_LINK_CTL_STA_SPEED_LSB;
}

unsigned ConfigSpace::link_lanes() const {
  return (word(VK_CONFIG_LINK_CTL_STA_OFFSET) & VK_CONFIG_LINK_CTL_STA_WIDTH_MASK) >>
         VK_CONFIG_LINK_CTL_STA_WIDTH_LSB;
}

uint64_t ConfigSpace::bar_base(unsigned index) const {
  const size_t offset = VK_CONFIG_BAR0_OFFSET + 4 * index;
  return static_cast<uint64_t>(word(offset + 4)) << 32 | (word(offset) & ~0xfu);
}

uint64_t ConfigSpace::bar_bytes(unsigned index) {
  const auto& masks = write_masks();
  uint64_t writable = 0;
  for (unsigned i = 0; i < 8; ++i)
    writable |= static_cast<uint64_t>(masks[VK_CONFIG_BAR0_OFFSET + 4 * index + i]) << (8 * i);
  return writable & -writable;
}

}  // namespace vkcosim
