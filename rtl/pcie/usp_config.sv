// SPDX-License-Identifier: Apache-2.0
// Reads Device Control over the hard IP's configuration port, again and again: Extended Tag Enable has no
// sideband of its own.
module usp_config #(
  parameter logic [11:0] PcieCapability = 12'h070  // where the hard IP has its PCI Express capability
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic  [9:0] cfg_mgmt_addr_o,
  output logic        cfg_mgmt_read_o,
  input  logic [31:0] cfg_mgmt_read_data_i,
  input  logic        cfg_mgmt_read_write_done_i,
  output logic        ext_tag_o
);

  assign cfg_mgmt_addr_o = PcieCapability[11:2] + 10'd2;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      cfg_mgmt_read_o <= 1'b0;
      ext_tag_o       <= 1'b0;
    end else begin
      cfg_mgmt_read_o <= !cfg_mgmt_read_write_done_i;  // a gap of one clock between reads
      if (cfg_mgmt_read_o && cfg_mgmt_read_write_done_i) ext_tag_o <= cfg_mgmt_read_data_i[8];
    end
  end

  logic unused;
  assign unused = ^{cfg_mgmt_read_data_i[31:9], cfg_mgmt_read_data_i[7:0]};

endmodule
