// SPDX-License-Identifier: Apache-2.0
// Sees the reset doorbell on the link itself, in the cycle in which its beat is accepted. Halting must not
// wait for the completer, which may still be busy with the dwords in front of it.
module vk_doorbell
  import vk_pkg::*;
  import vk_faults_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic  [31:0] fault_i,
  input  logic         beat_i,   // a CQ beat is accepted in this clock
  input  logic         sop_i,
  input  logic [127:0] hdr_i,
  input  logic   [2:0] bar_i,
  input  logic [255:0] data_i,
  output logic         ring_o    // hard or soft reset asked for, in the same clock as the beat
);

  logic        ours_q, ours;      // the TLP under way is a write to BAR 0
  logic [15:0] offset_q, offset;  // of the beat's first dword
  logic [10:0] left_q, left;      // dwords from the beat's first to the TLP's last
  logic  [3:0] last_be_q, last_be;

  logic [15:0] distance;          // from the beat's first dword to the doorbell, in bytes
  logic  [2:0] lane;
  logic        hit;
  logic  [3:0] be;
  logic [31:0] value;

  always_comb begin
    ours    = ours_q;
    offset  = offset_q;
    left    = left_q;
    last_be = last_be_q;
    if (sop_i) begin
      ours    = req_kind(hdr_i[31], hdr_i[30], hdr_i[28:24]) == ReqWrite && bar_i == 3'd0 && !hdr_i[14];
      offset  = 16'(req_offset(bar_i, hdr_i[29], hdr_i[84:64], hdr_i[116:96]));  // of BAR 0 all of it
      left    = req_length(hdr_i[9:0]);
      last_be = (left == 11'd1) ? hdr_i[35:32] : hdr_i[39:36];
    end
  end

  assign distance = ResetDoorbellOffset - offset;
  assign lane     = distance[4:2];
  assign hit      = distance[15:5] == '0 && 11'(lane) < left;
  assign value    = data_i[32*lane +: 32];

  always_comb begin
    be = 4'hf;
    if (11'(lane) == left - 1'b1) be = last_be;
    else if (sop_i && lane == '0) be = hdr_i[35:32];
  end

  logic hard_ring, soft_ring;
  assign hard_ring = value == DoorbellHard && !faulty(fault_i, DEAF_HARD);
  assign soft_ring = value == DoorbellSoft && !faulty(fault_i, DEAF_SOFT);
  assign ring_o    = beat_i && ours && hit && be == 4'hf && (hard_ring || soft_ring);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ours_q    <= 1'b0;
      offset_q  <= '0;
      left_q    <= '0;
      last_be_q <= '0;
    end else if (beat_i) begin
      ours_q    <= ours;
      offset_q  <= offset + 16'd32;
      left_q    <= (left > 11'd8) ? left - 11'd8 : '0;
      last_be_q <= last_be;
    end
  end

  logic unused;
  assign unused = ^{hdr_i[127:117], hdr_i[95:85], hdr_i[97:96], hdr_i[63:40], hdr_i[23:15],
                    hdr_i[13:10], hdr_i[65:64],
                    distance[1:0]};

endmodule
