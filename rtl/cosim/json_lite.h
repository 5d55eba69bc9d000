// SPDX-License-Identifier: Apache-2.0
// Checks the JSON text of a vfio-user VERSION message and looks one member up; nothing else of JSON is needed
// here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vkcosim {

// Whether `text` is one JSON object (RFC 8259, nested at most 16 deep).
bool json_is_object(std::string_view text);
// The raw text of the value at a path of member names, e.g. {"capabilities", "max_msg_fds"}. Empty when it is
// absent or `text` is no valid object.
std::optional<std::string> json_member(std::string_view text, std::initializer_list<std::string_view> path);

}  // namespace vkcosim
