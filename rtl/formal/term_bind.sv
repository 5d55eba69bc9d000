// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the trigger's terms to their comparator.
bind analyser_term term_check u_term_check (
  .look_i, .term_i, .index_i, .valid_i, .event_i, .header_i, .text_i,
  .match_i (match_o)
);
