// SPDX-License-Identifier: Apache-2.0
// Completer requests of the hard IP (PG213, 256 bit, DWORD aligned) -> cq stream of the core. The descriptor
// becomes the TLP's header again; the payload, which follows it at once, moves four lanes down.
module usp_cq (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         s_valid_i,
  output logic         s_ready_o,
  input  logic         s_last_i,
  input  logic   [7:0] s_keep_i,
  input  logic  [87:0] s_user_i,
  input  logic [255:0] s_data_i,

  output logic         cq_valid_o,
  input  logic         cq_ready_i,
  output logic         cq_sop_o,
  output logic         cq_eop_o,
  output logic [127:0] cq_hdr_o,
  output logic   [2:0] cq_bar_o,
  output logic [255:0] cq_data_o
);

  import usp_pkg::*;

  logic         open_q, first_q, flush_q, bad_q;
  logic         ready, take, last, put, discontinue;
  logic [127:0] high_q;            // payload that waits for the lower half of the next beat
  logic [127:0] hdr_q, hdr;
  logic   [2:0] bar_q;

  assign discontinue = s_user_i[41];
  assign s_ready_o   = ready && !flush_q;
  assign take        = s_valid_i && s_ready_o;

  // Descriptor -> header. A memory address above 4 GiB needs the long form; messages and what is unknown
  // become messages, which the core drops.
  logic       with_data, four_dw;
  logic [4:0] tlp_type;
  always_comb begin
    with_data = 1'b1;
    four_dw   = s_data_i[63:32] != '0;
    tlp_type  = TypeMsg;
    case (s_data_i[78:75])
      ReqMemRead:   begin tlp_type = vk_pkg::TypeMem;   with_data = 1'b0; end
      ReqMemWrite:  begin tlp_type = vk_pkg::TypeMem;                     end
      ReqIoRead:    begin tlp_type = vk_pkg::TypeIo;    with_data = 1'b0; end
      ReqIoWrite:   begin tlp_type = vk_pkg::TypeIo;                      end
      ReqFetchAdd:  begin tlp_type = vk_pkg::TypeFetch;                   end
      ReqSwap:      begin tlp_type = vk_pkg::TypeSwap;                    end
      ReqCas:       begin tlp_type = vk_pkg::TypeCas;                     end
      ReqMemReadLk: begin tlp_type = vk_pkg::TypeMemLk; with_data = 1'b0; end
      default:      four_dw = 1'b1;
    endcase
    hdr          = '0;
    hdr[31:24]   = {1'b0, with_data, four_dw, tlp_type};
    hdr[22:20]   = s_data_i[123:121];  // traffic class
    hdr[18]      = s_data_i[126];      // attributes
    hdr[13:12]   = s_data_i[125:124];
    hdr[11:10]   = s_data_i[1:0];      // address type
    hdr[9:0]     = s_data_i[73:64];    // 1024 dwords: 0
    hdr[63:48]   = s_data_i[95:80];    // requester
    hdr[47:40]   = s_data_i[103:96];   // tag
    hdr[39:32]   = s_user_i[7:0];      // byte enables
    hdr[127:64]  = four_dw ? {s_data_i[31:2], 2'b00, s_data_i[63:32]} : {32'd0, s_data_i[31:2], 2'b00};
  end

  // One output beat per input beat but the first, which has only half a beat of payload; a last beat with an
  // upper half needs a clock of its own for it.
  assign last = flush_q || (take && s_last_i && (!open_q || !s_keep_i[4]));
  assign put  = flush_q || (take && (open_q || s_last_i));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q  <= 1'b0;
      first_q <= 1'b1;
      flush_q <= 1'b0;
      bad_q   <= 1'b0;
    end else begin
      if (put && ready) first_q <= last;
      if (flush_q && ready) flush_q <= 1'b0;
      if (take) begin
        open_q  <= !s_last_i;
        flush_q <= s_last_i && !last;
        bad_q   <= discontinue;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) high_q <= s_data_i[255:128];
    if (take && !open_q) begin
      hdr_q <= hdr;
      bar_q <= s_data_i[114:112];
    end
  end

  usp_whole u_whole (
    .clk_i, .rst_ni,
    .in_valid_i  (put),
    .in_ready_o  (ready),
    .in_sop_i    (first_q),
    .in_eop_i    (last),
    .in_bad_i    (flush_q ? bad_q : discontinue),
    .in_hdr_i    (take && !open_q ? hdr : hdr_q),
    .in_bar_i    (take && !open_q ? s_data_i[114:112] : bar_q),
    .in_data_i   (open_q || flush_q ? {s_data_i[127:0], high_q} : {128'd0, s_data_i[255:128]}),
    .out_valid_o (cq_valid_o),
    .out_ready_i (cq_ready_i),
    .out_sop_o   (cq_sop_o),
    .out_eop_o   (cq_eop_o),
    .out_hdr_o   (cq_hdr_o),
    .out_bar_o   (cq_bar_o),
    .out_data_o  (cq_data_o)
  );

  // Not needed: parity, byte enables per byte, TPH, target function, BAR aperture.
  logic unused;
  assign unused = ^{s_user_i[87:42], s_user_i[40:8], s_keep_i[7:5], s_keep_i[3:0], s_data_i[127],
                    s_data_i[120:115], s_data_i[111:104], s_data_i[79], s_data_i[74]};

endmodule
