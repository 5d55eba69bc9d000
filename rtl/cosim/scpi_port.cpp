// SPDX-License-Identifier: Apache-2.0
// The analyser's SCPI port, see scpi_port.h.
#include "scpi_port.h"

#include "Vcosim_top.h"
#include "log.h"

namespace vkcosim {

ScpiPort::ScpiPort(uint32_t clock_hz, Vcosim_top& pins, const uint64_t& cycle, Counters& counters)
    : pins_(pins),
      cycle_(cycle),
      counters_(counters),
      quiet_cycles_(static_cast<uint64_t>(clock_hz * kQuiet) + 1) {}

void ScpiPort::add_poll(std::vector<pollfd>* set) const {
  set->push_back({listener_.fd(), POLLIN, 0});
  if (!client_) return;
  const short read = !clearing_ && in_.size() < kMaxIn ? POLLIN : 0;
  const short write = out_.empty() ? 0 : POLLOUT;
  if (read != 0 || write != 0) set->push_back({client_.get(), static_cast<short>(read | write), 0});
}

void ScpiPort::drop_client(const char* why) {
  log().line("SCPI: client %s", why);
  client_.reset();
  in_.clear();
  out_.clear();
  if (mid_line_) in_.push('\n');
  clearing_ = true;
  last_output_ = cycle_;
}

void ScpiPort::service() {
  while (Fd fd = listener_.accept()) {
    if (client_) drop_client("replaced by a newer one");
    client_ = std::move(fd);
    ++counters_.scpi_clients;
  }
  while (client_ && !clearing_ && in_.size() < kMaxIn) {
    const IoResult result = receive_some(client_.get(), &in_, kMaxIn - in_.size());
    if (result == IoResult::kWouldBlock) break;
    if (result == IoResult::kClosed) drop_client("disconnected");
  }
  flush();
}

void ScpiPort::flush() {
  if (clearing_ && in_.empty() && !pins_.scpi_rx_valid_i && cycle_ - last_output_ > quiet_cycles_)
    clearing_ = false;
  if (client_ && !out_.empty() && send_some(client_.get(), &out_) == IoResult::kClosed)
    drop_client("disconnected");
}

void ScpiPort::sample() {
  rx_taken_ = pins_.scpi_rx_valid_i && pins_.scpi_rx_ready_o;
  if (!pins_.scpi_tx_valid_o) return;
  last_output_ = cycle_;
  if (client_ && !clearing_) {
    out_.push(pins_.scpi_tx_byte_o);
    ++counters_.scpi_tx_bytes;
  } else {
    ++counters_.scpi_tx_discarded;
  }
}

void ScpiPort::advance() {
  if (rx_taken_) {
    pins_.scpi_rx_valid_i = 0;
    rx_taken_ = false;
  }
  if (!pins_.scpi_rx_valid_i && !in_.empty()) {
    const uint8_t byte = in_.front();
    in_.pop();
    pins_.scpi_rx_byte_i = byte;
    pins_.scpi_rx_valid_i = 1;
    mid_line_ = byte != '\n';
    ++counters_.scpi_rx_bytes;
  }
  pins_.scpi_tx_ready_i = out_.size() < kMaxOut;
}

}  // namespace vkcosim
