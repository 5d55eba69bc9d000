// SPDX-License-Identifier: Apache-2.0
// The VK endpoint: completer, registers and memories behind the BARs, DMA engine, interrupts, reset and the
// quiesce gate. A PCIe hard IP adapter or the co-simulation drives it.
//
// TLP streams (cq, cc, rq, rc: named as on AMD's hard IP): a beat passes when valid and ready are high. valid
// does not wait for ready and holds until it. hdr goes with sop: hdr[31:0] is DW0 with its bits numbered as
// in the PCIe specification, hdr[63:32] DW1 and so on; a 3-DW header leaves hdr[127:96] zero. data holds
// eight payload dwords, the lowest-addressed byte in data[7:0]. A TLP has max(1, ceil(length / 8)) beats, one
// if it has no payload. A CQ address is the bus address; the BARs are 64 KiB.
module vk_core (
  input  logic         clk_i,
  input  logic         rst_ni,            // power-on
  input  logic         perst_ni,          // synchronous to clk_i
  input  logic  [31:0] clk_hz_i,          // rate of clk_i

  input  logic         cq_valid_i,        // requests of the host
  output logic         cq_ready_o,
  input  logic         cq_sop_i,
  input  logic         cq_eop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,          // 0, 2 or 4
  input  logic [255:0] cq_data_i,

  output logic         cc_valid_o,        // completions for the host
  input  logic         cc_ready_i,
  output logic         cc_sop_o,
  output logic         cc_eop_o,
  output logic [127:0] cc_hdr_o,
  output logic [255:0] cc_data_o,

  output logic         rq_valid_o,        // requests of the card
  input  logic         rq_ready_i,
  output logic         rq_sop_o,
  output logic         rq_eop_o,
  output logic [127:0] rq_hdr_o,
  output logic [255:0] rq_data_o,

  input  logic         rc_valid_i,        // completions for the card
  output logic         rc_ready_o,
  input  logic         rc_sop_i,
  input  logic         rc_eop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic [255:0] rc_data_i,

  input  logic  [15:0] cfg_command_i,     // Command register
  input  logic         cfg_flr_i,         // level: FLR in progress
  output logic         cfg_flr_done_o,    // level: it may end
  input  logic   [2:0] cfg_mps_i,         // as in Device Control
  input  logic   [2:0] cfg_mrrs_i,
  input  logic  [15:0] cfg_bdf_i,         // bus, device, function

  output logic         msix_valid_o,
  output logic   [2:0] msix_vector_o,
  input  logic         msix_ready_i,

  input  logic         lab_req_i,         // lab bus, see vk_lab
  input  logic         lab_write_i,
  input  logic   [7:0] lab_addr_i,
  input  logic  [31:0] lab_wdata_i,
  output logic         lab_ack_o,
  output logic  [31:0] lab_rdata_o,

  output logic         tap_gate_closed_o, // taps of the analyser
  output logic   [3:0] tap_gate_cause_o,
  output logic         tap_card_reset_o,  // from a reset doorbell to the card being ready again
  output logic         tap_card_ready_o
);

  logic tick, second;
  logic ring, doorbell, offline, clear, hold_bus, init, set_status, set_marker, ready;
  logic [9:0] init_addr;
  logic [3:0] reason, gate_cause;
  logic gate_closed, requests_idle;

  logic        bus_req, bus_write, bus_ack;
  logic  [2:0] bus_bar;
  logic [15:0] bus_offset;
  logic  [3:0] bus_be;
  logic [31:0] bus_wdata, bus_rdata;

  logic [63:0] buffer;
  logic [31:0] buffer_size;
  logic        buffer_new;

  logic         dma_enable, dma_read, dma_busy, read_outstanding, cpl_ok, cpl_error, cpl_timeout;
  logic  [31:0] dma_period, dma_sequence;
  logic  [15:0] dma_length;
  logic         req_valid, req_ready, req_sop, req_eop;
  logic [127:0] req_hdr;
  logic [255:0] req_data;
  logic         irq_request, irq_valid, irq_ready;
  logic   [2:0] irq_request_vector, irq_vector;

  vk_timebase u_timebase (.clk_i, .rst_ni, .clk_hz_i, .tick_o(tick), .second_o(second));

  // What answers the host has a clock of its own that stops while the host asks for nothing: in simulation it
  // is most of the endpoint's cost. Its state changes only while a request stands on CQ or is worked on
  // (a doorbell is one), while the reset goes on, with the uptime's second, and in the two clocks after any of
  // these, which the answer and the announcement of a buffer need to pass through.
  logic       host_clk, host_wake, completer_busy, reset_still;
  logic [1:0] host_tail_q;

  assign host_wake = !rst_ni || !reset_still || cq_valid_i || completer_busy || second;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) host_tail_q <= '1;
    else         host_tail_q <= {host_tail_q[0], host_wake};
  end

  clock_gate u_host_clock (.clk_i, .enable_i(host_wake || host_tail_q != '0), .clk_o(host_clk));

  vk_doorbell u_doorbell (
    .clk_i (host_clk), .rst_ni,
    .beat_i (cq_valid_i && cq_ready_o),
    .sop_i  (cq_sop_i),
    .hdr_i  (cq_hdr_i),
    .bar_i  (cq_bar_i),
    .data_i (cq_data_i),
    .ring_o (ring)
  );

  assign doorbell = ring && !offline;  // off line, the write is absorbed

  vk_reset u_reset (
    .clk_i (host_clk), .rst_ni, .perst_ni,
    .flr_i           (cfg_flr_i),
    .doorbell_i      (doorbell),
    .tick_i          (tick),
    .requests_idle_i (requests_idle),
    .offline_o       (offline),
    .clear_o         (clear),
    .hold_bus_o      (hold_bus),
    .init_o          (init),
    .init_addr_o     (init_addr),
    .set_status_o    (set_status),
    .set_marker_o    (set_marker),
    .reason_o        (reason),
    .flr_done_o      (cfg_flr_done_o),
    .ready_o         (ready),
    .still_o         (reset_still)
  );

  vk_completer u_completer (
    .clk_i (host_clk), .rst_ni,
    .busy_o       (completer_busy),
    .bdf_i        (cfg_bdf_i),
    .offline_i    (offline),
    .hold_bus_i   (hold_bus),
    .cq_valid_i, .cq_ready_o, .cq_sop_i, .cq_eop_i, .cq_hdr_i, .cq_bar_i, .cq_data_i,
    .cc_valid_o, .cc_ready_i, .cc_hdr_o, .cc_data_o,
    .bus_req_o    (bus_req),
    .bus_write_o  (bus_write),
    .bus_bar_o    (bus_bar),
    .bus_offset_o (bus_offset),
    .bus_be_o     (bus_be),
    .bus_wdata_o  (bus_wdata),
    .bus_ack_i    (bus_ack),
    .bus_rdata_i  (bus_rdata)
  );
  assign cc_sop_o = 1'b1;  // every completion is one beat
  assign cc_eop_o = 1'b1;

  vk_bars u_bars (
    .clk_i (host_clk), .rst_ni,
    .bus_req_i    (bus_req),
    .bus_write_i  (bus_write),
    .bus_bar_i    (bus_bar),
    .bus_offset_i (bus_offset),
    .bus_be_i     (bus_be),
    .bus_wdata_i  (bus_wdata),
    .bus_ack_o    (bus_ack),
    .bus_rdata_o  (bus_rdata),
    .clear_i      (clear),
    .init_i       (init),
    .init_addr_i  (init_addr),
    .set_status_i (set_status),
    .set_marker_i (set_marker),
    .reason_i     (reason),
    .ready_i      (ready),
    .second_i     (second),
    .buffer_o     (buffer),
    .size_o       (buffer_size),
    .buffer_new_o (buffer_new)
  );

  vk_dma u_dma (
    .clk_i, .rst_ni,
    .tick_i        (tick),
    .clear_i       (clear),
    .enable_i      (dma_enable),
    .read_i        (dma_read),
    .period_i      (dma_period),
    .length_i      (dma_length),
    .buffer_i      (buffer),
    .size_i        (buffer_size),
    .buffer_new_i  (buffer_new),
    .gate_closed_i (gate_closed),
    .mps_i         (cfg_mps_i),
    .mrrs_i        (cfg_mrrs_i),
    .bdf_i         (cfg_bdf_i),
    .req_valid_o   (req_valid),
    .req_ready_i   (req_ready),
    .req_sop_o     (req_sop),
    .req_eop_o     (req_eop),
    .req_hdr_o     (req_hdr),
    .req_data_o    (req_data),
    .cpl_beat_i    (rc_valid_i && rc_ready_o && rc_sop_i),
    .cpl_hdr_i     (rc_hdr_i),
    .sequence_o    (dma_sequence),
    .busy_o        (dma_busy),
    .outstanding_o (read_outstanding),
    .cpl_ok_o      (cpl_ok),
    .cpl_error_o   (cpl_error),
    .cpl_timeout_o (cpl_timeout)
  );
  assign rc_ready_o = 1'b1;  // completions are always taken: nobody else waits for them

  vk_msix u_msix (
    .clk_i, .rst_ni,
    .request_i     (irq_request),
    .vector_i      (irq_request_vector),
    .gate_closed_i (gate_closed),
    .irq_valid_o   (irq_valid),
    .irq_ready_i   (irq_ready),
    .irq_vector_o  (irq_vector)
  );

  vk_gate u_gate (
    .clk_i, .rst_ni,
    .bme_i        (cfg_command_i[2]),
    .flr_i        (cfg_flr_i),
    .doorbell_i   (doorbell),
    .perst_ni,
    .ready_i      (ready),
    .closed_o     (gate_closed),
    .cause_o      (gate_cause),
    .idle_o       (requests_idle),
    .req_valid_i  (req_valid),
    .req_ready_o  (req_ready),
    .req_sop_i    (req_sop),
    .req_eop_i    (req_eop),
    .req_hdr_i    (req_hdr),
    .req_data_i   (req_data),
    .rq_valid_o, .rq_ready_i, .rq_sop_o, .rq_eop_o, .rq_hdr_o, .rq_data_o,
    .irq_valid_i  (irq_valid),
    .irq_ready_o  (irq_ready),
    .irq_vector_i (irq_vector),
    .msix_valid_o, .msix_ready_i, .msix_vector_o
  );

  vk_lab u_lab (
    .clk_i, .rst_ni,
    .lab_req_i, .lab_write_i, .lab_addr_i, .lab_wdata_i, .lab_ack_o, .lab_rdata_o,
    .clear_i            (clear),
    .dma_enable_o       (dma_enable),
    .dma_read_o         (dma_read),
    .dma_period_o       (dma_period),
    .dma_length_o       (dma_length),
    .irq_request_o      (irq_request),
    .irq_vector_o       (irq_request_vector),
    .dma_sequence_i     (dma_sequence),
    .dma_buffer_i       (buffer),
    .dma_size_i         (buffer_size),
    .gate_closed_i      (gate_closed),
    .gate_cause_i       (gate_cause),
    .card_ready_i       (ready),
    .dma_busy_i         (dma_busy),
    .read_outstanding_i (read_outstanding),
    .cpl_ok_i           (cpl_ok),
    .cpl_error_i        (cpl_error),
    .cpl_timeout_i      (cpl_timeout)
  );

  assign tap_gate_closed_o = gate_closed;
  assign tap_gate_cause_o  = gate_cause;
  assign tap_card_reset_o  = (gate_cause & 4'(capture_pkg::GATE_CAUSE_DOORBELL)) != '0;
  assign tap_card_ready_o  = ready;

  logic unused;
  assign unused = ^{rc_eop_i, rc_data_i, cfg_command_i[15:3], cfg_command_i[1:0]};

endmodule
