// SPDX-License-Identifier: Apache-2.0
// The whole co-simulation, see machine.h.
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "log.h"

namespace vkcosim {
namespace {

constexpr double kMaxDoze = 20e-3;  // seconds; a signal is noticed at the latest after this
constexpr double kStatusPeriod = 1.0;
constexpr uint64_t kNotePeriod = 32;  // cycles: to ask for the time at each of many TLPs would cost speed
constexpr double kMaxHold = 20e-3;  // seconds of distance that a text can keep from the exchange before it

// Processor time of this process: on a busy machine it says more about our speed than wall time.
double cpu_s() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace

Machine::Machine(const Options& options)
    : options_(options),
      core_(options.clock_hz, options.build_id),
      root_(options.root, core_, config_, memory_, interrupts_, counters_),
      slot_(options.clock_hz, core_, config_, root_, counters_),
      console_(core_.pins(), counters_, options.console_delay),
      scpi_(options.clock_hz, core_.pins(), core_.cycle(), counters_),
      device_(slot_, config_, memory_, interrupts_, root_, counters_),
      vfio_(device_, counters_),
      drive_(options.self_drive, core_, slot_, root_, memory_, scpi_),
      start_s_(monotonic_s()),
      pacer_(options.clock_hz, start_s_, 0),
      next_input_(options.input_period != 0 ? options.input_period : UINT64_MAX) {
  log().set_cycle(&core_.cycle());
  root_.set_step([this] { wait_step(); });
  slot_.set_step([this] { wait_step(); });
  device_.set_before_access([this] { order_access(); });
  device_.set_after_command([this] { note_exchange(); });
  slot_.power_off();
}

bool Machine::listen(std::string* error) {
  if (!options_.vfio_socket.empty() && !vfio_.listener().listen_unix(options_.vfio_socket, error))
    return false;
  if (!options_.console_socket.empty() &&
      !console_.server_listener().listen_unix(options_.console_socket, error))
    return false;
  if (options_.has_console_port && !console_.host_listener().listen_tcp(options_.console_port, error))
    return false;
  return !options_.has_scpi_port || scpi_.listener().listen_tcp(options_.scpi_port, error);
}

void Machine::order_access() {
  // The guest waits for this access, so what it has printed before is already in the console's socket.
  console_.drain_server();
  show_texts(UINT64_MAX);
  while (!console_.idle()) step();
  for (uint64_t i = 0; i < options_.access_delay; ++i) wait_step();
  stall_ = options_.access_stall_us != 0;
}

void Machine::note_exchange() {
  exchange_s_ = monotonic_s();
  exchange_cycle_ = core_.cycle();
  unnoted_ = false;
}

bool Machine::console_due() {
  if (unnoted_) note_exchange();
  // What the card sends meanwhile is an exchange after the text came: then it waits no longer.
  const double wanted = std::min(console_.came_s() - exchange_s_, kMaxHold);
  const auto passed = static_cast<double>(core_.cycle() - exchange_cycle_);
  if (passed >= wanted * options_.clock_hz) return true;
  return !options_.free_run && pacer_.behind_s(monotonic_s(), core_.cycle()) <= 0;
}

void Machine::show_texts(uint64_t limit) {
  while (console_.waits() && core_.cycle() < limit) {
    if (console_due()) {
      console_.show();
    } else {
      step();
    }
  }
}

void Machine::wait_step() {
  if (core_.cycle() - looked_ >= kBatch) {
    looked_ = core_.cycle();
    console_.drain_server();
    while (console_.waits()) console_.show();
  }
  step();
}

void Machine::count_outputs() {
  const auto now = static_cast<uint8_t>(core_.pins().trig_out_o);
  const unsigned risen = now & ~outputs_;
  counters_.trigger_outputs += risen & 1;
  counters_.trigger_pulses += risen >> 1 & 1;
  outputs_ = now;
}

void Machine::step() {
  core_.settle();
  root_.sample();
  slot_.sample();
  scpi_.sample();
  if (core_.pins().trig_out_o != outputs_) count_outputs();
  core_.edge();
  unnoted_ = unnoted_ || root_.exchanged();
  if (unnoted_ && core_.cycle() - exchange_cycle_ >= kNotePeriod) note_exchange();
  root_.advance();
  slot_.advance();
  console_.advance();
  scpi_.advance();
  if (core_.cycle() >= next_input_) {
    ++core_.pins().input_i;  // four bits, which count
    core_.pins().input_i &= 0xf;
    next_input_ += options_.input_period;
  }
}

void Machine::doze(double seconds) {
  poll_set_.clear();
  vfio_.add_poll(&poll_set_);
  console_.add_poll(&poll_set_);
  scpi_.add_poll(&poll_set_);
  seconds = std::clamp(seconds, 0.0, kMaxDoze);
  const timespec limit{0, static_cast<long>(seconds * 1e9)};
  const int ready = ppoll(poll_set_.data(), poll_set_.size(), &limit, nullptr);
  // First the sockets, then the clock: whoever sent this has seen nothing of what the card does from here on.
  // What comes in while the clock runs waits for the rest of a batch, however far the clock is behind; a console
  // byte also for those before it, a cycle each. The bench states two batches for the order of events.
  if (ready > 0) {
    vfio_.service();
    if (stall_) usleep(static_cast<useconds_t>(options_.access_stall_us));
    stall_ = false;
    console_.service();
    scpi_.service();
  } else {
    console_.drain_server();
    scpi_.flush();
  }
  const uint64_t start = core_.cycle();
  show_texts(start + kBatch);
  // While a text waits the backlog is its distance from what was before it: nothing of that is dropped.
  uint64_t due = console_.waits() ? 0 : kBatch;
  if (due != 0 && !options_.free_run) due = std::min(kBatch, pacer_.due(monotonic_s(), core_.cycle()));
  while (core_.cycle() - start < due) step();
  drive_.turn();
  max_turn_cycles_ = std::max(max_turn_cycles_, core_.cycle() - start);
}

void Machine::run(const volatile sig_atomic_t& stop) {
  drive_.start();
  // The model's construction took time that the card has not lived through.
  start_s_ = mark_s_ = monotonic_s();
  mark_cycle_ = core_.cycle();
  pacer_ = Pacer(options_.clock_hz, start_s_, core_.cycle());
  while (stop == 0 && (options_.cycles == 0 || core_.cycle() < options_.cycles)) {
    const double now = monotonic_s();
    doze(options_.free_run ? 0 : pacer_.until(now, core_.cycle() + kBatch));
    if (now - mark_s_ >= kStatusPeriod) {
      mclk_per_s_ = static_cast<double>(core_.cycle() - mark_cycle_) / (now - mark_s_) * 1e-6;
      mark_s_ = now;
      mark_cycle_ = core_.cycle();
      write_status();
    }
  }
  const double lasted = monotonic_s() - start_s_;
  if (mclk_per_s_ == 0 && lasted > 0) mclk_per_s_ = static_cast<double>(core_.cycle()) / lasted * 1e-6;
}

std::string Machine::status_json() const {
  char line[160];
  std::string text = "{";
  const auto add = [&](const char* name, double value, int digits) {
    snprintf(line, sizeof line, "%s\"%s\": %.*f", text.size() > 1 ? ", " : "", name, digits, value);
    text += line;
  };
  const auto count = [&](const char* name, uint64_t value) {
    snprintf(line, sizeof line, "%s\"%s\": %llu", text.size() > 1 ? ", " : "", name,
             static_cast<unsigned long long>(value));
    text += line;
  };
  const double wall = monotonic_s() - start_s_;
  count("schema", 1);
  count("cycles", core_.cycle());
  count("clock_hz", options_.clock_hz);
  add("wall_s", wall, 6);
  add("mclk_per_s", mclk_per_s_, 3);
  add("mclk_per_s_mean", wall > 0 ? static_cast<double>(core_.cycle()) / wall * 1e-6 : 0, 3);
  add("mclk_per_cpu_s_mean", static_cast<double>(core_.cycle()) / cpu_s() * 1e-6, 3);
  count("slipped_cycles", pacer_.slipped());
  count("max_turn_cycles", max_turn_cycles_);
  add("max_lag_us", pacer_.max_lag_s() * 1e6, 1);
  add("max_lead_us", pacer_.max_lead_s() * 1e6, 1);
  count("console_port", console_port());
  count("scpi_port", scpi_port());
  count("console_realtime", console_.realtime());
  count("powered", slot_.powered());
  count("vfio_connected", device_.negotiated());
  count("dma_mappings", memory_.mappings());
#define VKCOSIM_COUNT(name) count(#name, counters_.name);
  VKCOSIM_COUNTERS(VKCOSIM_COUNT)
#undef VKCOSIM_COUNT
  return text + "}\n";
}

void Machine::write_status() const {
  if (options_.status.empty()) return;
  const std::string temporary = options_.status + ".tmp";
  FILE* file = fopen(temporary.c_str(), "we");
  const std::string text = status_json();
  bool good = file != nullptr && fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) good = (fclose(file) == 0) && good;
  if (!good || rename(temporary.c_str(), options_.status.c_str()) != 0) {
    static RateLimit limit(1);
    limit.line("cannot write the status file %s: %s", options_.status.c_str(), strerror(errno));
  }
}

}  // namespace vkcosim
