// SPDX-License-Identifier: Apache-2.0
// A value that the proof may choose; every proof that uses it cuts it out, so nothing drives it.
module any_value #(
  parameter int unsigned Bits = 8
) (
  output logic [Bits-1:0] value_o
);
endmodule
