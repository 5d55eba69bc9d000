// SPDX-License-Identifier: Apache-2.0
// The memory that the guest has shared for DMA: a live table of IOVA ranges, each mapped from a file
// descriptor. Nothing outside these ranges can be read or written through this class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace vkcosim {

class GuestMemory {
 public:
  static constexpr uint64_t kGranule = 4096;     // address, size and file offset are multiples of this
  static constexpr size_t kMaxMappings = 65535;  // vfio-user's default max_dma_maps
  static constexpr uint32_t kRead = 1, kWrite = 2;

  GuestMemory();
  ~GuestMemory() { clear(); }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // Adds [iova, iova+size). `fd` -1: the range is known, but every access to it is refused. The descriptor
  // stays the caller's. Returns 0 or an errno value.
  int map(uint64_t iova, uint64_t size, uint32_t access, int fd, uint64_t offset);
  // Removes every mapping that lies in [iova, iova+size). EINVAL when one lies in it only in part: nothing is
  // removed then. A range that holds no mapping is no error (a vIOMMU unmaps whole domains).
  int unmap(uint64_t iova, uint64_t size);
  void clear();

  // Copies between guest memory and a buffer. False, with nothing written, when any byte is not mapped with
  // that access or the file behind it has become too short.
  bool read(uint64_t iova, void* out, size_t count) { return access(iova, out, nullptr, count); }
  bool write(uint64_t iova, const void* in, size_t count) { return access(iova, nullptr, in, count); }

  size_t mappings() const { return regions_.size(); }

 private:
  struct Region {
    uint64_t size;
    uint32_t access;
    uint8_t* host;  // null when there was no descriptor
  };
  bool access(uint64_t iova, void* out, const void* in, size_t count);
  const Region* find(uint64_t iova, uint64_t* start) const;
  static void release(const Region& region);

  std::map<uint64_t, Region> regions_;  // by first address; ranges never overlap
};

}  // namespace vkcosim
