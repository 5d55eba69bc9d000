// SPDX-License-Identifier: Apache-2.0
// Unit tests of the parts of vkcosim that need no RTL: configuration space, guest memory, request TLPs, JSON,
// pacing. Built and run by test_unit.py; a failed CHECK prints its line and ends with status 1.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "config_space.h"
#include "guest_memory.h"
#include "json_lite.h"
#include "pacer.h"
#include "sockets.h"
#include "tlp.h"

using namespace vkcosim;

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      fprintf(stderr, "unit.cpp:%d: %s is false\n", __LINE__, #condition); \
      exit(1);                                                             \
    }                                                                      \
  } while (false)

static void configuration_space() {
  ConfigSpace config;
  uint8_t bytes[8];
  config.read(0, bytes, 4);
  CHECK(memcmp(bytes, "\xe4\x14\x87\x5e", 4) == 0);
  CHECK(!config.memory_enabled() && !config.bus_master() && !config.msix_enabled());
  const uint8_t all[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  CHECK(!config.write(0x04, all, 4));
  CHECK(config.command() == 0x0547);
  CHECK(!config.write(0x20, all, 8));
  CHECK(config.bar_base(4) == 0xffffffffffff0000u);
  CHECK(config.bar_base(0) == 0);
  CHECK(ConfigSpace::bar_bytes(0) == 0x10000 && ConfigSpace::bar_bytes(2) == 0x200000);
  const uint8_t msix[2] = {0x00, 0x80}, masked[2] = {0x00, 0xc0};
  config.write(0x52, msix, 2);
  CHECK(config.msix_enabled());
  config.write(0x52, masked, 2);
  CHECK(!config.msix_enabled());
  // Bit 15 of Device Control asks for a reset, in a byte, a word or a longer write; nothing else does.
  CHECK(!config.write(0x68, all, 1));
  CHECK(config.write(0x69, all, 1));
  CHECK(config.write(0x68, all, 2));
  CHECK(config.write(0x64, all, 8));
  CHECK(!config.write(0x6a, all, 2));
  CHECK(config.max_payload() == 7 && config.max_read_request() == 7);
  CHECK(config.extended_tags() && !config.boundary_128());
  config.write(0x70, all, 1);
  CHECK(config.boundary_128());
  config.function_level_reset();
  CHECK(!config.extended_tags() && config.boundary_128());
  CHECK(config.command() == 0 && config.bar_base(4) == 0);
  CHECK(config.max_payload() == 7 && config.max_read_request() == 2);
  config.reset();
  CHECK(config.max_payload() == 0);
  CHECK(size_from_encoding(2) == 512 && size_from_encoding(5) == 4096 && size_from_encoding(7) == 128);
}

static void guest_memory() {
  const int fd = memfd_create("unit", MFD_CLOEXEC);
  CHECK(ftruncate(fd, 0x4000) == 0);
  GuestMemory memory;
  char data[16] = "0123456789abcde", back[16] = {};
  CHECK(!memory.write(0x1000, data, 1));
  CHECK(memory.map(0x1000, 0x2000, 3, fd, 0x1000) == 0);
  CHECK(memory.map(0x3000, 0x1000, 3, fd, 0x3000) == 0);
  CHECK(memory.map(0x4000, 0x1000, GuestMemory::kRead, fd, 0) == 0);
  CHECK(memory.write(0x2ff8, data, 16));  // over two mappings
  CHECK(memory.read(0x2ff8, back, 16) && memcmp(data, back, 16) == 0);
  CHECK(pread(fd, back, 16, 0x2ff8) == 16 && memcmp(data, back, 16) == 0);
  CHECK(!memory.write(0x3ff8, "XXXXXXXXXXXXXXX", 16));  // the second half is read-only: nothing is written
  CHECK(memory.read(0x3ff8, back, 16) && back[0] == 0);
  CHECK(!memory.read(0x0ff8, back, 16) && !memory.read(0x4ff8, back, 16));
  CHECK(!memory.read(0xfffffffffffffff8u, back, 16));
  CHECK(memory.map(0xfffffffffffff000u, 0x1000, 3, fd, 0) == 0);
  CHECK(memory.write(0xfffffffffffffff0u, data, 16));
  CHECK(memory.map(0xffffffffffffe000u, 0x2000, 3, fd, 0) == EEXIST);
  CHECK(memory.unmap(0x1000, 0x1000) == EINVAL && memory.unmap(0x2000, 0x1000) == EINVAL);
  CHECK(memory.unmap(0x1000, 0x3000) == 0 && memory.mappings() == 2);
  CHECK(!memory.read(0x1000, back, 1));
  CHECK(memory.unmap(0, 0xfffffffffffff000u) == 0 && memory.mappings() == 1);
  // A file that became shorter: no crash.
  CHECK(memory.map(0, 0x4000, 3, fd, 0) == 0);
  CHECK(ftruncate(fd, 0x1000) == 0);
  for (int i = 0; i < 3; ++i) CHECK(!memory.read(0x2000, back, 16) && !memory.write(0x2000, data, 16));
  CHECK(memory.write(0, data, 16));
  close(fd);
}

// Every offset and length inside a page's first bytes: byte enables and payload must describe exactly those
// bytes.
static void request_tlps() {
  uint8_t data[64];
  for (unsigned i = 0; i < sizeof data; ++i) data[i] = static_cast<uint8_t>(i + 1);
  for (uint64_t base : {0x1000ull, 0x123456000ull}) {
    for (unsigned offset = 0; offset < 8; ++offset) {
      for (unsigned length = 1; length <= 40; ++length) {
        Tlp tlp;
        make_memory_request(tlp, base + offset, length, data, 0x5a);
        CHECK(tlp.four_dw() == (base >> 32 != 0) && tlp.has_data() && tlp.is_memory());
        CHECK(tlp.address() == base + (offset & ~3u) && tlp.bytes == tlp.length_dw() * 4);
        CHECK((tlp.hdr[1] >> 8 & 0xff) == 0x5a);
        CHECK(tlp.length_dw() > 1 || tlp.last_be() == 0);
        unsigned enabled = 0;
        for (unsigned i = 0; i < tlp.bytes; ++i) {
          const unsigned enables = i < 4 ? tlp.first_be() : (i >= tlp.bytes - 4 ? tlp.last_be() : 0xf);
          const bool inside = i >= (offset & 3) && i < (offset & 3) + length;
          CHECK((enables >> (i % 4) & 1) == inside);
          CHECK(tlp.data[i] == (inside ? data[enabled] : 0));
          enabled += inside;
        }
        CHECK(enabled == length);
      }
    }
  }
}

static void json() {
  for (const char* good : {"{}", " {\"a\":[1,-2.5e+3,true,null,{}]} ", "{\"a\":\"\\u00e9\\n\"}"})
    CHECK(json_is_object(good));
  for (const char* bad :
       {"", "[]", "{", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":01}", "{\"a\":1,}", "{\"a\":\"\\x\"}",
        "{\"a\":\"", "{\"a\":\"\\u12", "{\"a\":\"\\", "{\"a\":tru", "{\"a\":-}"})
    CHECK(!json_is_object(bad));
  CHECK(!json_is_object("{\"a\":" + std::string(100000, '[')));
  const char* text = "{\"x\":{\"b\":1},\"capabilities\":{\"a\":[{}],\"b\":12}}";
  CHECK(json_member(text, {"capabilities", "b"}) == "12");
  CHECK(!json_member(text, {"capabilities", "c"}) && !json_member(text, {"b"}));
}

static void pacing() {
  Pacer pacer(1000000, 100.0, 0);
  CHECK(pacer.due(100.0, 0) == 0);
  CHECK(pacer.due(100.0005, 0) >= 499 && pacer.slipped() == 0);
  const uint64_t due = pacer.due(100.5, 0);  // half a second late: all but a millisecond is dropped
  CHECK(due >= 999 && due <= 1000);
  CHECK(pacer.slipped() >= 498998 && pacer.slipped() <= 499001);
  CHECK(pacer.due(100.5, due + 5000) == 0 && pacer.max_lead_s() > 0.004);  // ahead: it waits, nothing is lost
  CHECK(pacer.slipped() <= 499001);
}

static void byte_queue() {
  ByteQueue queue;
  std::string expected;
  uint32_t state = 1, next = 0;
  for (int turn = 0; turn < 20000; ++turn) {
    state = state * 1664525 + 1013904223;
    if ((state >> 16 & 1) != 0) {
      for (unsigned i = 0; i < (state >> 20 & 63); ++i)
        queue.push(static_cast<uint8_t>(next++)), expected.push_back(static_cast<char>(next - 1));
    } else if (!queue.empty()) {
      CHECK(queue.front() == static_cast<uint8_t>(expected[0]));
      const size_t count = std::min<size_t>(queue.size(), state >> 20 & 63);
      queue.pop(count);
      expected.erase(0, count);
    }
    CHECK(queue.size() == expected.size() && memcmp(queue.data(), expected.data(), expected.size()) == 0);
  }
}

int main() {
  configuration_space();
  guest_memory();
  request_tlps();
  json();
  pacing();
  byte_queue();
  puts("ok");
  return 0;
}
