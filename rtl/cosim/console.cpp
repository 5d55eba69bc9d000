// SPDX-License-Identifier: Apache-2.0
// The server's serial console, see console.h.
#include "console.h"

#include <algorithm>

#include "Vcosim_top.h"
#include "log.h"

namespace vkcosim {

void Console::add_poll(std::vector<pollfd>* set) const {
  set->push_back({server_listener_.fd(), POLLIN, 0});
  set->push_back({host_listener_.fd(), POLLIN, 0});
  if (server_ && !to_server_.empty()) set->push_back({server_.get(), POLLOUT, 0});
  for (const Client& client : clients_) {
    const short read = to_server_.size() < kMaxPending ? POLLIN : 0;
    const short write = client.out.empty() ? 0 : POLLOUT;
    if (read != 0 || write != 0) set->push_back({client.fd.get(), static_cast<short>(read | write), 0});
  }
}

void Console::service() {
  accept_clients();
  drain_server();
  read_hosts();
  if (server_ && send_some(server_.get(), &to_server_) == IoResult::kClosed) {
    log().line("console: the server disconnected");
    close_server();
  }
  if (!server_) to_server_.clear();  // nobody is there to read what was typed
}

void Console::accept_clients() {
  while (Fd fd = server_listener_.accept()) {
    drain_server();  // the last words of the old connection come first
    reader_.detach();
    server_ = std::move(fd);
    reader_.attach(server_.get());
    to_server_.clear();
    ++counters_.console_server_connects;
    log().line("console: the server connected");
  }
  while (Fd fd = host_listener_.accept()) {
    if (clients_.size() >= kMaxClients) {
      log().line("console: more than %zu host clients, the newest is refused", kMaxClients);
      continue;
    }
    clients_.push_back({std::move(fd), {}});
    ++counters_.console_clients;
  }
}

void Console::drain_server() {
  if (!server_ || waiting_ + pending_.size() >= kMaxPending) return;
  const size_t known = texts_.size();
  const IoResult result = reader_.take(&texts_);
  for (size_t i = known; i < texts_.size(); ++i) {
    counters_.console_bytes += texts_[i].bytes.size();
    waiting_ += texts_[i].bytes.size();
  }
  if (result != IoResult::kClosed) return;
  log().line("console: the server disconnected");
  close_server();
}

void Console::close_server() {
  reader_.detach();
  server_.reset();
  to_server_.clear();
}

void Console::relay(const ByteQueue& fresh) {
  if (clients_.empty()) counters_.console_discarded += fresh.size();
  for (auto client = clients_.begin(); client != clients_.end();) {
    client->out.append(fresh.data(), fresh.size());
    const bool gone = send_some(client->fd.get(), &client->out) == IoResult::kClosed;
    if (!gone && client->out.size() > kMaxBacklog)
      log().line("console: a host client has not read for %zu bytes, it is disconnected",
                 client->out.size());
    client = gone || client->out.size() > kMaxBacklog ? clients_.erase(client) : std::next(client);
  }
}

void Console::show() {
  const ByteQueue& bytes = texts_.front().bytes;
  pending_.append(bytes.data(), bytes.size());
  relay(bytes);
  waiting_ -= bytes.size();
  counters_.console_max_queue = std::max<uint64_t>(counters_.console_max_queue, pending_.size());
  texts_.pop_front();
}

void Console::read_hosts() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    IoResult result = IoResult::kOk;
    while (result == IoResult::kOk && to_server_.size() < kMaxPending) {
      const size_t before = to_server_.size();
      result = receive_some(client->fd.get(), &to_server_, kMaxPending - before);
      if (server_) counters_.console_input_bytes += to_server_.size() - before;
    }
    if (result != IoResult::kClosed && !client->out.empty())
      result = send_some(client->fd.get(), &client->out);
    client = result == IoResult::kClosed ? clients_.erase(client) : std::next(client);
  }
}

bool Console::next(uint8_t* byte) {
  if (delay_ != 0) {
    ++now_;
    if (!pending_.empty()) {
      delayed_.emplace_back(now_ + delay_, pending_.front());
      pending_.pop();
    }
    if (delayed_.empty() || delayed_.front().first > now_) return false;
    *byte = delayed_.front().second;
    delayed_.pop_front();
    return true;
  }
  if (pending_.empty()) return false;
  *byte = pending_.front();
  pending_.pop();
  return true;
}

void Console::advance() {
  uint8_t byte = 0;
  if (next(&byte)) {
    pins_.con_valid_i = 1;
    pins_.con_byte_i = byte;
    driving_ = true;
  } else if (driving_) {
    pins_.con_valid_i = 0;
    driving_ = false;
  }
}

}  // namespace vkcosim
