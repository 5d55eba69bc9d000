// SPDX-License-Identifier: Apache-2.0
// Reads the record memory for the firmware: streams a run of records as bytes, one each clock that the
// client takes one, and fetches single records for the self-test to look at. The firmware never touches the
// bytes of a block. Records are numbered from the oldest of the first segment on through all segments.
module analyser_mover
  import analyser_pkg::*;
#(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  output logic [SegmentBits-1:0] segment_o,     // look at this one; of it:
  input  logic [AddrBits-1:0] segment_base_i,   // address of its place
  input  logic [AddrBits-1:0] segment_mask_i,   // its size - 1
  input  logic [AddrBits-1:0] segment_oldest_i, // its oldest record, from its base
  input  logic   [AddrBits:0] segment_count_i,  // records in it; 0: no more segments
  input  logic                start_i,          // pulse: send count_i records from first_i on
  input  logic         [31:0] first_i,
  input  logic         [31:0] count_i,
  input  logic                stop_i,           // pulse: send the record that is being sent, and no other
  output logic                busy_o,
  input  logic                peek_i,           // pulse, not while busy: fetch record peek_index_i
  input  logic         [31:0] peek_index_i,
  output logic                seeking_o,        // the record is not there yet
  output logic                read_o,
  output logic [AddrBits-1:0] addr_o,
  input  logic        [255:0] record_i,
  output logic                valid_o,          // byte stream
  output logic          [7:0] byte_o,
  input  logic                ready_i
);
  typedef enum logic [2:0] {
    StRest,   // nothing fetched, or a record for the self-test
    StSeek,   // index_q counts from the start of segment_q, and may lie in a later one
    StPlace,  // it lies in this one
    StRead,
    StHave    // record_i is the next record
  } state_e;

  state_e state_q;
  logic [SegmentBits-1:0] segment_q;
  logic [31:0] index_q;
  logic [AddrBits-1:0] addr_q;
  logic [AddrBits:0] left_q;             // records not yet loaded
  logic [255:0] shift_q;
  logic [5:0] bytes_q;                   // left in shift_q
  logic take, load, in_this, last_of_segment;

  assign segment_o = segment_q;
  assign read_o    = state_q == StRead;
  assign addr_o    = addr_q;
  assign valid_o   = bytes_q != '0;
  assign byte_o    = shift_q[7:0];
  assign take      = valid_o & ready_i;
  assign load      = state_q == StHave && left_q != '0 && (bytes_q == '0 || (take && bytes_q == 6'd1));
  assign seeking_o = state_q == StSeek || state_q == StPlace || state_q == StRead;
  assign busy_o    = left_q != '0 || valid_o || seeking_o;
  assign in_this   = index_q < 32'(segment_count_i);
  assign last_of_segment = index_q + 32'd1 == 32'(segment_count_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= StRest;
      segment_q <= '0;
      index_q   <= '0;
      addr_q    <= '0;
      left_q    <= '0;
      bytes_q   <= '0;
    end else if (busy_o || start_i || peek_i) begin
      case (state_q)
        StSeek: begin
          if (in_this) begin
            state_q <= StPlace;
          end else if (segment_count_i == '0 || &segment_q) begin  // no such record
            state_q <= StRest;
            left_q  <= '0;
          end else begin
            index_q   <= index_q - 32'(segment_count_i);
            segment_q <= segment_q + 1'b1;
          end
        end
        StPlace: begin
          addr_q  <= segment_base_i | ((segment_oldest_i + index_q[AddrBits-1:0]) & segment_mask_i);
          state_q <= StRead;
        end
        StRead: state_q <= left_q == '0 ? StRest : StHave;
        default: ;
      endcase
      if (take) bytes_q <= bytes_q - 6'd1;
      if (load) begin
        bytes_q <= 6'd32;
        left_q  <= left_q - 1'b1;
        index_q <= index_q + 32'd1;
        if (last_of_segment) begin
          index_q   <= '0;
          segment_q <= segment_q + 1'b1;
        end
        state_q <= left_q == (AddrBits + 1)'(1) ? StRest : StSeek;
      end
      if (stop_i) left_q <= '0;
      if (!busy_o) begin
        index_q   <= start_i ? first_i : peek_index_i;
        left_q    <= start_i ? count_i[AddrBits:0] : '0;
        segment_q <= '0;
        state_q   <= StSeek;
      end
    end
    if (load) shift_q <= record_i;
    else if (take) shift_q <= {8'd0, shift_q[255:8]};
  end

  logic unused;
  assign unused = ^count_i[31:AddrBits+1];
endmodule
