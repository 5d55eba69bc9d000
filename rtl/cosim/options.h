// SPDX-License-Identifier: Apache-2.0
// Command line of vkcosim.
#pragma once

#include <cstdint>
#include <string>

#include "root_complex.h"
#include "self_drive.h"

namespace vkcosim {

struct Options {
  std::string vfio_socket, console_socket, status, log;
  uint16_t console_port = 0, scpi_port = 0;
  bool has_console_port = false, has_scpi_port = false;
  uint32_t clock_hz = 2500000;
  uint32_t build_id[4] = {};
  bool free_run = false;
  uint64_t cycles = 0;  // stop after so many; 0: never
  Load self_drive = Load::kNone;
  RootComplexSettings root;
  // Errors of a known size, and a signal at the general inputs, for tests.
  uint64_t console_delay = 0, access_delay = 0, input_period = 0;  // cycles
  uint64_t access_stall_us = 0;
};

enum class Parsed { kRun, kHelp, kWrong };
// `error` says what is wrong and what is allowed.
Parsed parse_options(int argc, char** argv, Options* options, std::string* error);
extern const char kUsage[];

}  // namespace vkcosim
