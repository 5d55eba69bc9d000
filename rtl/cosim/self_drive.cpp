// SPDX-License-Identifier: Apache-2.0
// The host inside vkcosim, see self_drive.h. Registers and message layout: docs/driver-contract.md.
#include "self_drive.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "vkbench_regs.h"

namespace vkcosim {
namespace {

constexpr uint64_t kMemory = 0x40000000;  // bus address of the host's memory
constexpr uint64_t kScratch = kMemory, kScratchBytes = 128 << 10;
constexpr uint64_t kUpload = kMemory + (1 << 20), kDownload = kMemory + (2 << 20);
constexpr uint64_t kUploadSgl = kMemory + (3 << 20), kDownloadSgl = kUploadSgl + kPageBytes;
constexpr uint64_t kMemoryBytes = 4 << 20;
constexpr uint32_t kEntries = 64;  // of an SGL, a page each

constexpr uint32_t kRunning = 0x00100006, kStateMask = ~0x002c0000u;  // BOOT_STATUS: BOOT2_RUNNING
constexpr uint64_t kReadyCycles = 10'000'000;
constexpr uint32_t kBars[] = {0xe0000000, 0xe0200000, 0xe0400000};

constexpr uint32_t kDescriptorBytes = 32, kStart = 4, kReadIndex = 8, kWriteIndex = 12;
constexpr uint32_t kBlocks = 64, kBlockBytes = 16, kInFlight = 4;
constexpr uint32_t kTransBuf = 5, kUploadOnePlane = 0x401, kDownloadOnePlane = 0x501;

}  // namespace

SelfDrive::SelfDrive(Load load, CoreModel& core, CardSlot& slot, RootComplex& root, GuestMemory& memory,
                     ScpiPort& scpi)
    : load_(load), core_(core), slot_(slot), root_(root), memory_(memory), scpi_(scpi) {}

uint32_t SelfDrive::read(unsigned bar, uint64_t offset) {
  uint32_t value = 0;
  root_.read(bar, offset, reinterpret_cast<uint8_t*>(&value), sizeof value);
  return value;
}

void SelfDrive::write(unsigned bar, uint64_t offset, uint32_t value) {
  root_.write(bar, offset, reinterpret_cast<const uint8_t*>(&value), sizeof value);
}

void SelfDrive::configure(size_t offset, uint32_t value) {
  slot_.write_config(offset, reinterpret_cast<const uint8_t*>(&value), sizeof value);
}

void SelfDrive::write_sgl(uint64_t at, uint64_t buffer) {
  uint32_t words[2 + 3 * kEntries] = {kEntries, kEntries * kPageBytes};
  for (uint32_t i = 0; i < kEntries; ++i) {
    const uint64_t page = buffer + i * kPageBytes;
    const uint32_t entry[3] = {kPageBytes, static_cast<uint32_t>(page), static_cast<uint32_t>(page >> 32)};
    memcpy(&words[2 + 3 * i], entry, sizeof entry);
  }
  memory_.write(at, words, sizeof words);
}

void SelfDrive::start() {
  if (load_ == Load::kNone) return;
  fd_.reset(memfd_create("host", MFD_CLOEXEC));
  if (!fd_ || ftruncate(fd_.get(), kMemoryBytes) != 0 ||
      memory_.map(kMemory, kMemoryBytes, GuestMemory::kRead | GuestMemory::kWrite, fd_.get(), 0) != 0)
    throw std::runtime_error("no memory for the built-in host");
  slot_.reset();
  for (unsigned i = 0; i < 3; ++i) configure(VK_CONFIG_BAR0_OFFSET + 8 * i, kBars[i]);
  configure(VK_CONFIG_DEV_CTL_STA_OFFSET, VK_CONFIG_DEV_CTL_STA_EXTENDED_TAG_MASK |
                                              1u << VK_CONFIG_DEV_CTL_STA_MAX_PAYLOAD_LSB |
                                              2u << VK_CONFIG_DEV_CTL_STA_MAX_READ_REQUEST_LSB);
  configure(VK_CONFIG_COMMAND_STATUS_OFFSET, VK_CONFIG_COMMAND_STATUS_MEM_ENABLE_MASK |
                                                 VK_CONFIG_COMMAND_STATUS_BUS_MASTER_ENABLE_MASK);
  while ((read(0, VK_BAR0_BOOT_STATUS_OFFSET) & kStateMask) != kRunning)
    if (core_.cycle() > kReadyCycles) throw std::runtime_error("the card does not come up");
  write(2, VK_BAR1_SCRATCH_HI_OFFSET, 0);
  write(2, VK_BAR1_SCRATCH_LO_OFFSET, kScratch);
  write(2, VK_BAR1_SCRATCH_SIZE_OFFSET, kScratchBytes);
  if (writes()) scpi_.type("DUT:DMA:LEN 256;PER 0;MODE WRIT;STAT ON\n");
  if (!messages()) return;
  write_sgl(kUploadSgl, kUpload);
  write_sgl(kDownloadSgl, kDownload);
  const uint32_t queues = read(2, VK_BAR1_MSGQ_NR_OFFSET) / 2;
  const uint32_t first = read(2, VK_BAR1_MSGQ_CTRL_OFF_OFFSET);
  for (Ring* ring : {&to_card_, &to_host_}) {
    ring->descriptor = ring == &to_card_ ? first : first + queues * kDescriptorBytes;
    ring->start = read(2, ring->descriptor + kStart);
    ring->index = read(2, ring->descriptor + (ring == &to_card_ ? kWriteIndex : kReadIndex));
  }
}

void SelfDrive::send(bool upload) {
  const uint64_t sgl = upload ? kUploadSgl : kDownloadSgl;
  const uint32_t id = (sent_++ & 0xfff) << 4;
  const uint32_t message[2 * kBlockBytes / 4] = {kTransBuf | 1u << 8 | id << 16,
                                                 0,
                                                 upload ? kUploadOnePlane : kDownloadOnePlane,
                                                 0,
                                                 0,
                                                 (2 + 3 * kEntries) * 4,
                                                 static_cast<uint32_t>(sgl),
                                                 static_cast<uint32_t>(sgl >> 32)};
  for (uint32_t i = 0; i < sizeof message / 4; ++i) {
    const uint32_t block = (to_card_.index + i / 4) % kBlocks;
    write(2, to_card_.start + block * kBlockBytes + i % 4 * 4, message[i]);
  }
  to_card_.index = (to_card_.index + 2) % kBlocks;
  write(2, to_card_.descriptor + kWriteIndex, to_card_.index);
  write(0, VK_BAR0_QUEUE0_DOORBELL_OFFSET, to_card_.index + 1);
}

void SelfDrive::turn() {
  if (!messages()) return;
  const uint32_t end = read(2, to_host_.descriptor + kWriteIndex);
  for (; to_host_.index != end; to_host_.index = (to_host_.index + 1) % kBlocks, ++answered_)
    if (const uint32_t result = read(2, to_host_.start + to_host_.index * kBlockBytes + 12); result != 0)
      throw std::runtime_error("message " + std::to_string(answered_) + " failed with " +
                               std::to_string(result));
  write(2, to_host_.descriptor + kReadIndex, to_host_.index);
  while (sent_ - answered_ < kInFlight) send(sent_ % 2 == 0);
}

}  // namespace vkcosim
