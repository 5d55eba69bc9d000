// SPDX-License-Identifier: Apache-2.0
// The card's memory: writes and reads 32 bytes at any byte address in every clock. Even and odd rows lie in
// two banks, so that a window which straddles two rows finds each in its own bank. Addresses wrap at the end.
module vk_store #(
  parameter int unsigned Bytes = 1 << 20  // power of two
) (
  input  logic         clk_i,
  input  logic         write_i,
  input  logic  [31:0] waddr_i,   // of byte 0
  input  logic  [31:0] wbe_i,
  input  logic [255:0] wdata_i,
  input  logic         read_i,
  input  logic  [31:0] raddr_i,
  output logic [255:0] rdata_o    // two clocks later
);

  localparam int unsigned Rows    = Bytes / 64;  // in each bank
  localparam int unsigned RowBits = $clog2(Rows);

  // A window's low part lies in row addr / 32, its high part in the next: the even bank has the high part if
  // the first row is odd.
  logic               write_q;
  logic        [31:0] waddr_q;
  logic        [63:0] wbe_q;     // of the low and the high row
  logic       [255:0] wdata_q;   // rotated: every byte in its place in the row, whichever that is
  logic [RowBits-1:0] wrow, wrow_next, rrow, rrow_next;
  logic       [255:0] even_data, odd_data, low, high, merged;
  logic         [4:0] roffset_q;
  logic               rodd_q;

  always_ff @(posedge clk_i) begin
    write_q <= write_i;
    if (write_i) begin
      waddr_q <= waddr_i;
      wbe_q   <= {32'd0, wbe_i} << waddr_i[4:0];
      wdata_q <= 256'({wdata_i, wdata_i} >> (9'd256 - {1'b0, waddr_i[4:0], 3'b000}));
    end
  end

  assign wrow      = waddr_q[6 +: RowBits];
  assign wrow_next = wrow + RowBits'(waddr_q[5]);
  assign rrow      = raddr_i[6 +: RowBits];
  assign rrow_next = rrow + RowBits'(raddr_i[5]);

  vk_store_bank #(.Rows(Rows)) u_even (
    .clk_i,
    .write_i (write_q),
    .waddr_i (wrow_next),
    .wbe_i   (waddr_q[5] ? wbe_q[63:32] : wbe_q[31:0]),
    .wdata_i (wdata_q),
    .read_i, .raddr_i(rrow_next), .rdata_o(even_data)
  );

  vk_store_bank #(.Rows(Rows)) u_odd (
    .clk_i,
    .write_i (write_q),
    .waddr_i (wrow),
    .wbe_i   (waddr_q[5] ? wbe_q[31:0] : wbe_q[63:32]),
    .wdata_i (wdata_q),
    .read_i, .raddr_i(rrow), .rdata_o(odd_data)
  );

  always_comb begin
    low  = rodd_q ? odd_data : even_data;
    high = rodd_q ? even_data : odd_data;
    for (int i = 0; i < 32; i++) begin
      merged[8*i +: 8] = (5'(i) >= roffset_q) ? low[8*i +: 8] : high[8*i +: 8];
    end
  end

  logic read_q;
  always_ff @(posedge clk_i) begin
    read_q <= read_i;
    if (read_i) begin
      roffset_q <= raddr_i[4:0];
      rodd_q    <= raddr_i[5];
    end
    if (read_q) rdata_o <= 256'({merged, merged} >> {roffset_q, 3'b000});
  end

  logic unused;
  assign unused = ^{waddr_q[31:RowBits+6], waddr_q[4:0], raddr_i[31:RowBits+6]};

endmodule
