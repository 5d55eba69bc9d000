// SPDX-License-Identifier: Apache-2.0
// Command line of vkcosim, see options.h.
#include "options.h"

#include <getopt.h>

#include <cerrno>
#include <cstdlib>

namespace vkcosim {

const char kUsage[] =
    "usage: vkcosim [options]\n"
    "The card of the virtual bench: Verilated RTL behind a vfio-user socket.\n"
    "  --vfio-socket PATH         UNIX socket that QEMU's vfio-user-pci connects to\n"
    "  --console-socket PATH      UNIX socket that QEMU's COM1 connects to\n"
    "  --console-port PORT        TCP port on loopback for the console's host side (0: any free one)\n"
    "  --scpi-port PORT           TCP port on loopback for the analyser's SCPI (0: any free one)\n"
    "  --clock-hz N               analyser clock in Hz, paced to wall time (default 2500000)\n"
    "  --status FILE              JSON status, rewritten each second and at exit\n"
    "  --build-id HEX             up to 32 hex digits, shown by *IDN?\n"
    "  --log FILE                 append log lines to FILE instead of stderr\n"
    "  --read-latency N           cycles from a DMA read to its first completion (default 250)\n"
    "  --read-boundary N          read completions end at multiples of N bytes: 64, 128, ... 4096 (default "
    "64)\n"
    "  --read-order ORDER         in-order, or shuffle:SEED: DMA reads with different tags are answered in any "
    "order\n"
    "  --completion-timeout N     cycles that a host access waits for the card (default 25000)\n"
    "  --free-run                 do not pace the clock (benchmark)\n"
    "  --cycles N                 stop after N cycles and print the speed as JSON\n"
    "  --self-drive LOAD          a built-in host keeps the card busy (benchmark): writes, messages, both\n"
    "  --input-toggle N           the general inputs count up every N cycles (test)\n"
    "  --console-delay N          console bytes are stamped N cycles late (test)\n"
    "  --access-delay N           accesses of the server are stamped N cycles late (test)\n"
    "  --access-stall N           nothing runs for N microseconds after each access of the server (test)\n";

namespace {

bool number(const char* text, uint64_t low, uint64_t high, uint64_t* out) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || value < low || value > high) return false;
  *out = value;
  return true;
}

// 32 hex digits, most significant first, into words with the least significant first.
bool hex128(const std::string& text, uint32_t (&out)[4]) {
  if (text.empty() || text.size() > 32) return false;
  if (text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return false;
  const std::string full = std::string(32 - text.size(), '0') + text;
  for (unsigned i = 0; i < 4; ++i)
    out[3 - i] = static_cast<uint32_t>(std::stoul(full.substr(8 * i, 8), nullptr, 16));
  return true;
}

enum Key {
  kVfio = 1,
  kConsole,
  kConsolePort,
  kScpiPort,
  kClock,
  kStatus,
  kBuild,
  kLog,
  kLatency,
  kBoundary,
  kOrder,
  kTimeout,
  kFree,
  kCycles,
  kDrive,
  kInputs,
  kConsoleDelay,
  kAccessDelay,
  kAccessStall,
  kHelp
};

const option kLong[] = {{"vfio-socket", required_argument, nullptr, kVfio},
                        {"console-socket", required_argument, nullptr, kConsole},
                        {"console-port", required_argument, nullptr, kConsolePort},
                        {"scpi-port", required_argument, nullptr, kScpiPort},
                        {"clock-hz", required_argument, nullptr, kClock},
                        {"status", required_argument, nullptr, kStatus},
                        {"build-id", required_argument, nullptr, kBuild},
                        {"log", required_argument, nullptr, kLog},
                        {"read-latency", required_argument, nullptr, kLatency},
                        {"read-boundary", required_argument, nullptr, kBoundary},
                        {"read-order", required_argument, nullptr, kOrder},
                        {"completion-timeout", required_argument, nullptr, kTimeout},
                        {"free-run", no_argument, nullptr, kFree},
                        {"cycles", required_argument, nullptr, kCycles},
                        {"self-drive", required_argument, nullptr, kDrive},
                        {"input-toggle", required_argument, nullptr, kInputs},
                        {"console-delay", required_argument, nullptr, kConsoleDelay},
                        {"access-delay", required_argument, nullptr, kAccessDelay},
                        {"access-stall", required_argument, nullptr, kAccessStall},
                        {"help", no_argument, nullptr, kHelp},
                        {nullptr, 0, nullptr, 0}};

}  // namespace

