// SPDX-License-Identifier: Apache-2.0
// The console's reader on a processor that others keep busy: no text may be said to have come later than it was
// sent. Prints "realtime" when the reader has such a priority ("plain" as argument: it does not ask for one), then the
// errors of all texts in microseconds, below 0: earlier. A third of them come a millisecond after another one.
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "console_reader.h"
#include "log.h"

using namespace vkcosim;

int main(int argc, char** argv) {
  constexpr int kTexts = 100, kBusy = 3;
  cpu_set_t allowed, one;
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) return 1;

  sched_setaffinity(0, sizeof one, &one);  // the threads inherit it
  ConsoleReader reader(argc < 2 || strcmp(argv[1], "plain") != 0);
  reader.attach(pair[0]);
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  for (int i = 0; i < kBusy; ++i)
    busy.emplace_back([&] {
      while (!stop) {
      }
    });
  sched_setaffinity(0, sizeof allowed, &allowed);

  usleep(1000);
  puts(reader.realtime() ? "realtime" : "plain");
  bool good = true;
  for (int i = 0; i < kTexts; ++i) {
    usleep(3000 + i * 37 % 5000);
    std::deque<ConsoleText> texts;
    const char byte = static_cast<char>(i);
    if (i % 3 == 0) {
      good = good && write(pair[1], &byte, 1) == 1;
      usleep(1000);
    }
    good = good && write(pair[1], &byte, 1) == 1;
    const double sent = monotonic_s();
    if (i % 2 != 0) usleep(10000);
    good = good && reader.take(&texts) == IoResult::kOk && !texts.empty() && texts.back().bytes.front() == (i & 0xff);
    if (good) printf("%.1f\n", (texts.back().came_s - sent) * 1e6);
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
  close(pair[1]);
  std::deque<ConsoleText> texts;
  for (int i = 0; i < 1000 && good; ++i) {  // the end of the stream
    if (reader.take(&texts) == IoResult::kClosed) return 0;
    usleep(1000);
  }
  return 1;
}
