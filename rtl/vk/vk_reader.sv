// SPDX-License-Identifier: Apache-2.0
// Sends read requests: the descriptors', cut by their channel, and the lab traffic's in turn. A read waits
// here until it has a tag and completion credits.
module vk_reader
  import vk_pkg::*;
  import vk_dma_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic         abort_i,
  input  logic  [15:0] bdf_i,
  input  logic         rcb_i,
  output logic         idle_o,

  input  logic         request_valid_i,  // from the channel
  output logic         request_take_o,
  input  dma_request_t request_i,

  input  logic         traffic_valid_i,  // one read; may be withdrawn
  input  logic  [63:0] traffic_host_i,
  input  logic  [12:0] traffic_bytes_i,
  output logic         traffic_sent_o,

  output dma_request_t want_o,           // to the tag table
  output logic         want_rcb_o,
  output logic         choose_o,
  output logic         issue_o,
  output logic         issue_traffic_o,
  input  logic         tag_free_i,
  input  logic   [7:0] tag_i,
  input  logic         room_i,

  output logic         req_valid_o,      // one beat
  input  logic         req_ready_i,
  output logic [127:0] req_hdr_o
);

  logic         waiting_q, traffic_q, fits_q, rcb_q, sent, drop, load, load_traffic;
  dma_request_t want_q;

  assign drop           = clear_i || (traffic_q ? !traffic_valid_i : abort_i);
  assign sent           = req_valid_o && req_ready_i;
  assign load           = !waiting_q || sent;
  assign load_traffic   = traffic_valid_i && !(traffic_q && (sent || request_valid_i));
  assign request_take_o = load && !load_traffic;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      waiting_q <= 1'b0;
      traffic_q <= 1'b0;
      fits_q    <= 1'b0;
      rcb_q     <= 1'b0;
      want_q    <= '0;
    end else begin
      // Room is looked for in the clock before: it only grows, except when a read starts.
      fits_q <= waiting_q && !sent && tag_free_i && room_i;
      if (load) begin
        rcb_q     <= rcb_i;
        waiting_q <= load_traffic || request_valid_i;
        if (load_traffic) begin
          want_q    <= '{host: traffic_host_i, store: '0, bytes: traffic_bytes_i, slot: '0};
          traffic_q <= 1'b1;
        end else if (request_valid_i) begin
          want_q    <= request_i;
          traffic_q <= 1'b0;
        end
      end else if (drop) begin
        waiting_q <= 1'b0;
      end
      if (clear_i) waiting_q <= 1'b0;
    end
  end

  assign idle_o          = !waiting_q;
  assign want_o          = want_q;
  assign want_rcb_o      = rcb_q;
  assign req_valid_o     = waiting_q && fits_q && tag_free_i && !drop;
  assign req_hdr_o       = memory_header(1'b0, want_q.host, want_q.bytes, bdf_i, tag_i);
  assign choose_o        = !fits_q;
  assign issue_o         = sent;
  assign issue_traffic_o = traffic_q;
  assign traffic_sent_o  = sent && traffic_q;

endmodule
