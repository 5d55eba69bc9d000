// SPDX-License-Identifier: Apache-2.0
// vkcosim: the card of the virtual bench. Exit status: 0 stopped by a signal or done, 3 wrong options, 4
// cannot start.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "log.h"
#include "machine.h"

namespace {

volatile sig_atomic_t g_stop = 0;
void on_stop(int) { g_stop = 1; }

constexpr int kWrongOptions = 3;
constexpr int kCannotStart = 4;

}  // namespace

int main(int argc, char** argv) {
  vkcosim::Options options;
  std::string error;
  switch (vkcosim::parse_options(argc, argv, &options, &error)) {
    case vkcosim::Parsed::kHelp: fputs(vkcosim::kUsage, stdout); return 0;
    case vkcosim::Parsed::kWrong:
      fprintf(stderr, "vkcosim: %s\nTry: vkcosim --help\n", error.c_str());
      return kWrongOptions;
    case vkcosim::Parsed::kRun: break;
  }
  if (!options.log.empty() && !vkcosim::log().open(options.log)) {
    fprintf(stderr, "vkcosim: cannot open the log file %s\n", options.log.c_str());
    return kCannotStart;
  }
  for (const char* name : {"firmware.hex", "card.hex"}) {
    const std::string firmware = vkcosim::program_folder() + "/" + name;
    if (access(firmware.c_str(), R_OK) == 0) continue;
    fprintf(stderr, "vkcosim: the firmware %s is missing; build again with rtl/cosim/build.py\n",
            firmware.c_str());
    return kCannotStart;
  }
  struct sigaction action{};
  action.sa_handler = on_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // The default slack of 50 us is half a batch.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  try {
    vkcosim::Machine machine(options);
    if (!machine.listen(&error)) {
      fprintf(stderr, "vkcosim: %s\n", error.c_str());
      return kCannotStart;
    }
    if (options.cycles == 0) {
      machine.write_status();
      printf("vkcosim: ready\n");
      fflush(stdout);
    }
    machine.run(g_stop);
    machine.write_status();
    if (options.cycles != 0) fputs(machine.status_json().c_str(), stdout);
  } catch (const std::exception& problem) {
    fprintf(stderr, "vkcosim: stopped: %s\n", problem.what());
    return kCannotStart;
  }
  return 0;
}