Parsed parse_options(int argc, char** argv, Options* options, std::string* error) {
  opterr = 0;
  int index = 0;
  for (int key; (key = getopt_long(argc, argv, "", kLong, &index)) != -1;) {
    uint64_t value = 0;
    const auto wrong = [&](const std::string& allowed) {
      *error = "--" + std::string(kLong[index].name) + " " + optarg + ": must be " + allowed;
      return Parsed::kWrong;
    };
    switch (key) {
      case kVfio: options->vfio_socket = optarg; break;
      case kConsole: options->console_socket = optarg; break;
      case kStatus: options->status = optarg; break;
      case kLog: options->log = optarg; break;
      case kFree: options->free_run = true; break;
      case kHelp: return Parsed::kHelp;
      case kConsolePort:
      case kScpiPort:
        if (!number(optarg, 0, 65535, &value)) return wrong("a port, 0 to 65535");
        (key == kConsolePort ? options->console_port : options->scpi_port) = static_cast<uint16_t>(value);
        (key == kConsolePort ? options->has_console_port : options->has_scpi_port) = true;
        break;
      case kClock:
        if (!number(optarg, 1000, 1000000000, &value)) return wrong("1000 to 1000000000 Hz");
        options->clock_hz = static_cast<uint32_t>(value);
        break;
      case kBuild:
        if (!hex128(optarg, options->build_id)) return wrong("1 to 32 hex digits");
        break;
      case kLatency:
        if (!number(optarg, 0, 1000000, &options->root.read_latency)) return wrong("0 to 1000000 cycles");
        break;
      case kBoundary:
        if (!number(optarg, 64, 4096, &value) || (value & (value - 1)) != 0)
          return wrong("a power of two, 64 to 4096");
        options->root.read_boundary = static_cast<unsigned>(value);
        break;
      case kOrder: {
        constexpr size_t kPrefix = sizeof "shuffle:" - 1;
        const std::string order = optarg;
        if (order == "in-order") break;
        if (order.compare(0, kPrefix, "shuffle:") != 0 || !number(optarg + kPrefix, 0, UINT32_MAX, &value))
          return wrong("in-order or shuffle:SEED, with a SEED of 0 to 4294967295");
        options->root.shuffle_seed = static_cast<uint32_t>(value);
        break;
      }
      case kTimeout:
        if (!number(optarg, 100, 100000000, &options->root.completion_timeout))
          return wrong("100 to 100000000 cycles");
        break;
      case kCycles:
        if (!number(optarg, 1, UINT64_MAX, &options->cycles)) return wrong("a positive number");
        break;
      case kDrive: {
        const std::string load = optarg;
        options->self_drive = load == "writes"     ? Load::kWrites
                              : load == "messages" ? Load::kMessages
                              : load == "both"     ? Load::kBoth
                                                   : Load::kNone;
        if (options->self_drive == Load::kNone) return wrong("writes, messages or both");
        break;
      }
      case kInputs:
        if (!number(optarg, 1, 1000000000, &options->input_period)) return wrong("1 to 1000000000 cycles");
        break;
      case kConsoleDelay:
      case kAccessDelay:
        if (!number(optarg, 0, 1000000, &value)) return wrong("0 to 1000000 cycles");
        (key == kConsoleDelay ? options->console_delay : options->access_delay) = value;
        break;
      case kAccessStall:
        if (!number(optarg, 0, 1000000, &options->access_stall_us)) return wrong("0 to 1000000 microseconds");
        break;
      default:
        *error =
            std::string(optind > 0 ? argv[optind - 1] : "") + ": unknown option, or its value is missing";
        return Parsed::kWrong;
    }
  }
  if (options->self_drive != Load::kNone && !options->vfio_socket.empty()) {
    *error = "--self-drive and --vfio-socket: the card has one host only";
    return Parsed::kWrong;
  }
  if (optind != argc) {
    *error = std::string(argv[optind]) + ": no such argument";
    return Parsed::kWrong;
  }
  return Parsed::kRun;
}

}  // namespace vkcosim
