// SPDX-License-Identifier: Apache-2.0
// What the vfio-user commands do to the card, see vfio_device.h.
#include "vfio_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "json_lite.h"
#include "log.h"
#include "vfio_protocol.h"

namespace vkcosim {
namespace {

using namespace vfio;

// Copies the fixed head of a payload; false when the payload is shorter.
template <typename T>
bool head(const VfioCommand& command, T* out) {
  if (command.payload.size() < sizeof(T)) return false;
  memcpy(out, command.payload.data(), sizeof(T));
  return true;
}

template <typename T>
void put(std::vector<uint8_t>* reply, const T& value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  reply->insert(reply->end(), bytes, bytes + sizeof(T));
}

uint64_t region_bytes(uint32_t index) {
  switch (index) {
    case kBar0:
    case kBar2:
    case kBar4: return ConfigSpace::bar_bytes(index);
    case kConfig: return ConfigSpace::kBytes;
    default: return 0;
  }
}

uint32_t irq_count(uint32_t index) { return index == kMsix ? Interrupts::kVectors : 0; }

int check_access(const RegionAccess& access) {
  if (access.region >= kRegions || access.count == 0 || access.count > kMaxTransfer) return EINVAL;
  const uint64_t size = region_bytes(access.region);
  if (access.offset > size || access.count > size - access.offset) return EINVAL;
  return 0;
}

}  // namespace

int VfioDevice::execute(VfioCommand& command, std::vector<uint8_t>* reply) {
  const int error = carry_out(command, reply);
  after_command_();
  return error;
}

int VfioDevice::carry_out(VfioCommand& command, Reply* reply) {
  if (command.command == kVersion) return version(command, reply);
  if (!negotiated_) return EINVAL;
  const bool takes_fds = command.command == kDmaMap || command.command == kSetIrqs;
  if (!takes_fds && !command.fds.empty()) return EINVAL;
  switch (command.command) {
    case kDmaMap: return dma_map(command);
    case kDmaUnmap: return dma_unmap(command, reply);
    case kGetInfo: return device_info(command, reply);
    case kGetRegionInfo: return region_info(command, reply);
    case kGetIrqInfo: return irq_info(command, reply);
    case kSetIrqs: return set_irqs(command);
    case kRegionRead: return region_read(command, reply);
    case kRegionWrite: return region_write(command, reply);
    case kRegionWriteMulti: return write_multi(command, reply);
    case kReset:
      if (!command.payload.empty()) return EINVAL;
      before_access_();
      log().line("vfio-user: device reset");
      slot_.reset();
      return 0;
    case kGetRegionIoFds:
    case kDirtyPages:
    case kFeature:
    case kMigDataRead:
    case kMigDataWrite: return ENOTSUP;
    default: return EINVAL;
  }
}

void VfioDevice::disconnect() {
  memory_.clear();
  interrupts_.clear();
  if (negotiated_) slot_.power_off();
  negotiated_ = false;
}

int VfioDevice::version(const VfioCommand& command, Reply* reply) {
  VersionHead asked{};
  if (negotiated_ || !command.fds.empty() || !head(command, &asked)) return EINVAL;
  if (asked.major != 0) return ENOTSUP;
  std::string text;
  if (command.payload.size() > sizeof asked) {
    if (command.payload.back() != 0) return EINVAL;
    text.assign(reinterpret_cast<const char*>(command.payload.data()) + sizeof asked,
                command.payload.size() - sizeof asked - 1);
    if (!json_is_object(text)) return EINVAL;
  }
  // Only capabilities that the client has named may be answered; the others keep the protocol's defaults.
  std::string answer;
  const auto offer = [&](const char* name, const std::string& value) {
    if (!json_member(text, {"capabilities", name})) return;
    answer += (answer.empty() ? "\"" : ",\"") + std::string(name) + "\":" + value;
  };
  offer("max_msg_fds", std::to_string(kMaxFds));
  offer("max_data_xfer_size", std::to_string(kMaxTransfer));
  offer("max_dma_maps", std::to_string(GuestMemory::kMaxMappings));
  offer("pgsizes", std::to_string(GuestMemory::kGranule));
  if (json_member(text, {"capabilities", "write_multiple"}) == "true") offer("write_multiple", "true");
  put(reply, VersionHead{0, 0});
  answer = "{\"capabilities\":{" + answer + "}}";
  reply->insert(reply->end(), answer.c_str(), answer.c_str() + answer.size() + 1);
  negotiated_ = true;
  ++counters_.vfio_connects;
  log().line("vfio-user: client connected, version %u.%u %.300s", asked.major, asked.minor, text.c_str());
  slot_.reset();
  return 0;
}

int VfioDevice::dma_map(VfioCommand& command) {
  DmaMap map{};
  if (command.payload.size() != sizeof map || !head(command, &map)) return EINVAL;
  if (map.argsz < sizeof map || (map.flags & ~3u) != 0 || command.fds.size() > 1) return EINVAL;
  const int fd = command.fds.empty() ? -1 : command.fds[0].get();
  const int error = memory_.map(map.address, map.size, map.flags, fd, map.offset);
  if (error == 0) ++counters_.dma_maps;
  return error;
}

int VfioDevice::dma_unmap(const VfioCommand& command, Reply* reply) {
  DmaUnmap unmap{};
  if (command.payload.size() != sizeof unmap || !head(command, &unmap)) return EINVAL;
  if (unmap.argsz < sizeof unmap) return EINVAL;
  if ((unmap.flags & kUnmapDirtyBitmap) != 0) return ENOTSUP;
  if ((unmap.flags & ~kUnmapAll) != 0) return EINVAL;
  if ((unmap.flags & kUnmapAll) != 0) {
    if (unmap.address != 0 || unmap.size != 0) return EINVAL;
    memory_.clear();
  } else if (const int error = memory_.unmap(unmap.address, unmap.size); error != 0) {
    return error;
  }
  ++counters_.dma_unmaps;
  put(reply, unmap);
  return 0;
}

int VfioDevice::device_info(const VfioCommand& command, Reply* reply) {
  DeviceInfo info{};
  if (command.payload.size() != sizeof info || !head(command, &info) || info.argsz < sizeof info)
    return EINVAL;
  put(reply, DeviceInfo{sizeof info, kDeviceReset | kDevicePci, kRegions, kIrqs});
  return 0;
}

int VfioDevice::region_info(const VfioCommand& command, Reply* reply) {
  RegionInfo info{};
  if (command.payload.size() != sizeof info || !head(command, &info)) return EINVAL;
  if (info.argsz < sizeof info || info.index >= kRegions) return EINVAL;
  const uint64_t size = region_bytes(info.index);
  put(reply,
      RegionInfo{sizeof info, size == 0 ? 0 : kRegionReadable | kRegionWritable, info.index, 0, size, 0});
  return 0;
}

int VfioDevice::irq_info(const VfioCommand& command, Reply* reply) {
  IrqInfo info{};
  if (command.payload.size() != sizeof info || !head(command, &info)) return EINVAL;
  if (info.argsz < sizeof info || info.index >= kIrqs) return EINVAL;
  const uint32_t count = irq_count(info.index);
  put(reply, IrqInfo{sizeof info, count == 0 ? 0 : kIrqEventfd | kIrqMaskable, info.index, count});
  return 0;
}

int VfioDevice::set_irqs(VfioCommand& command) {
  IrqSet set{};
  if (!head(command, &set) || set.argsz != command.payload.size() || set.index >= kIrqs) return EINVAL;
  const uint32_t data = set.flags & 7, action = set.flags & 0x38;
  if ((set.flags & ~0x3fu) != 0 || __builtin_popcount(data) != 1 || __builtin_popcount(action) != 1)
    return EINVAL;
  const uint32_t available = irq_count(set.index);
  if (set.start > available || set.count > available - set.start) return EINVAL;
  const size_t extra = command.payload.size() - sizeof set;
  if (extra != (data == kIrqDataBool ? set.count : 0)) return EINVAL;
  if (data != kIrqDataEventfd && !command.fds.empty()) return EINVAL;
  if (set.count == 0) {
    // The only empty range with a meaning: everything of this index off.
    if (data != kIrqDataNone || action != kIrqTrigger || set.start != 0) return EINVAL;
    if (set.index == kMsix) interrupts_.clear();
    return 0;
  }
  if (data == kIrqDataEventfd) {
    if (action != kIrqTrigger) return ENOTSUP;
    if (!command.fds.empty() && command.fds.size() != set.count) return EINVAL;
    for (const Fd& fd : command.fds)
      if (const int error = Interrupts::check(fd.get()); error != 0) return error;
    for (uint32_t i = 0; i < set.count; ++i)
      interrupts_.assign(set.start + i, command.fds.empty() ? Fd() : std::move(command.fds[i]));
    return 0;
  }
  for (uint32_t i = 0; i < set.count; ++i) {
    if (data == kIrqDataBool && command.payload[sizeof set + i] == 0) continue;
    if (action == kIrqTrigger) {
      interrupts_.fire(set.start + i);
    } else {
      interrupts_.set_mask(set.start + i, action == kIrqMask);
    }
  }
  return 0;
}

int VfioDevice::region_read(const VfioCommand& command, Reply* reply) {
  RegionAccess access{};
  if (command.payload.size() != sizeof access || !head(command, &access)) return EINVAL;
  if (const int error = check_access(access); error != 0) return error;
  before_access_();
  put(reply, access);
  reply->resize(sizeof access + access.count);
  uint8_t* out = reply->data() + sizeof access;
  if (access.region == kConfig) {
    ++counters_.config_reads;
    slot_.read_config(access.offset, out, access.count);
  } else {
    ++counters_.bar_reads;
    root_.read(access.region, access.offset, out, access.count);
  }
  return 0;
}

int VfioDevice::region_write(const VfioCommand& command, Reply* reply) {
  RegionAccess access{};
  if (!head(command, &access)) return EINVAL;
  if (const int error = check_access(access); error != 0) return error;
  if (command.payload.size() - sizeof access != access.count) return EINVAL;
  write_region(access.region, access.offset, command.payload.data() + sizeof access, access.count);
  put(reply, access);
  return 0;
}

int VfioDevice::write_multi(const VfioCommand& command, Reply* reply) {
  uint64_t count = 0;
  if (!head(command, &count)) return EINVAL;
  const size_t room = command.payload.size() - sizeof count;
  if (count == 0 || room % sizeof(MultiWrite) != 0 || room / sizeof(MultiWrite) != count) return EINVAL;
  // All are checked before the first is done.
  std::vector<MultiWrite> writes(count);
  memcpy(writes.data(), command.payload.data() + sizeof count, room);
  for (const MultiWrite& write : writes) {
    if (write.access.count > sizeof write.data) return EINVAL;
    if (const int error = check_access(write.access); error != 0) return error;
  }
  for (const MultiWrite& write : writes)
    write_region(write.access.region, write.access.offset, write.data, write.access.count);
  put(reply, count);
  return 0;
}

void VfioDevice::write_region(uint32_t region, uint64_t offset, const uint8_t* data, uint32_t count) {
  before_access_();
  if (region == kConfig) {
    ++counters_.config_writes;
    slot_.write_config(offset, data, count);
  } else {
    ++counters_.bar_writes;
    root_.write(region, offset, data, count);
  }
}

}  // namespace vkcosim
