// SPDX-License-Identifier: Apache-2.0
// The memory that the guest has shared for DMA, see guest_memory.h.
#include "guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <iterator>

namespace vkcosim {
namespace {

// The owner of a shared file may shorten it at any time; the next access then raises SIGBUS. The copy catches
// it.
sigjmp_buf g_bus_error;
volatile sig_atomic_t g_copying = 0;

void on_bus_error(int) {
  if (g_copying != 0) siglongjmp(g_bus_error, 1);
  signal(SIGBUS, SIG_DFL);  // not ours: let it be fatal, the faulting instruction runs again
}

bool guarded_copy(void* to, const void* from, size_t count) {
  if (sigsetjmp(g_bus_error, 0) != 0) {
    g_copying = 0;
    return false;
  }
  g_copying = 1;
  memcpy(to, from, count);
  // Without this the compiler may move the copy past the flag.
  __asm__ volatile("" ::: "memory");
  g_copying = 0;
  return true;
}

}  // namespace

GuestMemory::GuestMemory() {
  struct sigaction action{};
  action.sa_handler = on_bus_error;
  action.sa_flags = SA_NODEFER;  // siglongjmp leaves the handler without restoring the signal mask
  sigaction(SIGBUS, &action, nullptr);
}

int GuestMemory::map(uint64_t iova, uint64_t size, uint32_t access, int fd, uint64_t offset) {
  if (size == 0 || iova % kGranule != 0 || size % kGranule != 0 || offset % kGranule != 0) return EINVAL;
  if (iova + (size - 1) < iova || (access & (kRead | kWrite)) == 0) return EINVAL;
  const auto next = regions_.lower_bound(iova);
  if (next != regions_.end() && next->first - iova < size) return EEXIST;
  if (next != regions_.begin()) {
    const auto before = std::prev(next);
    if (iova - before->first < before->second.size) return EEXIST;
  }
  if (regions_.size() >= kMaxMappings) return ENOSPC;
  uint8_t* host = nullptr;
  if (fd >= 0) {
    struct stat info{};
    if (fstat(fd, &info) != 0) return errno;
    if (!S_ISREG(info.st_mode)) return EINVAL;
    const auto length = static_cast<uint64_t>(info.st_size);
    if (offset > length || size > length - offset) return EINVAL;
    const int protection =
        ((access & kRead) != 0 ? PROT_READ : 0) | ((access & kWrite) != 0 ? PROT_WRITE : 0);
    void* at = mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
    if (at == MAP_FAILED) return errno;
    host = static_cast<uint8_t*>(at);
  }
  regions_.emplace_hint(next, iova, Region{size, access, host});
  return 0;
}

int GuestMemory::unmap(uint64_t iova, uint64_t size) {
  if (size == 0 || iova + (size - 1) < iova) return EINVAL;
  const uint64_t last = iova + (size - 1);
  auto first = regions_.lower_bound(iova);
  if (first != regions_.begin()) {
    const auto before = std::prev(first);
    if (iova - before->first < before->second.size) return EINVAL;
  }
  auto end = first;
  for (; end != regions_.end() && end->first <= last; ++end)
    if (end->first + (end->second.size - 1) > last) return EINVAL;
  for (auto it = first; it != end; ++it) release(it->second);
  regions_.erase(first, end);
  return 0;
}

void GuestMemory::clear() {
  for (const auto& [iova, region] : regions_) release(region);
  regions_.clear();
}

void GuestMemory::release(const Region& region) {
  if (region.host != nullptr) munmap(region.host, region.size);
}

const GuestMemory::Region* GuestMemory::find(uint64_t iova, uint64_t* start) const {
  auto it = regions_.upper_bound(iova);
  if (it == regions_.begin()) return nullptr;
  --it;
  if (iova - it->first >= it->second.size) return nullptr;
  *start = it->first;
  return &it->second;
}

bool GuestMemory::access(uint64_t iova, void* out, const void* in, size_t count) {
  if (count == 0) return true;
  if (iova + (count - 1) < iova) return false;
  const uint32_t wanted = in != nullptr ? kWrite : kRead;
  // First the whole range is checked, so that a refused write leaves no byte behind.
  for (int pass = 0; pass < 2; ++pass) {
    size_t done = 0;
    while (done < count) {
      uint64_t start = 0;
      const Region* region = find(iova + done, &start);
      if (region == nullptr || region->host == nullptr || (region->access & wanted) == 0) return false;
      const uint64_t within = iova + done - start;
      const size_t part = static_cast<size_t>(std::min<uint64_t>(count - done, region->size - within));
      if (pass == 1) {
        uint8_t* host = region->host + within;
        const bool copied = in != nullptr ? guarded_copy(host, static_cast<const uint8_t*>(in) + done, part)
                                          : guarded_copy(static_cast<uint8_t*>(out) + done, host, part);
        if (!copied) return false;
      }
      done += part;
    }
  }
  return true;
}

}  // namespace vkcosim
