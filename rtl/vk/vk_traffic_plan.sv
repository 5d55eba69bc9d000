// SPDX-License-Identifier: Apache-2.0
// Decides address and length of the lab traffic's next TLP while the present one is still being sent. It walks
// the buffer in steps of the length asked for, shortens a TLP that would cross a 4 KiB boundary and starts
// again at the base when less than a whole length is left.
module vk_traffic_plan
  import vk_faults_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [31:0] fault_i,
  input  logic        restart_i,   // back to the buffer's base
  input  logic        run_i,       // plans are made only while the engine may run
  input  logic [63:0] base_i,      // 8-byte aligned
  input  logic [31:0] size_i,      // bytes
  input  logic  [8:0] limit_i,     // bytes per TLP, 8 to 256, a multiple of 8
  input  logic        take_i,      // the plan was carried out
  output logic        valid_o,
  output logic        still_o,     // nothing here changes in this clock, unless by restart_i or take_i
  output logic [63:0] addr_o,
  output logic  [8:0] bytes_o
);

  typedef enum logic [1:0] {Add, Fit, Valid} state_e;

  state_e      state_q;
  logic [31:0] offset_q, left_q;
  logic  [8:0] limit_q;
  logic [12:0] to_boundary;

  assign valid_o     = state_q == Valid;
  assign still_o     = state_q == (run_i ? Valid : Add) && limit_q == limit_i;
  assign to_boundary = faulty(fault_i, CROSS_4K) ? '1 : 13'h1000 - {1'b0, addr_o[11:0]};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= Add;
      offset_q <= '0;
      left_q   <= '0;
      limit_q  <= '0;
      addr_o   <= '0;
      bytes_o  <= '0;
    end else begin
      limit_q <= limit_i;
      case (state_q)
        Add: begin
          addr_o <= base_i + {32'd0, offset_q};
          left_q <= size_i - offset_q;
          if (run_i) state_q <= Fit;
        end
        Fit: begin
          state_q <= Add;
          bytes_o <= (to_boundary < {4'd0, limit_i}) ? to_boundary[8:0] : limit_i;
          if (left_q >= {23'd0, limit_i}) state_q <= Valid;
          else                            offset_q <= '0;
        end
        default: begin
          if (take_i) begin
            offset_q <= offset_q + {23'd0, bytes_o};
            state_q  <= Add;
          end
        end
      endcase
      // A plan made under other settings, or before a pause, is made again.
      if (!take_i && (!run_i || limit_q != limit_i)) state_q <= Add;
      if (restart_i) begin
        state_q  <= Add;
        offset_q <= '0;
      end
    end
  end

endmodule
