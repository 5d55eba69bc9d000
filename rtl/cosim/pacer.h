// SPDX-License-Identifier: Apache-2.0
// Paces simulated cycles to wall time. The simulation may fall behind (the backlog above max_lag is dropped
// and counted as slipped), so intervals in simulated time are lower bounds of those in wall time.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vkcosim {

class Pacer {
 public:
  static constexpr double kMaxLag = 1e-3;  // seconds of backlog that are caught up

  Pacer(uint32_t clock_hz, double now_s, uint64_t cycle)
      : hz_(clock_hz), epoch_s_(now_s - static_cast<double>(cycle) / clock_hz) {}

  // Cycles due at `now_s`, after dropping a backlog above kMaxLag.
  uint64_t due(double now_s, uint64_t cycle) {
    const double ahead = (now_s - epoch_s_) * hz_ - static_cast<double>(cycle);
    max_lag_s_ = std::max(max_lag_s_, ahead / hz_);
    max_lead_s_ = std::max(max_lead_s_, -ahead / hz_);
    const double limit = std::max(1.0, kMaxLag * hz_);
    if (ahead > limit) {
      slipped_ += static_cast<uint64_t>(ahead - limit);
      epoch_s_ += (ahead - limit) / hz_;
      return static_cast<uint64_t>(limit);
    }
    return ahead > 0 ? static_cast<uint64_t>(ahead) : 0;
  }
  // How far `cycle` is behind `now_s`, with nothing dropped.
  double behind_s(double now_s, uint64_t cycle) const { return -until(now_s, cycle); }
  // Seconds from `now_s` until `cycle` is due; negative when it is overdue.
  double until(double now_s, uint64_t cycle) const {
    return epoch_s_ + static_cast<double>(cycle) / hz_ - now_s;
  }

  uint64_t slipped() const { return slipped_; }
  double max_lag_s() const { return max_lag_s_; }
  // How far unpaced accesses have carried the simulation ahead of wall time at most.
  double max_lead_s() const { return max_lead_s_; }

 private:
  double hz_;
  double epoch_s_;
  double max_lag_s_ = 0, max_lead_s_ = 0;
  uint64_t slipped_ = 0;
};

}  // namespace vkcosim
