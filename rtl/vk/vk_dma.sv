// SPDX-License-Identifier: Apache-2.0
// DMA engine of the card: moves descriptors' bytes between host memory and the card's memory ("store"), sends
// the lab's traffic, and gives host and soft core their own access to the store. How requests are cut, tags,
// credits and errors: docs/dma.md.
module vk_dma
  import vk_pkg::*;
  import vk_dma_pkg::*;
#(
  parameter int unsigned StoreBytes   = 1 << 20,  // power of two
  parameter int unsigned CplHeaders   = 256,      // completion buffer of the hard IP: headers,
  parameter int unsigned CplData      = 2048,     // and units of 16 bytes
  parameter int unsigned TimeoutTicks = 100       // completion timeout in ticks
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic  [31:0] fault_i,            // seeded defects, see vk_faults_pkg
  input  logic         tick_i,             // every 100 us
  input  logic         clear_i,            // card reset: at least 4 clocks; everything is abandoned
  input  logic         gate_closed_i,      // no TLP starts now

  input  logic   [2:0] mps_i,              // Max_Payload_Size, Max_Read_Request_Size as in Device Control
  input  logic   [2:0] mrrs_i,
  input  logic         ext_tag_i,          // 8-bit tags enabled
  input  logic         rcb_i,              // read completion boundary: 0 64 bytes, 1 128 bytes
  input  logic  [15:0] bdf_i,              // our requester id
  input  logic         fill_i,             // writes fill whole beats of the hard IP's stream

  input  logic         rd_valid_i,         // descriptor: host to store
  output logic         rd_ready_o,
  input  logic  [63:0] rd_host_i,
  input  logic  [31:0] rd_store_i,
  input  logic  [31:0] rd_bytes_i,
  input  logic         rd_abort_i,         // ends all open descriptors with DmaAborted
  output logic         rd_done_o,          // one clock per descriptor, in order
  output logic   [3:0] rd_code_o,          // dma_result_e

  input  logic         wr_valid_i,         // descriptor: store to host
  output logic         wr_ready_o,
  input  logic  [63:0] wr_host_i,
  input  logic  [31:0] wr_store_i,
  input  logic  [31:0] wr_bytes_i,
  input  logic         wr_abort_i,
  output logic         wr_done_o,
  output logic   [3:0] wr_code_o,

  input  logic         traffic_enable_i,   // lab traffic, see vk_traffic
  input  logic         traffic_read_i,
  input  logic  [31:0] traffic_period_i,
  input  logic  [15:0] traffic_length_i,
  input  logic  [63:0] buffer_i,
  input  logic  [31:0] size_i,
  input  logic         buffer_new_i,
  output logic  [31:0] sequence_o,
  output logic         busy_o,
  output logic         outstanding_o,
  output logic         reading_o,          // a descriptor of this direction is in work
  output logic         writing_o,
  output logic         owed_o,             // completions are owed, also to reads that nobody wants any more
  output logic         cpl_ok_o,
  output logic         cpl_error_o,
  output logic         cpl_timeout_o,

  output logic         req_valid_o,        // to the gate
  input  logic         req_ready_i,
  output logic         req_sop_o,
  output logic         req_eop_o,
  output logic [127:0] req_hdr_o,
  output logic [255:0] req_data_o,

  input  logic         rc_valid_i,         // completions
  output logic         rc_ready_o,
  input  logic         rc_sop_i,
  input  logic         rc_eop_i,
  input  logic [127:0] rc_hdr_i,
  input  logic [255:0] rc_data_i,

  input  logic         mem_write_i,        // host's aligned dword into the store, held until ready
  input  logic  [31:0] mem_waddr_i,
  input  logic   [3:0] mem_wbe_i,
  input  logic  [31:0] mem_wdata_i,
  output logic         mem_wready_o,
  input  logic         mem_read_i,         // soft core's dword from the store, held until valid
  input  logic  [31:0] mem_raddr_i,
  output logic         mem_rvalid_o,
  output logic  [31:0] mem_rdata_o
);

  // Clocks run only while there is something to do: in simulation the engine is then nearly free. The two
  // directions and the store have their own, since traffic needs none of them. The tails are longer than any
  // pipeline here, and than what a change of clear_i or gate_closed_i needs.
  logic       clk, rd_clk, wr_clk, store_clk, change, wake, rd_wake, wr_wake, store_wake, traffic_wake;
  logic       clear_q, closed_q, rd_idle, wr_idle, reader_idle, writer_idle, tags_used, arbiter_idle, traffic_read;
  logic [3:0] tail_q, rd_tail_q, wr_tail_q, store_tail_q;

  assign change     = clear_i != clear_q || gate_closed_i != closed_q;
  assign rd_wake    = change || rd_valid_i || rd_abort_i || rc_valid_i || mem_write_i || traffic_read || tags_used ||
                      !(rd_idle && reader_idle);
  assign wr_wake    = change || wr_valid_i || wr_abort_i || !(wr_idle && writer_idle);
  assign store_wake = rd_wake || wr_wake || mem_read_i;
  assign wake       = !rst_ni || store_wake || traffic_wake || !arbiter_idle;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      clear_q      <= 1'b1;
      closed_q     <= 1'b1;
      tail_q       <= '1;
      rd_tail_q    <= '1;
      wr_tail_q    <= '1;
      store_tail_q <= '1;
    end else begin
      clear_q      <= clear_i;
      closed_q     <= gate_closed_i;
      tail_q       <= {tail_q[2:0], wake};
      rd_tail_q    <= {rd_tail_q[2:0], rd_wake};
      wr_tail_q    <= {wr_tail_q[2:0], wr_wake};
      store_tail_q <= {store_tail_q[2:0], store_wake};
    end
  end

  clock_gate u_clock       (.clk_i, .enable_i(wake || tail_q != '0), .clk_o(clk));
  clock_gate u_rd_clock    (.clk_i, .enable_i(!rst_ni || rd_wake || rd_tail_q != '0), .clk_o(rd_clk));
  clock_gate u_wr_clock    (.clk_i, .enable_i(!rst_ni || wr_wake || wr_tail_q != '0), .clk_o(wr_clk));
  clock_gate u_store_clock (.clk_i, .enable_i(!rst_ni || store_wake || store_tail_q != '0), .clk_o(store_clk));

  assign reading_o = !rd_idle;
  assign writing_o = !wr_idle;
  assign owed_o    = tags_used;

  // Request streams: traffic, writer, reader.
  localparam int unsigned Traffic = 0, Writer = 1, Reader = 2, Sources = 3;
  logic         src_valid [Sources], src_ready [Sources], src_sop [Sources], src_eop [Sources];
  logic [127:0] src_hdr [Sources];
  logic [255:0] src_data [Sources];

  vk_arbiter #(.Sources(Sources)) u_arbiter (
    .clk_i   (clk), .rst_ni,
    .stop_i  (gate_closed_i || clear_i),
    .valid_i (src_valid), .ready_o(src_ready), .sop_i(src_sop), .eop_i(src_eop), .hdr_i(src_hdr),
    .data_i  (src_data),
    .valid_o (req_valid_o), .ready_i(req_ready_i), .sop_o(req_sop_o), .eop_o(req_eop_o), .hdr_o(req_hdr_o),
    .data_o  (req_data_o),
    .idle_o  (arbiter_idle)
  );

  logic        traffic_sent;
  logic [63:0] traffic_host;
  logic [12:0] traffic_bytes;

  vk_traffic u_traffic (
    .clk_i         (clk), .free_clk_i(clk_i), .rst_ni, .fault_i, .clear_i,
    .wake_o        (traffic_wake),
    .enable_i      (traffic_enable_i),
    .read_i        (traffic_read_i),
    .period_i      (traffic_period_i),
    .length_i      (traffic_length_i),
    .buffer_i, .size_i, .buffer_new_i, .gate_closed_i, .mps_i, .mrrs_i, .bdf_i,
    .req_valid_o   (src_valid[Traffic]),
    .req_ready_i   (src_ready[Traffic]),
    .req_sop_o     (src_sop[Traffic]),
    .req_eop_o     (src_eop[Traffic]),
    .req_hdr_o     (src_hdr[Traffic]),
    .req_data_o    (src_data[Traffic]),
    .read_valid_o  (traffic_read),
    .read_host_o   (traffic_host),
    .read_bytes_o  (traffic_bytes),
    .read_sent_i   (traffic_sent),
    .outstanding_i (outstanding_o),
    .sequence_o, .busy_o
  );

  // Host to store: the channel cuts, the reader sends, the tag table remembers, the receiver stores.
  logic                rd_request, rd_take, rd_end, rd_error;
  dma_request_t        rd_cut, want;
  logic [SlotBits-1:0] rd_slot;
  dma_result_e         rd_error_code;
  logic                want_rcb, choose, issue, issue_traffic, tag_free, room;
  logic          [7:0] tag;
  logic                beat, first, freed, freed_rcb;
  logic          [6:0] freed_blocks;
  logic        [127:0] cpl_hdr;
  dma_verdict_t        verdict;

  vk_channel #(.StoreBytes(StoreBytes)) u_rd_channel (
    .clk_i           (rd_clk), .rst_ni, .clear_i,
    .abort_i         (rd_abort_i),
    .hold_i          (1'b0),
    .limit_i         (mrrs_i),
    .fill_i          (1'b0),
    .idle_o          (rd_idle),
    .valid_i         (rd_valid_i),
    .ready_o         (rd_ready_o),
    .host_i          (rd_host_i),
    .store_i         (rd_store_i),
    .bytes_i         (rd_bytes_i),
    .done_o          (rd_done_o),
    .code_o          (rd_code_o),
    .request_valid_o (rd_request),
    .request_take_i  (rd_take),
    .request_o       (rd_cut),
    .end_i           (rd_end),
    .error_i         (rd_error),
    .slot_i          (rd_slot),
    .error_code_i    (rd_error_code)
  );

  vk_reader u_reader (
    .clk_i           (rd_clk), .rst_ni, .clear_i, .bdf_i, .rcb_i,
    .abort_i         (rd_abort_i),
    .idle_o          (reader_idle),
    .request_valid_i (rd_request),
    .request_take_o  (rd_take),
    .request_i       (rd_cut),
    .traffic_valid_i (traffic_read),
    .traffic_host_i  (traffic_host),
    .traffic_bytes_i (traffic_bytes),
    .traffic_sent_o  (traffic_sent),
    .want_o          (want),
    .want_rcb_o      (want_rcb),
    .choose_o        (choose),
    .issue_o         (issue),
    .issue_traffic_o (issue_traffic),
    .tag_free_i      (tag_free),
    .tag_i           (tag),
    .room_i          (room),
    .req_valid_o     (src_valid[Reader]),
    .req_ready_i     (src_ready[Reader]),
    .req_hdr_o       (src_hdr[Reader])
  );
  assign src_sop[Reader]  = 1'b1;
  assign src_eop[Reader]  = 1'b1;
  assign src_data[Reader] = '0;

  vk_tags #(.CplHeaders(CplHeaders), .CplData(CplData), .TimeoutTicks(TimeoutTicks)) u_tags (
    .clk_i            (rd_clk), .rst_ni, .fault_i, .tick_i, .ext_tag_i, .bdf_i, .clear_i,
    .abort_i          (rd_abort_i),
    .used_o           (tags_used),
    .outstanding_o,
    .request_i        (want),
    .rcb_i            (want_rcb),
    .choose_i         (choose),
    .issue_i          (issue),
    .issue_traffic_i  (issue_traffic),
    .free_o           (tag_free),
    .tag_o            (tag),
    .room_o           (room),
    .beat_i           (beat),
    .first_i          (first),
    .hdr_i            (cpl_hdr),
    .verdict_o        (verdict),
    .release_i        (freed),
    .release_blocks_i (freed_blocks),
    .release_rcb_i    (freed_rcb)
  );

  logic         cpl_write, mem_write;
  logic  [31:0] cpl_waddr, cpl_wbe;
  logic [255:0] cpl_wdata;

  vk_receiver u_receiver (
    .clk_i            (rd_clk), .rst_ni, .clear_i,
    .abort_i          (rd_abort_i),
    .rc_valid_i, .rc_ready_o, .rc_sop_i, .rc_eop_i, .rc_hdr_i, .rc_data_i,
    .beat_o           (beat),
    .first_o          (first),
    .hdr_o            (cpl_hdr),
    .verdict_i        (verdict),
    .release_o        (freed),
    .release_blocks_o (freed_blocks),
    .release_rcb_o    (freed_rcb),
    .end_o            (rd_end),
    .error_o          (rd_error),
    .slot_o           (rd_slot),
    .code_o           (rd_error_code),
    .cpl_ok_o, .cpl_error_o, .cpl_timeout_o,
    .want_write_i     (mem_write_i),
    .granted_i        (mem_wready_o),
    .write_o          (cpl_write),
    .waddr_o          (cpl_waddr),
    .wbe_o            (cpl_wbe),
    .wdata_o          (cpl_wdata)
  );

  // Store to host.
  logic                wr_request, wr_take, wr_end, wr_drain, wr_read, wr_read_ready;
  dma_request_t        wr_cut;
  logic [SlotBits-1:0] wr_slot;
  logic         [31:0] wr_raddr;
  logic        [255:0] store_rdata;

  vk_channel #(.StoreBytes(StoreBytes)) u_wr_channel (
    .clk_i           (wr_clk), .rst_ni, .clear_i, .fill_i,
    .abort_i         (wr_abort_i),
    .hold_i          (wr_drain),
    .limit_i         (mps_i),
    .idle_o          (wr_idle),
    .valid_i         (wr_valid_i),
    .ready_o         (wr_ready_o),
    .host_i          (wr_host_i),
    .store_i         (wr_store_i),
    .bytes_i         (wr_bytes_i),
    .done_o          (wr_done_o),
    .code_o          (wr_code_o),
    .request_valid_o (wr_request),
    .request_take_i  (wr_take),
    .request_o       (wr_cut),
    .end_i           (wr_end),
    .error_i         (1'b0),
    .slot_i          (wr_slot),
    .error_code_i    (DmaOk)
  );

  vk_writer u_writer (
    .clk_i           (wr_clk), .rst_ni, .clear_i, .bdf_i,
    .abort_i         (wr_abort_i),
    .idle_o          (writer_idle),
    .drain_o         (wr_drain),
    .request_valid_i (wr_request),
    .request_take_o  (wr_take),
    .request_i       (wr_cut),
    .end_o           (wr_end),
    .slot_o          (wr_slot),
    .read_o          (wr_read),
    .read_ready_i    (wr_read_ready),
    .raddr_o         (wr_raddr),
    .rdata_i         (store_rdata),
    .req_valid_o     (src_valid[Writer]),
    .req_ready_i     (src_ready[Writer]),
    .req_sop_o       (src_sop[Writer]),
    .req_eop_o       (src_eop[Writer]),
    .req_hdr_o       (src_hdr[Writer]),
    .req_data_o      (src_data[Writer])
  );

  // The store. Completions go before the host, which gets a clock of theirs when it waits; the soft core goes
  // before the writer.
  logic       core_read;
  logic [1:0] core_read_q;

  assign mem_wready_o  = mem_write_i && !cpl_write;
  assign mem_write     = mem_wready_o && mem_waddr_i < StoreBytes;
  assign core_read     = mem_read_i && core_read_q == '0;
  assign wr_read_ready = !core_read;
  assign mem_rvalid_o  = core_read_q[1];
  assign mem_rdata_o   = store_rdata[31:0];

  always_ff @(posedge clk) begin
    if (!rst_ni) core_read_q <= '0;
    else         core_read_q <= {core_read_q[0], core_read};
  end

  vk_store #(.Bytes(StoreBytes)) u_store (
    .clk_i   (store_clk),
    .write_i (cpl_write || mem_write),
    .waddr_i (cpl_write ? cpl_waddr : mem_waddr_i),
    .wbe_i   (cpl_write ? cpl_wbe : {28'd0, mem_wbe_i}),
    .wdata_i (cpl_write ? cpl_wdata : {224'd0, mem_wdata_i}),
    .read_i  (wr_read || core_read),
    .raddr_i (core_read ? mem_raddr_i : wr_raddr),
    .rdata_o (store_rdata)
  );

endmodule
