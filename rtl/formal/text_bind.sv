// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the texts to their matcher.
bind analyser_text text_check #(.Texts(Texts), .Bytes(Bytes)) u_text_check (
  .clk_i, .rst_ni, .clear_i, .valid_i, .byte_i, .length_i, .text_i,
  .found_i   (found_o),
  .history_i (history_q),
  .held_i    (held_q)
);
