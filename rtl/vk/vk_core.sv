// SPDX-License-Identifier: Apache-2.0
// The VK endpoint: completer, registers and memories behind the BARs, soft core, DMA engine, interrupts, reset
// and the quiesce gate. A PCIe hard IP adapter or the co-simulation drives it.
//
// TLP streams (cq, cc, rq, rc: named as on AMD's hard IP): a beat passes when valid and ready are high. valid
// does not wait for ready and holds until it. hdr goes with sop: hdr[31:0] is DW0 with its bits numbered as
// in the PCIe specification, hdr[63:32] DW1 and so on; a 3-DW header leaves hdr[127:96] zero. data holds
// eight payload dwords, the lowest-addressed byte in data[7:0]. A TLP has max(1, ceil(length / 8)) beats, one
// if it has no payload. A CQ address is the bus address; BAR 2 has 2 MiB, BAR 0 and 4 have 64 KiB.
module vk_core
  import vk_pkg::*;
  import vk_faults_pkg::*;
#(
  parameter int unsigned StoreBytes = 1 << 20,  // card memory; a power of two, at least 1 MiB
  parameter CARD_FIRMWARE_HEX = ""              // firmware of the soft core, for $readmemh
) (
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
  input  logic         cfg_ext_tag_i,     // 8-bit tags are enabled
  input  logic         cfg_rcb_i,         // Read Completion Boundary: 0 64, 1 128 bytes
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
  output logic   [4:0] tap_gate_cause_o,
  output logic         tap_card_reset_o,  // from a reset doorbell to the card being ready again
  output logic         tap_card_ready_o,
  output logic         tap_dma_traffic_o, // the lab's traffic is on
  output logic         tap_dma_read_o,    // a descriptor host to card is in work
  output logic         tap_dma_write_o,   // the other way
  output logic         tap_dma_draining_o,// the gate is closed and the host still owes completions
  output logic         tap_core_trap_o,   // the soft core stands still after an internal error
  output logic         tap_core_idle_o    // it waits for an event, or is held in reset
);

  localparam int unsigned ZeroBits = 11;  // the larger memory behind the BARs has 2048 words

  logic tick, second;
  logic ring, doorbell, offline, clear, zero, run, booted, ready, internal_error;
  logic [ZeroBits-1:0] zero_addr;
  logic [3:0] reason;
  logic [4:0] gate_cause;
  logic gate_closed, requests_idle;

  logic                  host_req, host_write, host_ack;
  logic            [2:0] host_bar;
  logic [OffsetBits-1:0] host_offset;
  logic            [3:0] host_be;
  logic           [31:0] host_wdata, bars_rdata;

  logic        card_req, card_write, card_ack;
  logic  [2:0] card_bar;
  logic [15:0] card_offset;
  logic  [3:0] card_be;
  logic [31:0] card_wdata;

  logic  [2:0] queue_doorbell;
  logic        sbl, sbi;

  logic        mem_write, mem_wready, mem_read, mem_rvalid;
  logic  [3:0] mem_wbe;
  logic [31:0] mem_waddr, mem_wdata, mem_raddr, mem_rdata;

  logic [63:0] buffer;
  logic [31:0] buffer_size;
  logic        buffer_new;

  logic        rd_valid, rd_ready, rd_abort, rd_done, wr_valid, wr_ready, wr_abort, wr_done, fill;
  logic  [3:0] rd_code, wr_code;
  logic [31:0] rd_store, rd_bytes, wr_store, wr_bytes;
  logic [63:0] rd_host, wr_host;

  logic         traffic_enable, traffic_read, dma_busy, read_outstanding, cpl_ok, cpl_error, cpl_timeout;
  logic         dma_owed;
  logic  [31:0] traffic_period, traffic_sequence;
  logic  [15:0] traffic_length;
  logic         req_valid, req_ready, req_sop, req_eop;
  logic [127:0] req_hdr;
  logic [255:0] req_data;
  logic         lab_irq_request, card_irq_request, irq_valid, irq_ready;
  logic   [2:0] lab_irq_vector, card_irq_vector, irq_vector;
  logic         boot_rom, command_new;
  logic  [31:0] command, fault;

  // Between the blocks and u_faulty; header bits that seeded defects change.
  localparam logic [127:0] EpBit  = 128'h4000;
  localparam logic [127:0] BothBe = 128'hff << 32;
  logic         heard, halt_pending, flr, flr_done, resume, full_be, cpl_valid, cpl_ready;
  logic         out_valid, out_ready, out_irq;
  logic   [2:0] out_vector;
  logic  [63:0] announced;
  logic  [31:0] announced_size;
  logic [127:0] cpl_hdr;

  vk_timebase u_timebase (.clk_i, .rst_ni, .clk_hz_i, .tick_o(tick), .second_o(second));

  // What answers the host has a clock of its own that stops while nobody asks for anything: in simulation it is
  // most of the endpoint's cost. Its state changes only while a request of the host stands on CQ or is worked
  // on (a doorbell is one), with an access of the soft core, an internal error, or the end of its boot, while a
  // reset goes on, and in the two clocks after any of these, which the answer and the announcement of a buffer
  // need to pass through.
  logic       host_clk, host_wake, completer_busy, reset_still;
  logic [1:0] host_tail_q;

  assign host_wake = !rst_ni || !reset_still || (booted && !ready) || cq_valid_i || completer_busy ||
                     card_req || internal_error || halt_pending;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) host_tail_q <= '1;
    else         host_tail_q <= {host_tail_q[0], host_wake};
  end

  clock_gate u_host_clock (.clk_i, .enable_i(host_wake || host_tail_q != '0), .clk_o(host_clk));

  vk_doorbell u_doorbell (
    .clk_i (host_clk), .rst_ni, .fault_i(fault),
    .beat_i (cq_valid_i && cq_ready_o),
    .sop_i  (cq_sop_i),
    .hdr_i  (cq_hdr_i),
    .bar_i  (cq_bar_i),
    .data_i (cq_data_i),
    .ring_o (ring)
  );

  // Off line, the write is absorbed.
  assign heard = ring && !offline && !(faulty(fault, DEAF_AGAIN) && !ready);

  vk_reset #(.AddrBits(ZeroBits)) u_reset (
    .clk_i (host_clk), .rst_ni, .perst_ni,
    .flr_i           (flr),
    .doorbell_i      (doorbell),
    .tick_i          (tick),
    .requests_idle_i (requests_idle),
    .booted_i        (booted),
    .offline_o       (offline),
    .clear_o         (clear),
    .zero_o          (zero),
    .zero_addr_o     (zero_addr),
    .run_o           (run),
    .reason_o        (reason),
    .flr_done_o      (flr_done),
    .ready_o         (ready),
    .still_o         (reset_still)
  );

  vk_completer u_completer (
    .clk_i (host_clk), .rst_ni,
    .busy_o       (completer_busy),
    .bdf_i        (cfg_bdf_i),
    .offline_i    (offline || (faulty(fault, CPL_UR) && !ready)),
    .hold_bus_i   (clear),
    .cq_valid_i, .cq_ready_o, .cq_sop_i, .cq_eop_i, .cq_hdr_i, .cq_bar_i, .cq_data_i,
    .cc_valid_o   (cpl_valid),
    .cc_ready_i   (cpl_ready),
    .cc_sop_o, .cc_eop_o,
    .cc_hdr_o     (cpl_hdr),
    .cc_data_o,
    .bus_req_o    (host_req),
    .bus_write_o  (host_write),
    .bus_bar_o    (host_bar),
    .bus_offset_o (host_offset),
    .bus_be_o     (host_be),
    .bus_wdata_o  (host_wdata),
    .bus_ack_i    (host_ack),
    .bus_rdata_i  (bars_rdata)
  );

  vk_bars #(.StoreBytes(StoreBytes), .QueueWords(1 << ZeroBits)) u_bars (
    .clk_i (host_clk), .rst_ni, .fault_i(fault),
    .host_req_i    (host_req),
    .host_write_i  (host_write),
    .host_bar_i    (host_bar),
    .host_offset_i (host_offset),
    .host_be_i     (host_be),
    .host_wdata_i  (host_wdata),
    .host_ack_o    (host_ack),
    .card_req_i    (card_req),
    .card_write_i  (card_write),
    .card_bar_i    (card_bar),
    .card_offset_i (card_offset),
    .card_be_i     (card_be),
    .card_wdata_i  (card_wdata),
    .card_ack_o    (card_ack),
    .rdata_o       (bars_rdata),
    .clear_i       (clear),
    .zero_i        (zero),
    .zero_addr_i   (zero_addr),
    .open_i        (run),
    .error_i       (internal_error),
    .doorbell_o    (queue_doorbell),
    .sbl_o         (sbl),
    .sbi_o         (sbi),
    .mem_write_o   (mem_write),
    .mem_addr_o    (mem_waddr),
    .mem_be_o      (mem_wbe),
    .mem_wdata_o   (mem_wdata),
    .mem_ready_i   (mem_wready),
    .buffer_o      (announced),
    .size_o        (announced_size),
    .buffer_new_o  (buffer_new)
  );

  // The soft core: boots the card and serves its messages. It can neither open the gate nor keep it open.
  logic        core_active, core_error, core_fail, reg_req, reg_write, reg_wait;
  logic  [7:0] reg_addr;
  logic [31:0] reg_wdata, reg_rdata;

  assign internal_error = core_error || core_fail;

  vk_cpu #(.CARD_FIRMWARE_HEX(CARD_FIRMWARE_HEX)) u_cpu (
    .clk_i, .rst_ni,
    .run_i         (run),
    .active_o      (core_active),
    .error_o       (core_error),
    .stopped_o     (tap_core_trap_o),
    .idle_o        (tap_core_idle_o),
    .reg_req_o     (reg_req),
    .reg_write_o   (reg_write),
    .reg_addr_o    (reg_addr),
    .reg_wdata_o   (reg_wdata),
    .reg_rdata_i   (reg_rdata),
    .reg_wait_i    (reg_wait),
    .bar_req_o     (card_req),
    .bar_write_o   (card_write),
    .bar_bar_o     (card_bar),
    .bar_offset_o  (card_offset),
    .bar_be_o      (card_be),
    .bar_wdata_o   (card_wdata),
    .bar_ack_i     (card_ack),
    .bar_rdata_i   (bars_rdata),
    .store_read_o  (mem_read),
    .store_addr_o  (mem_raddr),
    .store_valid_i (mem_rvalid),
    .store_rdata_i (mem_rdata)
  );

  vk_card #(.StoreBytes(StoreBytes)) u_card (
    .clk_i, .rst_ni,
    .clear_i       (clear),
    .core_active_i (core_active),
    .reg_req_i     (reg_req),
    .reg_write_i   (reg_write),
    .reg_addr_i    (reg_addr),
    .reg_wdata_i   (reg_wdata),
    .reg_rdata_o   (reg_rdata),
    .reg_wait_o    (reg_wait),
    .doorbell_i    (queue_doorbell),
    .second_i      (second),
    .sbl_i         (sbl),
    .sbi_i         (sbi),
    .lab_i         (command_new),
    .reason_i      (reason),
    .rom_i         (boot_rom),
    .gate_closed_i (gate_closed),
    .internal_i    ((gate_cause & 5'(capture_pkg::GATE_CAUSE_INTERNAL)) != '0),
    .clk_hz_i,
    .lab_command_i (command),
    .ready_o       (booted),
    .fail_o        (core_fail),
    .irq_request_o (card_irq_request),
    .irq_vector_o  (card_irq_vector),
    .rd_valid_o    (rd_valid),
    .rd_ready_i    (rd_ready),
    .rd_host_o     (rd_host),
    .rd_store_o    (rd_store),
    .rd_bytes_o    (rd_bytes),
    .rd_abort_o    (rd_abort),
    .rd_done_i     (rd_done),
    .rd_code_i     (rd_code),
    .wr_valid_o    (wr_valid),
    .wr_ready_i    (wr_ready),
    .wr_host_o     (wr_host),
    .wr_store_o    (wr_store),
    .wr_bytes_o    (wr_bytes),
    .wr_abort_o    (wr_abort),
    .wr_done_i     (wr_done),
    .wr_code_i     (wr_code),
    .fill_o        (fill)
  );

  vk_dma #(.StoreBytes(StoreBytes)) u_dma (
    .clk_i, .rst_ni,
    .fault_i          (fault),
    .tick_i           (tick && !faulty(fault, NO_TIMEOUT)),
    .clear_i          (clear),
    .gate_closed_i    (gate_closed),
    .mps_i            (faulty(fault, OVER_MPS) ? 3'd1 : cfg_mps_i),
    .mrrs_i           (faulty(fault, OVER_MRRS) ? 3'd2 : cfg_mrrs_i),
    .ext_tag_i        (cfg_ext_tag_i),
    .rcb_i            (cfg_rcb_i),
    .bdf_i            (cfg_bdf_i),
    .fill_i           (fill),
    .rd_valid_i       (rd_valid),
    .rd_ready_o       (rd_ready),
    .rd_host_i        (rd_host),
    .rd_store_i       (rd_store),
    .rd_bytes_i       (rd_bytes),
    .rd_abort_i       (rd_abort),
    .rd_done_o        (rd_done),
    .rd_code_o        (rd_code),
    .wr_valid_i       (wr_valid),
    .wr_ready_o       (wr_ready),
    .wr_host_i        (wr_host),
    .wr_store_i       (wr_store),
    .wr_bytes_i       (wr_bytes),
    .wr_abort_i       (wr_abort),
    .wr_done_o        (wr_done),
    .wr_code_o        (wr_code),
    .traffic_enable_i (traffic_enable),
    .traffic_read_i   (traffic_read),
    .traffic_period_i (traffic_period),
    .traffic_length_i (traffic_length),
    .buffer_i         (buffer),
    .size_i           (faulty(fault, OVER_END) ? buffer_size + 32'd256 : buffer_size),
    .buffer_new_i     (buffer_new),
    .sequence_o       (traffic_sequence),
    .busy_o           (dma_busy),
    .outstanding_o    (read_outstanding),
    .reading_o        (tap_dma_read_o),
    .writing_o        (tap_dma_write_o),
    .owed_o           (dma_owed),
    .cpl_ok_o         (cpl_ok),
    .cpl_error_o      (cpl_error),
    .cpl_timeout_o    (cpl_timeout),
    .req_valid_o      (req_valid),
    .req_ready_i      (req_ready),
    .req_sop_o        (req_sop),
    .req_eop_o        (req_eop),
    .req_hdr_o        (req_hdr),
    .req_data_o       (req_data),
    .rc_valid_i, .rc_ready_o, .rc_sop_i, .rc_eop_i,
    .rc_hdr_i         (faulty(fault, TAKE_POISON) ? rc_hdr_i & ~EpBit : rc_hdr_i),
    .rc_data_i,
    .mem_write_i      (mem_write),
    .mem_waddr_i      (mem_waddr),
    .mem_wbe_i        (mem_wbe),
    .mem_wdata_i      (mem_wdata),
    .mem_wready_o     (mem_wready),
    .mem_read_i       (mem_read),
    .mem_raddr_i      (mem_raddr),
    .mem_rvalid_o     (mem_rvalid),
    .mem_rdata_o      (mem_rdata)
  );

  vk_msix u_msix (
    .clk_i, .rst_ni,
    .card_request_i (card_irq_request),
    .card_vector_i  (card_irq_vector),
    .lab_request_i  (lab_irq_request),
    .lab_vector_i   (lab_irq_vector),
    .gate_closed_i  (gate_closed && !faulty(fault, IRQ_KEPT)),
    .irq_valid_o    (irq_valid),
    .irq_ready_i    (irq_ready),
    .irq_vector_o   (irq_vector)
  );

  vk_gate u_gate (
    .clk_i, .rst_ni,
    .bme_i        (cfg_command_i[2] || faulty(fault, DEAF_BME)),
    .flr_i        (flr),
    .doorbell_i   (doorbell),
    .perst_ni,
    .internal_i   (internal_error && !faulty(fault, DEAF_TRAP)),
    .clear_i      (clear),
    .ready_i      (ready || (faulty(fault, OPEN_EARLY) && !clear && !offline)),
    .closed_o     (gate_closed),
    .cause_o      (gate_cause),
    .idle_o       (requests_idle),
    .req_valid_i  (req_valid),
    .req_ready_o  (req_ready),
    .req_sop_i    (req_sop),
    .req_eop_i    (req_eop),
    .req_hdr_i    (full_be ? req_hdr | BothBe : req_hdr),
    .req_data_i   (req_data),
    .rq_valid_o   (out_valid),
    .rq_ready_i   (out_ready),
    .rq_sop_o, .rq_eop_o, .rq_hdr_o, .rq_data_o,
    .irq_valid_i  (irq_valid),
    .irq_ready_o  (irq_ready),
    .irq_vector_i (irq_vector),
    .msix_valid_o (out_irq),
    .msix_ready_i,
    .msix_vector_o(out_vector)
  );

  vk_lab u_lab (
    .clk_i, .rst_ni,
    .lab_req_i, .lab_write_i, .lab_addr_i, .lab_wdata_i, .lab_ack_o, .lab_rdata_o,
    .clear_i            (clear && !resume),
    .dma_enable_o       (traffic_enable),
    .dma_read_o         (traffic_read),
    .dma_period_o       (traffic_period),
    .dma_length_o       (traffic_length),
    .irq_request_o      (lab_irq_request),
    .irq_vector_o       (lab_irq_vector),
    .boot_rom_o         (boot_rom),
    .command_o          (command),
    .command_new_o      (command_new),
    .fault_o            (fault),
    .dma_sequence_i     (traffic_sequence),
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

  // Seeded defects, all constant off in a release build (rtl/faults.py).
  assign flr            = cfg_flr_i && !faulty(fault, DEAF_FLR);
  assign cfg_flr_done_o = flr_done || (cfg_flr_i && faulty(fault, DEAF_FLR));
  assign resume         = (faulty(fault, RESUME_FLR) && reason == ReasonFlr) ||
                          (faulty(fault, RESUME_DB) && reason == ReasonDoorbell);
  assign full_be        = faulty(fault, FULL_BE) && req_hdr[30] && req_hdr[9:0] != 10'd1;
  assign cc_hdr_o       = faulty(fault, CPL_COUNT) ? cpl_hdr + (128'd4 << 32) : cpl_hdr;

  vk_faulty u_faulty (
    .clk_i, .rst_ni,
    .fault_i        (fault),
    .halt_i         (heard),
    .halt_o         (doorbell),
    .halt_pending_o (halt_pending),
    .start_i        (req_valid && req_ready && req_sop),
    .start_hdr_i    (req_hdr),
    .gate_closed_i  (gate_closed),
    .rq_valid_i     (out_valid),
    .rq_ready_o     (out_ready),
    .rq_eop_i       (rq_eop_o),
    .rq_valid_o, .rq_ready_i,
    .msix_valid_i   (out_irq),
    .msix_vector_i  (out_vector),
    .msix_valid_o, .msix_vector_o, .msix_ready_i,
    .resume_i       (resume),
    .buffer_i       (announced),
    .size_i         (announced_size),
    .buffer_o       (buffer),
    .size_o         (buffer_size),
    .cc_valid_i     (cpl_valid),
    .cc_ready_o     (cpl_ready),
    .cc_eop_i       (cc_eop_o),
    .cc_valid_o, .cc_ready_i
  );

  assign tap_gate_closed_o = gate_closed;
  assign tap_gate_cause_o  = gate_cause;
  assign tap_card_reset_o  = (gate_cause & 5'(capture_pkg::GATE_CAUSE_DOORBELL)) != '0;
  assign tap_card_ready_o  = ready;

  assign tap_dma_traffic_o  = traffic_enable;
  assign tap_dma_draining_o = gate_closed && dma_owed;

  logic unused;
  assign unused = ^{cfg_command_i[15:3], cfg_command_i[1:0], fault};

endmodule
