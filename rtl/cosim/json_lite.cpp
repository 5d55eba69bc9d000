// SPDX-License-Identifier: Apache-2.0
// A bounded JSON scanner, see json_lite.h.
#include "json_lite.h"

#include <cctype>

namespace vkcosim {
namespace {

constexpr unsigned kMaxDepth = 16;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool document() {
    space();
    if (peek() != '{' || !value(0)) return false;
    space();
    return at_ == text_.size();
  }

  // Steps into the member `name` of the object at the current place. False when there is none.
  bool enter(std::string_view name) {
    space();
    if (!take('{')) return false;
    for (space(); peek() == '"'; space()) {
      const size_t start = at_ + 1;
      if (!text()) return false;
      const bool found = text_.substr(start, at_ - 1 - start) == name;
      space();
      if (!take(':')) return false;
      space();
      if (found) return true;
      if (!value(0)) return false;
      space();
      if (!take(',')) return false;
    }
    return false;
  }

  std::string raw_value() {
    const size_t start = at_;
    return value(0) ? std::string(text_.substr(start, at_ - start)) : std::string();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  bool digits() {
    const size_t start = at_;
    while (isdigit(static_cast<unsigned char>(peek()))) ++at_;
    return at_ > start;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }
  bool text() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      const char escape = peek();
      ++at_;
      if (escape == 'u') {
        for (int i = 0; i < 4; ++i, ++at_)
          if (!isxdigit(static_cast<unsigned char>(peek()))) return false;
      } else if (escape == '\0' || std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) {
        return false;
      }
    }
    return false;
  }
  bool list(char close, bool members, unsigned depth) {
    ++at_;
    space();
    if (take(close)) return true;
    while (true) {
      space();
      if (members) {
        if (!text()) return false;
        space();
        if (!take(':')) return false;
        space();
      }
      if (!value(depth + 1)) return false;
      space();
      if (take(close)) return true;
      if (!take(',')) return false;
    }
  }
  bool value(unsigned depth) {
    if (depth > kMaxDepth) return false;
    switch (peek()) {
      case '{': return list('}', true, depth);
      case '[': return list(']', false, depth);
      case '"': return text();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

bool json_is_object(std::string_view text) { return Scanner(text).document(); }

std::optional<std::string> json_member(std::string_view text, std::initializer_list<std::string_view> path) {
  if (!json_is_object(text)) return std::nullopt;
  Scanner scanner(text);
  for (const std::string_view name : path)
    if (!scanner.enter(name)) return std::nullopt;
  return scanner.raw_value();
}

}  // namespace vkcosim
