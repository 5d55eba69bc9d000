// SPDX-License-Identifier: Apache-2.0
// Completer: takes the host's requests one at a time, turns memory requests into one dword access after the
// other on the BAR bus, and answers what must be answered. Every request ends: posted ones that are not for
// us are dropped, non-posted ones get UR, reads longer than ReadDwords get CA. Decoding of Memory Space
// Enable is the hard IP's.
module vk_completer
  import vk_pkg::*;
#(
  parameter int unsigned ReadDwords = 16  // longest read answered: 64 bytes, a CPU's longest load
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  output logic         busy_o,       // a request is being worked on
  input  logic  [15:0] bdf_i,        // our completer id
  input  logic         offline_i,    // FLR or PERST#: absorb requests, answer reads with UR
  input  logic         hold_bus_i,   // registers are being reset: no access now

  input  logic         cq_valid_i,
  output logic         cq_ready_o,
  input  logic         cq_sop_i,
  input  logic         cq_eop_i,
  input  logic [127:0] cq_hdr_i,
  input  logic   [2:0] cq_bar_i,
  input  logic [255:0] cq_data_i,

  output logic         cc_valid_o,   // one completion, of one or two beats, per request
  input  logic         cc_ready_i,
  output logic         cc_sop_o,
  output logic         cc_eop_o,
  output logic [127:0] cc_hdr_o,
  output logic [255:0] cc_data_o,

  output logic         bus_req_o,    // one clock per access; answered by bus_ack_i in a later one
  output logic         bus_write_o,
  output logic   [2:0] bus_bar_o,
  output logic [OffsetBits-1:0] bus_offset_o,
  output logic   [3:0] bus_be_o,
  output logic  [31:0] bus_wdata_o,
  input  logic         bus_ack_i,
  input  logic  [31:0] bus_rdata_i
);

  typedef enum logic [2:0] {
    Idle,      // next beat should be the first of a request; others are what is left of a dropped one
    Access,    // one dword
    Ack,
    NextBeat,  // more payload of a write
    Complete,
    CompleteRest
  } state_e;

  state_e       state_q;
  logic         write_q, more_q, locked_q;
  logic   [2:0] bar_q, status_q;
  logic [OffsetBits-1:0] offset_q;  // of the dword under way
  logic  [10:0] left_q;         // dwords, with the one under way
  logic   [3:0] lane_q;         // dword in the beat (write) or in the answer (read)
  logic   [3:0] be_q, last_be_q;
  logic [15:0][31:0] data_q;    // write: lane 0 is next; read: lane n is dword n

  // What the completion copies from the request.
  logic  [31:0] dw0_q;
  logic  [15:0] requester_q;
  logic   [7:0] tag_q;
  logic  [11:0] byte_count_q;
  logic   [6:0] lower_addr_q;

  // The request on the stream.
  req_kind_e    kind;
  logic  [10:0] length;
  logic   [3:0] first_be, last_be;
  logic [OffsetBits-1:0] offset;
  logic         bar_ok, is_mem_read;

  assign kind        = req_kind(cq_hdr_i[31], cq_hdr_i[30], cq_hdr_i[28:24]);
  assign length      = req_length(cq_hdr_i[9:0]);
  assign first_be    = cq_hdr_i[35:32];
  assign last_be     = cq_hdr_i[39:36];
  assign offset      = req_offset(cq_bar_i, cq_hdr_i[29], cq_hdr_i[84:64], cq_hdr_i[116:96]);
  assign bar_ok      = cq_bar_i == 3'd0 || cq_bar_i == 3'd2 || cq_bar_i == 3'd4;
  assign is_mem_read = !cq_hdr_i[30] && (cq_hdr_i[28:24] == TypeMem || cq_hdr_i[28:24] == TypeMemLk);

  assign cq_ready_o = state_q == Idle || state_q == NextBeat;
  assign busy_o     = state_q != Idle;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q      <= Idle;
      write_q      <= 1'b0;
      more_q       <= 1'b0;
      locked_q     <= 1'b0;
      bar_q        <= '0;
      status_q     <= CplSc;
      offset_q     <= '0;
      left_q       <= '0;
      lane_q       <= '0;
      be_q         <= '0;
      last_be_q    <= '0;
      data_q       <= '0;
      dw0_q        <= '0;
      requester_q  <= '0;
      tag_q        <= '0;
      byte_count_q <= '0;
      lower_addr_q <= '0;
    end else begin
      case (state_q)
        Access: begin
          if (offline_i) begin
            status_q <= CplUr;
            state_q  <= write_q ? Idle : Complete;
          end else if (!hold_bus_i) begin
            state_q <= Ack;
          end
        end
        Ack: begin
          if (bus_ack_i) begin
            if (write_q) data_q         <= data_q >> 32;
            else         data_q[lane_q] <= bus_rdata_i;
            offset_q <= next_offset(bar_q, offset_q);
            left_q   <= left_q - 1'b1;
            lane_q   <= lane_q + 1'b1;
            be_q     <= (left_q == 11'd2) ? last_be_q : 4'hf;
            if (left_q == 11'd1)                state_q <= write_q ? Idle : Complete;
            else if (write_q && lane_q == 4'd7) state_q <= more_q ? NextBeat : Idle;  // Idle: cut short
            else                                state_q <= Access;
          end
        end
        Complete:     if (cc_ready_i) state_q <= cc_eop_o ? Idle : CompleteRest;
        CompleteRest: if (cc_ready_i) state_q <= Idle;
        default: begin  // Idle, NextBeat; a first beat in NextBeat means that the link lost the rest
          if (cq_valid_i && cq_sop_i) begin
            state_q      <= Idle;
            write_q      <= kind == ReqWrite;
            more_q       <= !cq_eop_i;
            locked_q     <= cq_hdr_i[28:24] == TypeMemLk;
            bar_q        <= cq_bar_i;
            status_q     <= CplSc;
            offset_q     <= offset;
            left_q       <= length;
            lane_q       <= '0;
            be_q         <= first_be;
            last_be_q    <= last_be;
            data_q       <= (kind == ReqWrite) ? {256'd0, cq_data_i} : '0;
            dw0_q        <= cq_hdr_i[31:0];
            requester_q  <= cq_hdr_i[63:48];
            tag_q        <= cq_hdr_i[47:40];
            byte_count_q <= is_mem_read ? read_byte_count(length, first_be, last_be) : 12'd4;
            lower_addr_q <= is_mem_read ? {offset[6:2], be_first(first_be)} : '0;
            case (kind)
              ReqWrite: if (bar_ok && !offline_i && !cq_hdr_i[14]) state_q <= Access;  // poisoned: dropped
              ReqRead: begin
                if (!bar_ok || offline_i) begin
                  status_q <= CplUr;
                  state_q  <= Complete;
                end else if (length > 11'(ReadDwords)) begin
                  status_q <= CplCa;
                  state_q  <= Complete;
                end else begin
                  state_q <= Access;
                end
              end
              ReqUnsupported: begin
                status_q <= CplUr;
                state_q  <= Complete;
              end
              default: ;
            endcase
          end else if (cq_valid_i && state_q == NextBeat) begin
            data_q  <= {256'd0, cq_data_i};
            lane_q  <= '0;
            more_q  <= !cq_eop_i;
            state_q <= Access;
          end
        end
      endcase
    end
  end

  // Not masked with offline_i, to keep the address decode behind registers only: an access in the one clock
  // between going off line and the reset's hold_bus_i is wiped out by that reset, and its answer is ignored.
  assign bus_req_o    = state_q == Access && !hold_bus_i;
  assign bus_write_o  = write_q;
  assign bus_bar_o    = bar_q;
  assign bus_offset_o = offset_q;
  assign bus_be_o     = be_q;
  assign bus_wdata_o  = data_q[0];

  logic with_data;
  assign with_data  = status_q == CplSc;
  assign cc_valid_o = state_q == Complete || state_q == CompleteRest;
  assign cc_sop_o   = state_q == Complete;
  assign cc_eop_o   = state_q == CompleteRest || !with_data || dw0_q[9:0] <= 10'd8;
  assign cc_data_o  = !with_data ? '0 : (state_q == CompleteRest) ? data_q[15:8] : data_q[7:0];

  always_comb begin
    cc_hdr_o         = '0;
    cc_hdr_o[31:29]  = {1'b0, with_data, 1'b0};
    cc_hdr_o[28:24]  = locked_q ? TypeCplLk : TypeCpl;
    cc_hdr_o[23:19]  = dw0_q[23:19];  // tag bit 9, traffic class, tag bit 8
    cc_hdr_o[18]     = dw0_q[18];     // attributes: ID-based ordering,
    cc_hdr_o[13:12]  = dw0_q[13:12];  // relaxed ordering, no snoop
    cc_hdr_o[9:0]    = with_data ? dw0_q[9:0] : '0;
    cc_hdr_o[63:48]  = bdf_i;
    cc_hdr_o[47:45]  = status_q;
    cc_hdr_o[43:32]  = byte_count_q;
    cc_hdr_o[95:80]  = requester_q;
    cc_hdr_o[79:72]  = tag_q;
    cc_hdr_o[70:64]  = lower_addr_q;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(state_q == Ack && bus_req_o)) else $error("access before the answer to the last");
      if (cc_valid_o && with_data) assert (dw0_q[9:0] != '0 && dw0_q[9:0] <= 10'(ReadDwords))
        else $error("completion longer than a read may be");
    end
  end
`endif

  logic unused;
  assign unused = ^{cq_hdr_i[127:117], cq_hdr_i[97:96], cq_hdr_i[95:85], cq_hdr_i[65:64],
                    dw0_q[31:24], dw0_q[17:14], dw0_q[11:10]};

endmodule
