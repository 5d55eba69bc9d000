// SPDX-License-Identifier: Apache-2.0
// Bound into vk_dma: completion credits. The completions that are still to come, of all reads in use, fit
// into the hard IP's completion buffer, and no credit gets lost. The sum is over few tags: the proof hands
// out no others, and makes the buffer small to match.
module credits_check
  import vk_dma_pkg::*;
#(
  parameter int unsigned CplHeaders = 256,
  parameter int unsigned CplData    = 2048,
  parameter int unsigned Tags       = 2
) (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         rc_valid_i,
  input logic         rc_ready_i,
  input logic         rc_sop_i,
  input logic         rc_eop_i,
  input logic         issue_i,
  input logic   [7:0] tag_i,
  input logic         room_i,
  input dma_request_t request_i,
  input logic         want_rcb_i,
  input dma_verdict_t verdict_i,

  input logic         waiting_i,       // vk_reader's registers
  input logic         fits_i,
  input logic   [7:0] index_i,         // vk_tags'
  input logic [255:0] in_use_i,
  input logic   [8:0] used_i,
  input logic [255:0] untouched_i,
  input logic  [11:0] first_i [Tags],
  input logic  [12:0] past_i [Tags],
  input logic  [12:0] next_i [Tags],
  input logic         rcb_i [Tags],
  input logic  [15:0] headers_i,
  input logic  [15:0] units_i,
  input logic         beat_i,          // vk_receiver's
  input logic         sop_i,
  input logic         eop_i,
  input dma_verdict_t held_i,          // of the completion under way
  input logic         release_i,
  input logic   [6:0] release_blocks_i,
  input logic         release_rcb_i
);

  logic started_q = 1'b0;
  logic rc_in_q, in_q;   // within a completion at the pin, and behind the receiver's register
  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    if (!rst_ni) rc_in_q <= 1'b0;
    else if (rc_valid_i && rc_ready_i) rc_in_q <= !rc_eop_i;
    if (!rst_ni) in_q <= 1'b0;
    else if (beat_i) in_q <= !eop_i;
  end

  // Completions are framed; requests are as the channel's proof shows them, the traffic's as asserted in
  // simulation; of the pools, p_once.
  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_rc:       assume (!rc_valid_i || rc_sop_i == !rc_in_q);
    e_request:  assume (!issue_i || (request_i.bytes != '0 &&
                        14'(request_i.host[11:0]) + 14'(request_i.bytes) <= 14'd4096));
    e_tags:     assume (!issue_i || (tag_i < 8'(Tags) && !in_use_i[tag_i]));
  end

  // Blocks of each read that may still come: at its start all, then those that the table says.
  logic [6:0] kept_q [Tags];
  logic       rcb_q [Tags];
  always_ff @(posedge clk_i) begin
    for (int i = 0; i < Tags; i++) begin
      if (!rst_ni) begin
        kept_q[i] <= '0;
        rcb_q[i]  <= 1'b0;
      end else if (issue_i && tag_i == 8'(i)) begin
        kept_q[i] <= rcb_blocks(want_rcb_i, 13'(request_i.host[11:0]),
                                13'(request_i.host[11:0]) + request_i.bytes);
        rcb_q[i]  <= want_rcb_i;
      end else if (index_i == 8'(i)) begin
        kept_q[i] <= kept_q[i] - verdict_i.blocks;
      end
    end
  end

  // What may still come, and what has come and is being released.
  logic [15:0] owed, owed_units, coming, coming_units;
  logic        table_good;
  always_comb begin
    automatic logic  [6:0] blocks;
    automatic logic [12:0] next;
    {owed, owed_units} = '0;
    table_good         = (in_use_i >> Tags) == '0;
    for (int i = 0; i < Tags; i++) begin
      next   = untouched_i[i] ? {1'b0, first_i[i]} : next_i[i];
      blocks = (in_use_i[i] && !next[12]) ? rcb_blocks(rcb_i[i], next, past_i[i]) : '0;
      owed       += 16'(kept_q[i]);
      owed_units += 16'(rcb_units(rcb_q[i], kept_q[i]));
      table_good &= kept_q[i] == blocks && (!in_use_i[i] || rcb_q[i] == rcb_i[i]);
      table_good &= !in_use_i[i] || next[12] || (next < past_i[i] && past_i[i] <= 13'd4096);
    end
    coming       = (in_q ? 16'(held_i.blocks) : '0) + (release_i ? 16'(release_blocks_i) : '0);
    coming_units = (in_q ? 16'(rcb_units(held_i.rcb, held_i.blocks)) : '0) +
                   (release_i ? 16'(rcb_units(release_rcb_i, release_blocks_i)) : '0);
  end

  logic freed_q;   // credits came back before
  always_ff @(posedge clk_i) begin
    freed_q <= rst_ni && (freed_q || (release_i && release_blocks_i != '0));
    if (rst_ni) begin
      p_headers: assert (32'(owed) + 32'(coming) <= CplHeaders);
      p_units:   assert (32'(owed_units) + 32'(coming_units) <= CplData);
      p_exact:   assert (headers_i == owed + coming && units_i == owed_units + coming_units);
      c_headers: cover (32'(owed) == CplHeaders && in_use_i[1:0] == '1 && waiting_i && !room_i);
      c_units:   cover (32'(owed_units) + 32'd4 >= CplData && waiting_i && !room_i && freed_q);
      c_exact:   cover (freed_q && headers_i == '0 && in_q);

      h_limit:   assert (32'(headers_i) <= CplHeaders && 32'(units_i) <= CplData);
      h_fits:    assert (!(waiting_i && fits_i) || room_i);
      h_used:    assert (used_i == 9'(in_use_i[0]) + 9'(in_use_i[1]));
      h_table:   assert (table_good);
      h_framed:  assert ((!beat_i || sop_i == !in_q) && rc_in_q == (beat_i ? !eop_i : in_q));
      h_held:    assert (in_q || held_i.blocks == '0);
    end
  end

endmodule
