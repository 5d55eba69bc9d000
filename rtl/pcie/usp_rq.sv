// SPDX-License-Identifier: Apache-2.0
// rq stream of the core (memory reads and writes) -> requester requests of the hard IP (PG213, 256 bit, DWORD
// aligned, tags managed by the core). The descriptor takes half a beat, and at 256 bit two requests cannot
// share one: 256 bytes take 9 beats, 240 bytes 8.
//
// Each write carries a number that the hard IP gives back once no later TLP can overtake it on its way out.
// writes_pending_o says how many are still on that way; usp_irq and usp_after_writes hold interrupts and
// completions back with it.
module usp_rq (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         bme_i,             // without it the hard IP drops requests and their numbers

  input  logic         rq_valid_i,
  output logic         rq_ready_o,
  input  logic         rq_sop_i,
  input  logic         rq_eop_i,
  input  logic [127:0] rq_hdr_i,
  input  logic [255:0] rq_data_i,

  output logic         m_valid_o,
  input  logic         m_ready_i,
  output logic         m_last_o,
  output logic   [7:0] m_keep_o,
  output logic  [61:0] m_user_o,
  output logic [255:0] m_data_o,

  input  logic         seq_valid_i,       // pcie_rq_seq_num0
  input  logic   [5:0] seq_i,
  output logic         write_waits_o,     // a write stands on rq and is not counted yet
  output logic   [4:0] writes_pending_o,
  output logic   [4:0] writes_done_o      // number of writes that left in this clock
);

  logic         is_write, four_dw, hold;
  logic  [10:0] length;
  logic [127:0] desc;
  logic  [13:0] user;

  assign is_write = rq_hdr_i[30];
  assign four_dw  = rq_hdr_i[29];
  assign length   = vk_pkg::req_length(rq_hdr_i[9:0]);

  always_comb begin
    desc          = '0;
    desc[1:0]     = rq_hdr_i[11:10];                         // address type
    desc[63:2]    = four_dw ? {rq_hdr_i[95:64], rq_hdr_i[127:98]} : {32'd0, rq_hdr_i[95:66]};
    desc[74:64]   = length;
    desc[78:75]   = is_write ? usp_pkg::ReqMemWrite : usp_pkg::ReqMemRead;
    desc[79]      = rq_hdr_i[14];                            // poisoned
    desc[95:80]   = rq_hdr_i[63:48];                         // requester; the hard IP puts in its own
    desc[103:96]  = rq_hdr_i[47:40];                         // tag
    desc[123:121] = rq_hdr_i[22:20];                         // traffic class
    desc[126:124] = {rq_hdr_i[18], rq_hdr_i[13:12]};         // attributes
  end

  // Numbers of writes count modulo 32; bit 5 marks reads, whose numbers say nothing. A number given back also
  // settles the ones before it, so that one lost (with a request that the hard IP dropped) does no harm. With
  // 31 on their way the next write waits, since 0 and 32 could not be told apart.
  logic [4:0] sent_q, done_q;
  assign writes_pending_o = sent_q - done_q;
  assign writes_done_o    = !bme_i ? writes_pending_o : (seq_valid_i && !seq_i[5]) ? seq_i[4:0] - done_q : '0;
  assign hold             = rq_sop_i && is_write && writes_pending_o == 5'd31;
  assign write_waits_o    = rq_valid_i && rq_sop_i && is_write;
  assign user             = {!is_write, sent_q + 5'd1, rq_hdr_i[39:32]};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sent_q <= '0;
      done_q <= '0;
    end else begin
      done_q <= done_q + writes_done_o;
      if (write_waits_o && rq_ready_o) sent_q <= sent_q + 5'd1;
    end
  end

  logic         in_ready, valid, ready, last;
  logic   [7:0] keep;
  logic  [13:0] user_out;
  logic [255:0] data;

  assign rq_ready_o = in_ready && !hold;

  usp_prepend #(.Dwords(4), .UserBits(14)) u_prepend (
    .clk_i, .rst_ni,
    .in_valid_i  (rq_valid_i && !hold),
    .in_ready_o  (in_ready),
    .in_sop_i    (rq_sop_i),
    .in_eop_i    (rq_eop_i),
    .in_desc_i   (desc),
    .in_length_i (is_write ? length : '0),
    .in_user_i   (user),
    .in_data_i   (rq_data_i),
    .out_valid_o (valid),
    .out_ready_i (ready),
    .out_last_o  (last),
    .out_keep_o  (keep),
    .out_user_o  (user_out),
    .out_data_o  (data)
  );

  logic [13:0] m_user;
  usp_slice #(.Width(279)) u_slice (
    .clk_i, .rst_ni,
    .in_valid_i  (valid),
    .in_ready_o  (ready),
    .in_data_i   ({last, keep, user_out, data}),
    .out_valid_o (m_valid_o),
    .out_ready_i (m_ready_i),
    .out_data_o  ({m_last_o, m_keep_o, m_user, m_data_o})
  );

  // Byte enables, no address offset, not discontinued, no TPH, number, no parity.
  assign m_user_o = {m_user[13:12], 32'd0, m_user[11:8], 16'd0, m_user[7:0]};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && rq_valid_i && rq_sop_i) begin
      assert (!rq_hdr_i[31] && rq_hdr_i[28:24] == vk_pkg::TypeMem) else $error("not a memory request");
    end
  end
`endif

  logic unused;
  assign unused = ^{rq_hdr_i[97:96], rq_hdr_i[31], rq_hdr_i[28:23], rq_hdr_i[19], rq_hdr_i[17:15]};

endmodule
