// SPDX-License-Identifier: Apache-2.0
// Requester completions of the hard IP (PG213, 256 bit, DWORD aligned, straddled) -> rc stream of the core.
//
// A beat has two halves of four dwords. A completion begins in either, with a descriptor of three dwords, so
// that five dwords of payload wait for the next beat; or one, after a start in the upper half. When one
// completion ends in the lower half the next can begin in the upper one. What is left after a full beat of
// payload goes out while the next completion begins.
//
// Completions that answer no request of ours (unknown tag, fields that are not the request's) are unexpected
// ones by the specification and dropped, as is what the hard IP makes up itself at its timeout or an FLR: the
// engine has a timeout of its own. All others go on as the link brought them.
module usp_rc (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         s_valid_i,
  output logic         s_ready_o,
  input  logic  [74:0] s_user_i,
  input  logic [255:0] s_data_i,

  output logic         rc_valid_o,
  input  logic         rc_ready_i,
  output logic         rc_sop_o,
  output logic         rc_eop_o,
  output logic [127:0] rc_hdr_o,
  output logic [255:0] rc_data_o
);

  import usp_pkg::*;

  // The beat, in registers.
  logic         beat_valid, beat_done;
  logic  [10:0] flags;
  logic [255:0] beat;

  usp_slice #(.Width(267)) u_slice (
    .clk_i, .rst_ni,
    .in_valid_i  (s_valid_i),
    .in_ready_o  (s_ready_o),
    .in_data_i   ({s_user_i[42:32], s_data_i}),
    .out_valid_o (beat_valid),
    .out_ready_i (beat_done),
    .out_data_o  ({flags, beat})
  );

  // Completion under way at the beat's start.
  logic         open_q, upper_q, first_q;  // upper_q: began in an upper half; first_q: nothing is out
  logic  [95:0] desc_q;
  logic [159:0] carry_q;                   // 5 dwords of payload, 1 if upper_q
  // Last dwords of a completion whose other beats are out.
  logic         tail_q, tail_bad_q;
  logic [159:0] tail_data_q;
  // A whole completion in the upper half is left to do.
  logic         second_q;

  // What the beat holds. Flags: a first start, a second, end of the first completion to end and its dword,
  // the same of the second, discontinue.
  logic       low_sof, low_end, discontinue, low_out, spill, ends_low, high_sof, high_end;
  logic [2:0] low_end_lane;
  assign low_sof      = flags[0] && !open_q;
  assign low_end      = flags[2] && (open_q || low_sof);
  assign low_end_lane = flags[5:3];
  assign discontinue  = flags[10];
  assign ends_low     = low_end && !low_end_lane[2];
  assign high_sof     = ends_low && (open_q ? flags[0] : flags[1]);
  assign high_end     = high_sof && flags[6];
  assign low_out      = open_q || (low_sof && low_end);  // a start alone fills no beat
  assign spill        = open_q && low_end && low_end_lane >= (upper_q ? 3'd7 : 3'd3);

  logic [159:0] low_rest;
  assign low_rest = upper_q && open_q ? {128'd0, beat[255:224]} : beat[255:96];

  logic         put_ready, put_valid, put_sop, put_eop, put_bad, take_low, unexpected;
  logic  [95:0] desc;
  logic [127:0] put_hdr;
  logic [255:0] put_data;

  // One output beat a clock: the tail first, then the lower half's, then a second one.
  assign take_low  = put_ready && beat_valid && !second_q && !(tail_q && low_out);
  assign beat_done = (take_low && !high_end) || (put_ready && second_q && !tail_q);

  always_comb begin
    put_valid = beat_valid && low_out && !unexpected;
    put_sop   = !open_q || first_q;
    put_eop   = low_end && !spill;
    put_bad   = discontinue;
    put_data  = {96'd0, beat[255:96]};
    desc      = beat[95:0];
    if (second_q) begin
      put_valid = !unexpected;
      put_sop   = 1'b1;
      put_eop   = 1'b1;
      put_data  = {224'd0, beat[255:224]};
      desc      = beat[223:128];
    end else if (open_q) begin
      put_data = upper_q ? {beat[223:0], carry_q[31:0]} : {beat[95:0], carry_q};
      desc     = desc_q;
    end
    if (tail_q) begin
      put_valid = 1'b1;
      put_sop   = 1'b0;
      put_eop   = 1'b1;
      put_bad   = tail_bad_q;
      put_data  = {96'd0, tail_data_q};
    end
  end

  assign unexpected = desc[15:12] inside {RcMismatch, RcUnknownTag, RcFlr, RcTimeout};

  always_comb begin
    put_hdr        = '0;
    put_hdr[30]    = desc[42:32] != '0;
    put_hdr[28:24] = desc[29] ? vk_pkg::TypeCplLk : vk_pkg::TypeCpl;
    put_hdr[22:20] = desc[91:89];                                  // traffic class
    put_hdr[18]    = desc[94];                                     // attributes
    put_hdr[13:12] = desc[93:92];
    put_hdr[14]    = desc[46] || desc[15:12] == RcPoisoned;
    put_hdr[9:0]   = desc[41:32];                                  // length, 1024 dwords: 0
    put_hdr[63:48] = desc[87:72];                                  // completer
    put_hdr[47:45] = desc[45:43];                                  // status
    put_hdr[43:32] = desc[27:16];                                  // byte count, 4096: 0
    put_hdr[95:80] = desc[63:48];                                  // requester
    put_hdr[79:72] = desc[71:64];                                  // tag
    put_hdr[70:64] = desc[6:0];                                    // lower address
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q   <= 1'b0;
      first_q  <= 1'b0;
      tail_q   <= 1'b0;
      second_q <= 1'b0;
    end else if (put_ready) begin
      tail_q   <= take_low && spill && !unexpected;
      second_q <= (take_low && high_end) || (second_q && tail_q);
      if (take_low) begin
        open_q  <= (high_sof && !high_end) || ((open_q || low_sof) && !low_end);
        first_q <= high_sof || low_sof;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take_low) begin
      if (high_sof) begin
        desc_q  <= beat[223:128];
        carry_q <= {128'd0, beat[255:224]};
        upper_q <= 1'b1;
      end else begin
        carry_q <= low_rest;
        if (low_sof) begin
          desc_q  <= beat[95:0];
          upper_q <= 1'b0;
        end
      end
      tail_data_q <= low_rest;
      tail_bad_q  <= discontinue;
    end
  end

  logic [2:0] unused_bar;
  usp_whole u_whole (
    .clk_i, .rst_ni,
    .in_valid_i  (put_valid),
    .in_ready_o  (put_ready),
    .in_sop_i    (put_sop),
    .in_eop_i    (put_eop),
    .in_bad_i    (put_bad),
    .in_hdr_i    (put_hdr),
    .in_bar_i    (3'd0),
    .in_data_i   (put_data),
    .out_valid_o (rc_valid_o),
    .out_ready_i (rc_ready_i),
    .out_sop_o   (rc_sop_o),
    .out_eop_o   (rc_eop_o),
    .out_hdr_o   (rc_hdr_o),
    .out_bar_o   (unused_bar),
    .out_data_o  (rc_data_o)
  );

  // Not needed: byte enables and parity; the second end's dword, since a completion that begins in the upper
  // half and ends there has one dword at most.
  logic unused;
  assign unused = ^{unused_bar, s_user_i[74:43], s_user_i[31:0], flags[9:7],
                    desc[95], desc[88], desc[47], desc[31:30], desc[28], desc[11:7]};

endmodule
