// SPDX-License-Identifier: Apache-2.0
// Joins request streams, TLP by TLP and in turn. A first beat that stands keeps its place until it is
// accepted, withdrawn by its source, or stop_i holds all first beats back.
module vk_arbiter #(
  parameter int unsigned Sources = 3
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         stop_i,                 // no TLP starts

  input  logic         valid_i [Sources],
  output logic         ready_o [Sources],
  input  logic         sop_i   [Sources],
  input  logic         eop_i   [Sources],
  input  logic [127:0] hdr_i   [Sources],
  input  logic [255:0] data_i  [Sources],

  output logic         valid_o,
  input  logic         ready_i,
  output logic         sop_o,
  output logic         eop_o,
  output logic [127:0] hdr_o,
  output logic [255:0] data_o,
  output logic         idle_o                  // not within a TLP
);

  localparam int unsigned Bits = $clog2(Sources);

  logic            in_tlp_q, stands_q;
  logic [Bits-1:0] owner_q, owner, candidate;

  // The last candidate that is valid wins: the one right behind the last owner.
  always_comb begin
    owner     = owner_q;
    candidate = owner_q;
    if (!in_tlp_q && !(stands_q && valid_i[owner_q])) begin
      for (int i = 0; i < Sources; i++) begin
        if (valid_i[candidate]) owner = candidate;
        candidate = (candidate == '0) ? Bits'(Sources - 1) : candidate - 1'b1;
      end
    end
  end

  assign valid_o = valid_i[owner] && (in_tlp_q || !stop_i);
  assign sop_o   = sop_i[owner];
  assign eop_o   = eop_i[owner];
  assign hdr_o   = hdr_i[owner];
  assign data_o  = data_i[owner];
  assign idle_o  = !in_tlp_q;

  always_comb begin
    for (int i = 0; i < Sources; i++) begin
      ready_o[i] = ready_i && owner == Bits'(i) && (in_tlp_q || !stop_i);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_tlp_q <= 1'b0;
      stands_q <= 1'b0;
      owner_q  <= '0;
    end else begin
      stands_q <= valid_o && !ready_i;
      if (valid_o) owner_q <= owner;
      if (valid_o && ready_i) in_tlp_q <= !eop_o;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && valid_o) assert (sop_o == !in_tlp_q) else $error("a source cut or merged a TLP");
  end
`endif

endmodule
