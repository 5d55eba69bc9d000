// SPDX-License-Identifier: Apache-2.0
// Log lines of vkcosim: one line each on stderr or in a file, with the simulation cycle, rate-limited per
// place.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vkcosim {

class Log {
 public:
  // Writes to `path` (appending) instead of stderr. False when the file cannot be opened.
  bool open(const std::string& path);
  // The simulation cycle that each line shows; the machine's counter.
  void set_cycle(const uint64_t* cycle) { cycle_ = cycle; }
  void line(const char* format, ...) __attribute__((format(printf, 2, 3)));
  void vline(const char* format, va_list arguments);

 private:
  FILE* file_ = stderr;
  const uint64_t* cycle_ = nullptr;
};

Log& log();

// Lets through the first `burst` lines, then one per second that says how many were left out. A guest that
// makes the card misbehave a million times a second must not fill the disk.
class RateLimit {
 public:
  explicit RateLimit(unsigned burst = 20) : burst_(burst) {}
  void line(const char* format, ...) __attribute__((format(printf, 2, 3)));

 private:
  unsigned burst_;
  uint64_t suppressed_ = 0;
  double next_s_ = 0;
};

// Seconds on the monotonic clock.
double monotonic_s();

}  // namespace vkcosim
