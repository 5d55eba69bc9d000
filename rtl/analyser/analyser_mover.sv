// SPDX-License-Identifier: Apache-2.0
// Reads the record memory for the firmware: streams a run of records as bytes, one each clock that the
// client takes one, and fetches single records for the self-test to look at. The firmware never touches the
// bytes of a block.
module analyser_mover #(
  parameter int unsigned RING_RECORDS = 65536,
  localparam int unsigned AddrBits = $clog2(RING_RECORDS)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [AddrBits-1:0] oldest_i,  // address of record 0
  input  logic                start_i,   // pulse: send count_i records from first_i on
  input  logic         [31:0] first_i,
  input  logic         [31:0] count_i,
  output logic                busy_o,
  input  logic                peek_i,    // pulse, not while busy: fetch record peek_index_i
  input  logic         [31:0] peek_index_i,
  output logic                read_o,
  output logic [AddrBits-1:0] addr_o,
  input  logic        [255:0] record_i,
  output logic                valid_o,   // byte stream
  output logic          [7:0] byte_o,
  input  logic                ready_i
);
  logic [AddrBits-1:0] addr_q;
  logic [AddrBits:0] left_q;             // records not yet fetched from the memory
  logic fetch_q, fetched_q;              // read under way; record_i holds the next record
  logic [255:0] shift_q;
  logic [5:0] bytes_q;                   // left in shift_q
  logic take, load;

  assign read_o  = fetch_q;
  assign addr_o  = addr_q;
  assign valid_o = bytes_q != '0;
  assign byte_o  = shift_q[7:0];
  assign take    = valid_o & ready_i;
  assign load    = fetched_q & (left_q != '0) & (bytes_q == '0 || (take && bytes_q == 6'd1));
  assign busy_o  = (left_q != '0) | valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      addr_q    <= '0;
      left_q    <= '0;
      fetch_q   <= 1'b0;
      fetched_q <= 1'b0;
      bytes_q   <= '0;
    end else begin
      fetch_q <= 1'b0;
      if (fetch_q) fetched_q <= 1'b1;
      if (take) bytes_q <= bytes_q - 6'd1;
      if (load) begin
        bytes_q   <= 6'd32;
        left_q    <= left_q - 1'b1;
        addr_q    <= addr_q + 1'b1;
        fetched_q <= 1'b0;
        fetch_q   <= 1'b1;
      end
      if (!busy_o && (start_i || peek_i)) begin
        addr_q    <= oldest_i + (start_i ? first_i[AddrBits-1:0] : peek_index_i[AddrBits-1:0]);
        left_q    <= start_i ? count_i[AddrBits:0] : '0;
        fetch_q   <= 1'b1;
        fetched_q <= 1'b0;
      end
    end
    if (load) shift_q <= record_i;
    else if (take) shift_q <= {8'd0, shift_q[255:8]};
  end

  logic unused;
  assign unused = ^{first_i[31:AddrBits], count_i[31:AddrBits+1], peek_index_i[31:AddrBits]};
endmodule
