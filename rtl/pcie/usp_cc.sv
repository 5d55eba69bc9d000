// SPDX-License-Identifier: Apache-2.0
// cc stream of the core -> completer completions of the hard IP (PG213, 256 bit, DWORD aligned): the header
// becomes a descriptor of three dwords. The hard IP puts in bus and device number itself.
module usp_cc (
  input  logic         clk_i,
  input  logic         rst_ni,

  input  logic         cc_valid_i,
  output logic         cc_ready_o,
  input  logic         cc_sop_i,
  input  logic         cc_eop_i,
  input  logic [127:0] cc_hdr_i,
  input  logic [255:0] cc_data_i,

  output logic         m_valid_o,
  input  logic         m_ready_i,
  output logic         m_last_o,
  output logic   [7:0] m_keep_o,
  output logic  [32:0] m_user_o,
  output logic [255:0] m_data_o
);

  logic [95:0] desc;
  logic [10:0] length;
  assign length = cc_hdr_i[30] ? vk_pkg::req_length(cc_hdr_i[9:0]) : '0;

  always_comb begin
    desc         = '0;
    desc[6:0]    = cc_hdr_i[70:64];                                // lower address
    desc[9:8]    = cc_hdr_i[11:10];                                // address type
    desc[28:16]  = {cc_hdr_i[43:32] == '0, cc_hdr_i[43:32]};       // byte count; 0 means 4096
    desc[29]     = cc_hdr_i[28:24] == vk_pkg::TypeCplLk;
    desc[42:32]  = length;
    desc[45:43]  = cc_hdr_i[47:45];                                // status
    desc[46]     = cc_hdr_i[14];                                   // poisoned
    desc[63:48]  = cc_hdr_i[95:80];                                // requester
    desc[71:64]  = cc_hdr_i[79:72];                                // tag
    desc[87:72]  = cc_hdr_i[63:48];                                // completer
    desc[91:89]  = cc_hdr_i[22:20];                                // traffic class
    desc[94:92]  = {cc_hdr_i[18], cc_hdr_i[13:12]};                // attributes
  end

  logic         valid, ready, last, unused_user;
  logic   [7:0] keep;
  logic [255:0] data;

  usp_prepend #(.Dwords(3)) u_prepend (
    .clk_i, .rst_ni,
    .in_valid_i  (cc_valid_i),
    .in_ready_o  (cc_ready_o),
    .in_sop_i    (cc_sop_i),
    .in_eop_i    (cc_eop_i),
    .in_desc_i   (desc),
    .in_length_i (length),
    .in_user_i   (1'b0),
    .in_data_i   (cc_data_i),
    .out_valid_o (valid),
    .out_ready_i (ready),
    .out_last_o  (last),
    .out_keep_o  (keep),
    .out_user_o  (unused_user),
    .out_data_o  (data)
  );

  usp_slice #(.Width(265)) u_slice (
    .clk_i, .rst_ni,
    .in_valid_i  (valid),
    .in_ready_o  (ready),
    .in_data_i   ({last, keep, data}),
    .out_valid_o (m_valid_o),
    .out_ready_i (m_ready_i),
    .out_data_o  ({m_last_o, m_keep_o, m_data_o})
  );

  assign m_user_o = '0;  // nothing is discontinued; parity is not used

  logic unused;
  assign unused = ^{unused_user, cc_hdr_i[127:96], cc_hdr_i[71], cc_hdr_i[44], cc_hdr_i[31], cc_hdr_i[29],
                    cc_hdr_i[23], cc_hdr_i[19], cc_hdr_i[17:15]};

endmodule
