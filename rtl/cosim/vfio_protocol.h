// SPDX-License-Identifier: Apache-2.0
// The vfio-user wire format (QEMU docs/interop/vfio-user.rst, protocol 0.0): numbers and fixed payloads.
#pragma once

#include <cstdint>

namespace vkcosim::vfio {

enum Command : uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kGetInfo = 4,
  kGetRegionInfo = 5,
  kGetRegionIoFds = 6,
  kGetIrqInfo = 7,
  kSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kDmaRead = 11,
  kDmaWrite = 12,
  kReset = 13,
  kDirtyPages = 14,  // gone from the newest text, still in QEMU's header
  kRegionWriteMulti = 15,
  kFeature = 16,
  kMigDataRead = 17,
  kMigDataWrite = 18,
};

constexpr uint32_t kTypeMask = 0xf, kTypeCommand = 0, kTypeReply = 1, kNoReply = 0x10, kError = 0x20;

struct Header {
  uint16_t id;
  uint16_t command;
  uint32_t size;  // of the whole message, this header included
  uint32_t flags;
  uint32_t error;
};
static_assert(sizeof(Header) == 16);

struct VersionHead {
  uint16_t major, minor;
};

struct DmaMap {
  uint32_t argsz, flags;
  uint64_t offset, address, size;
};
static_assert(sizeof(DmaMap) == 32);

struct DmaUnmap {
  uint32_t argsz, flags;
  uint64_t address, size;
};
static_assert(sizeof(DmaUnmap) == 24);
constexpr uint32_t kUnmapDirtyBitmap = 1, kUnmapAll = 2;

struct DeviceInfo {
  uint32_t argsz, flags, num_regions, num_irqs;
};
constexpr uint32_t kDeviceReset = 1, kDevicePci = 2;

struct RegionInfo {
  uint32_t argsz, flags, index, cap_offset;
  uint64_t size, offset;
};
static_assert(sizeof(RegionInfo) == 32);
constexpr uint32_t kRegionReadable = 1, kRegionWritable = 2;
enum Region : uint32_t { kBar0 = 0, kBar2 = 2, kBar4 = 4, kRom = 6, kConfig = 7, kVga = 8, kRegions = 9 };

struct IrqInfo {
  uint32_t argsz, flags, index, count;
};
constexpr uint32_t kIrqEventfd = 1, kIrqMaskable = 2;
enum Irq : uint32_t { kIntx = 0, kMsi = 1, kMsix = 2, kErr = 3, kReq = 4, kIrqs = 5 };

struct IrqSet {
  uint32_t argsz, flags, index, start, count;
};
static_assert(sizeof(IrqSet) == 20);
constexpr uint32_t kIrqDataNone = 1, kIrqDataBool = 2, kIrqDataEventfd = 4;
constexpr uint32_t kIrqMask = 8, kIrqUnmask = 16, kIrqTrigger = 32;

struct RegionAccess {
  uint64_t offset;
  uint32_t region, count;
};
static_assert(sizeof(RegionAccess) == 16);

struct MultiWrite {
  RegionAccess access;
  uint8_t data[8];
};
static_assert(sizeof(MultiWrite) == 24);

constexpr uint32_t kMaxTransfer = 1u << 20;  // the protocol's default max_data_xfer_size
constexpr uint32_t kMaxMessage = sizeof(Header) + sizeof(RegionAccess) + kMaxTransfer;
constexpr unsigned kMaxFds = 8;

}  // namespace vkcosim::vfio
