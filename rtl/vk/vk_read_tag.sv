// SPDX-License-Identifier: Apache-2.0
// The one outstanding read of the DMA engine: gives it a tag, judges its completions, and keeps a late
// completion of an abandoned read from being taken for another's. Every read uses the next tag (5 bits:
// extended tags may be disabled); the tag of a read that a reset abandoned is set aside until its completion
// came or cannot come any more.
module vk_read_tag
  import vk_pkg::*;
#(
  parameter logic [7:0] TimeoutTicks = 8'd100  // completion timeout in units of 100 us
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         tick_i,         // every 100 us
  input  logic  [15:0] bdf_i,          // our requester id
  input  logic         issue_i,        // the read with tag_o has started
  input  logic         abandon_i,      // card reset
  output logic         free_o,         // tag_o may be used
  output logic   [4:0] tag_o,
  output logic         outstanding_o,
  output logic         ok_o,           // one clock each: the read ended well,
  output logic         error_o,        // with UR, CA or poisoned data,
  output logic         timeout_o,      // or not at all

  input  logic         cpl_beat_i,     // first beat of a completion accepted
  input  logic [127:0] cpl_hdr_i
);

  logic        outstanding_q;
  logic  [4:0] tag_q;
  logic [31:0] aside_q;                // tags of abandoned reads
  logic  [7:0] left_q, aside_left_q;   // ticks until given up

  // Completion header fields.
  logic  [4:0] tag;
  logic [12:0] byte_count, bytes_here;
  logic        cpl, good, last, mine, late;

  assign tag        = cpl_hdr_i[76:72];
  assign byte_count = {cpl_hdr_i[43:32] == '0, cpl_hdr_i[43:32]};
  assign bytes_here = {req_length(cpl_hdr_i[9:0]), 2'b00} - {11'd0, cpl_hdr_i[65:64]};
  assign good       = cpl_hdr_i[47:45] == CplSc && cpl_hdr_i[30] && !cpl_hdr_i[14];
  assign last       = !good || byte_count <= bytes_here;
  assign cpl        = cpl_beat_i && !cpl_hdr_i[31] && cpl_hdr_i[28:24] == TypeCpl &&
                      cpl_hdr_i[95:80] == bdf_i && cpl_hdr_i[79:77] == '0 && !cpl_hdr_i[23] && !cpl_hdr_i[19];
  assign mine       = cpl && outstanding_q && tag == tag_q && !abandon_i;
  assign late       = cpl && !mine && aside_q[tag];

  assign ok_o          = mine && good && last;
  assign error_o       = mine && !good;
  assign timeout_o     = outstanding_q && !abandon_i && !(mine && last) && tick_i && left_q == '0;
  assign outstanding_o = outstanding_q;
  assign tag_o         = tag_q;
  assign free_o        = !outstanding_q && !aside_q[tag_q];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      outstanding_q <= 1'b0;
      tag_q         <= '0;
      aside_q       <= '0;
      left_q        <= '0;
      aside_left_q  <= '0;
    end else begin
      if (tick_i && left_q != '0) left_q <= left_q - 1'b1;
      if (tick_i && aside_left_q != '0) aside_left_q <= aside_left_q - 1'b1;
      if (tick_i && aside_left_q == '0) aside_q <= '0;
      if (late && last) aside_q[tag] <= 1'b0;

      if (outstanding_q) begin
        if (abandon_i) begin
          aside_q[tag_q] <= 1'b1;
          aside_left_q   <= TimeoutTicks;
        end
        if (abandon_i || (mine && last) || timeout_o) begin
          outstanding_q <= 1'b0;
          tag_q         <= tag_q + 1'b1;
        end
      end else if (issue_i) begin
        outstanding_q <= 1'b1;
        left_q        <= TimeoutTicks;
      end else if (!free_o) begin
        tag_q <= tag_q + 1'b1;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && issue_i) assert (free_o) else $error("read issued with a tag in use");
  end
`endif

  logic unused;
  assign unused = ^{cpl_hdr_i[127:96], cpl_hdr_i[71:66], cpl_hdr_i[63:48], cpl_hdr_i[44], cpl_hdr_i[29],
                    cpl_hdr_i[22:20], cpl_hdr_i[18:15], cpl_hdr_i[13:10]};

endmodule
