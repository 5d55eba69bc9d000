// SPDX-License-Identifier: Apache-2.0
// Ties the checker of the completions' way in to the endpoint.
bind vk_core ready_check u_ready_check (
  .clk_i, .rst_ni, .rc_valid_i,
  .rc_ready_i  (rc_ready_o),
  .mem_write_i (mem_write),
  .mem_ready_i (mem_wready),
  .cpl_write_i (u_dma.cpl_write)
);
