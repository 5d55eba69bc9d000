// SPDX-License-Identifier: Apache-2.0
// Log lines of vkcosim, see log.h.
#include "log.h"

#include <ctime>

namespace vkcosim {

double monotonic_s() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Log& log() {
  static Log instance;
  return instance;
}

bool Log::open(const std::string& path) {
  FILE* file = fopen(path.c_str(), "ae");
  if (file == nullptr) return false;
  file_ = file;
  return true;
}

void Log::vline(const char* format, va_list arguments) {
  char text[600];
  vsnprintf(text, sizeof text, format, arguments);
  const unsigned long long cycle = cycle_ != nullptr ? *cycle_ : 0;
  fprintf(file_, "vkcosim: %.6f cycle %llu: %s\n", monotonic_s(), cycle, text);
  fflush(file_);
}

void Log::line(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vline(format, arguments);
  va_end(arguments);
}

void RateLimit::line(const char* format, ...) {
  const double now = monotonic_s();
  if (burst_ > 0) {
    --burst_;
  } else if (now < next_s_) {
    ++suppressed_;
    return;
  }
  if (suppressed_ > 0)
    log().line("(%llu similar lines left out)", static_cast<unsigned long long>(suppressed_));
  suppressed_ = 0;
  next_s_ = now + 1.0;
  va_list arguments;
  va_start(arguments, format);
  log().vline(format, arguments);
  va_end(arguments);
}

}  // namespace vkcosim
