// SPDX-License-Identifier: Apache-2.0
// Traffic of the lab: writes sequence-numbered patterns into the scratch buffer that the driver announced, or
// reads from it. Every 8 bytes written are {u32 sequence, u32 magic}, the sequence counts TLPs and starts at
// 1 after each card reset.
//
// A TLP that the gate has let start is always finished, in a reset too. One that it has not is withdrawn when
// the gate closes; its sequence number and address are then used by the next.
module vk_traffic
  import vk_pkg::*;
(
  input  logic         clk_i,            // stops when wake_o and all else of the engine is low
  input  logic         free_clk_i,       // never stops: the period is counted with it
  input  logic         rst_ni,
  input  logic  [31:0] fault_i,
  input  logic         clear_i,          // card reset
  output logic         wake_o,

  input  logic         enable_i,
  input  logic         read_i,           // 0 write, 1 read
  input  logic  [31:0] period_i,         // clocks between starts, 0 = back to back
  input  logic  [15:0] length_i,         // bytes per TLP asked for
  input  logic  [63:0] buffer_i,         // scratch buffer, bus address; 0 = none announced
  input  logic  [31:0] size_i,           // its size in bytes
  input  logic         buffer_new_i,     // one clock: announced anew
  input  logic         gate_closed_i,
  input  logic   [2:0] mps_i,            // Max_Payload_Size, Max_Read_Request_Size as in Device Control
  input  logic   [2:0] mrrs_i,
  input  logic  [15:0] bdf_i,            // our requester id

  output logic         req_valid_o,      // writes, to the arbiter
  input  logic         req_ready_i,
  output logic         req_sop_o,
  output logic         req_eop_o,
  output logic [127:0] req_hdr_o,
  output logic [255:0] req_data_o,

  output logic         read_valid_o,     // reads, to the reader
  output logic  [63:0] read_host_o,
  output logic  [12:0] read_bytes_o,
  input  logic         read_sent_i,
  input  logic         outstanding_i,    // one at a time

  output logic  [31:0] sequence_o,       // of the next write
  output logic         busy_o
);

  // Length: a multiple of 8 from 8 to 256, at most MPS or MRRS. Both are at least 128, and 256 from encoding
  // 1 on.
  logic [8:0] limit;
  always_comb begin
    limit = {length_i[8:3], 3'b000};
    if (length_i[15:8] != '0) limit = 9'd256;
    if (limit == '0) limit = 9'd8;
    if ((read_i ? mrrs_i : mps_i) == '0 && limit > 9'd128) limit = 9'd128;
  end

  logic        run, plan_valid, plan_still, start;
  logic [63:0] plan_addr;
  logic  [8:0] plan_bytes;
  logic        first_sent, last_sent;

  assign run = enable_i && !gate_closed_i && !clear_i && !buffer_new_i && buffer_i != '0;

  vk_traffic_plan u_plan (
    .clk_i, .rst_ni, .fault_i,
    .restart_i (clear_i || buffer_new_i),
    .run_i     (run),
    .base_i    ({buffer_i[63:3], 3'b000}),
    .size_i,
    .limit_i   (limit),
    .take_i    (first_sent),
    .valid_o   (plan_valid),
    .still_o   (plan_still),
    .addr_o    (plan_addr),
    .bytes_o   (plan_bytes)
  );

  logic        valid_q, sop_q, read_q;
  logic [31:0] seq_q, seq_d, tlp_seq_q;
  logic [63:0] addr_q;
  logic  [8:0] bytes_q;
  logic  [3:0] beats_left_q;  // without the present one
  logic [31:0] wait_q;        // clocks until the next start

  assign first_sent = (req_valid_o && req_ready_i && sop_q) || read_sent_i;
  assign last_sent  = (req_valid_o && req_ready_i && req_eop_o) || read_sent_i;
  assign seq_d      = seq_q + 32'(first_sent && !read_q);

  // While first_sent is set the plan is the one of the TLP under way.
  assign start = run && plan_valid && !first_sent && (!valid_q || last_sent) && wait_q <= 32'd1 &&
                 (!read_i || !outstanding_i);

  always_ff @(posedge free_clk_i) begin
    if (!rst_ni)                wait_q <= '0;
    else if (first_sent)        wait_q <= (period_i == '0) ? '0 : period_i - 1'b1;
    else if (wait_q > period_i) wait_q <= period_i;
    else if (wait_q != '0)      wait_q <= wait_q - 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q      <= 1'b0;
      sop_q        <= 1'b0;
      read_q       <= 1'b0;
      seq_q        <= 32'd1;
      tlp_seq_q    <= '0;
      addr_q       <= '0;
      bytes_q      <= '0;
      beats_left_q <= '0;
    end else begin
      seq_q <= clear_i ? 32'd1 : seq_d;

      if (start) begin
        valid_q      <= 1'b1;
        sop_q        <= 1'b1;
        read_q       <= read_i;
        tlp_seq_q    <= seq_d;
        addr_q       <= plan_addr;
        bytes_q      <= plan_bytes;
        beats_left_q <= 4'((plan_bytes - 9'd1) >> 5);
      end else if (last_sent) begin
        valid_q      <= 1'b0;
        sop_q        <= 1'b0;
      end else if (req_valid_o && req_ready_i) begin
        sop_q        <= 1'b0;
        beats_left_q <= beats_left_q - 1'b1;
      end else if (sop_q && !run) begin
        valid_q <= 1'b0;  // withdrawn
        sop_q   <= 1'b0;
      end
    end
  end

  // A first beat is offered only while the engine may run, so that a new buffer or a reset takes effect at
  // once.
  assign req_valid_o  = valid_q && !read_q && (!sop_q || run);
  assign req_sop_o    = sop_q;
  assign req_eop_o    = beats_left_q == '0;
  assign req_hdr_o    = vk_dma_pkg::memory_header(1'b1, addr_q, 13'(bytes_q), bdf_i, '0);
  assign req_data_o   = {4{capture_pkg::DMA_MAGIC, tlp_seq_q}};
  assign read_valid_o = valid_q && read_q && run;
  assign read_host_o  = addr_q;
  assign read_bytes_o = 13'(bytes_q);
  assign sequence_o   = seq_q;
  assign busy_o       = valid_q;
  assign wake_o       = valid_q || !plan_still || (run && wait_q <= 32'd1) || buffer_new_i;

  logic unused;
  assign unused = ^length_i[2:0];

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && first_sent) begin
      assert (14'(addr_q[11:0]) + 14'(bytes_q) <= 14'h1000) else $error("TLP crosses a 4 KiB boundary");
      assert (addr_q - buffer_i + 64'(bytes_q) <= 64'(size_i)) else $error("TLP outside of the buffer");
    end
  end
`endif

endmodule
