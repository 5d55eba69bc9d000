// SPDX-License-Identifier: Apache-2.0
// The card's life: reset, hold, rebuild, boot, ready. Any reset event in any state starts over. Configuration
// space and link are not touched here. The host still writes zeros after its soft doorbell
// (docs/driver-contract.md): they fall into the hold time and Rebuild wipes them out.
module vk_reset
  import vk_pkg::*;
#(
  parameter int unsigned AddrBits = 11
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                perst_ni,         // synchronous to clk_i
  input  logic                flr_i,            // level: FLR in progress
  input  logic                doorbell_i,       // one clock: reset doorbell accepted
  input  logic                tick_i,           // every 100 us
  input  logic                requests_idle_i,  // no request TLP is on its way out
  input  logic                booted_i,         // the firmware says that the card is ready
  output logic                offline_o,        // FLR or PERST#: requests are absorbed, reads get UR
  output logic                clear_o,          // registers and engines back to reset values
  output logic                zero_o,           // the memories behind the BARs are zeroed at zero_addr_o
  output logic [AddrBits-1:0] zero_addr_o,
  output logic                run_o,            // the soft core runs, the memories behind the BARs are there
  output logic          [3:0] reason_o,         // for FWSTS 31:28
  output logic                flr_done_o,       // level: the FLR may end
  output logic                ready_o,
  output logic                still_o           // nothing changes here without doorbell_i or booted_i
);

  typedef enum logic [2:0] {
    Reset,    // everything cleared; leaves when the cause is gone and the last TLP is out
    Hold,     // registers answer with reset values
    Rebuild,  // what the host wrote in Hold is cleared
    Zero,     // memories
    Boot,     // by the firmware
    Ready
  } state_e;

  localparam logic [2:0] ResetClocks = 3'd4;  // long enough for the engines to see clear_o
  localparam logic [2:0] HoldTicks   = 3'd6;  // first tick comes at once at worst: at least 500 us

  state_e              state_q;
  logic          [2:0] count_q;
  logic [AddrBits-1:0] addr_q;
  logic          [3:0] reason_q;

  assign offline_o   = flr_i || !perst_ni;
  assign clear_o     = state_q == Reset || state_q == Rebuild;
  assign zero_o      = state_q == Zero;
  assign zero_addr_o = addr_q;
  assign run_o       = state_q == Boot || state_q == Ready;
  assign reason_o    = reason_q;
  assign ready_o     = state_q == Ready;
  assign still_o     = offline_o ? state_q == Reset && count_q == '0 &&
                                   reason_q == (!perst_ni ? ReasonPower : ReasonFlr)
                                 : run_o;
  assign flr_done_o  = flr_i && state_q == Reset && count_q == '0 && requests_idle_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= Reset;
      count_q  <= ResetClocks;
      addr_q   <= '0;
      reason_q <= ReasonPower;
    end else begin
      case (state_q)
        Reset: begin
          if (count_q != '0) begin
            count_q <= count_q - 1'b1;
          end else if (!offline_o && requests_idle_i) begin
            state_q <= Hold;
            count_q <= HoldTicks;
          end
        end
        Hold: begin
          if (count_q == '0) state_q <= Rebuild;
          else if (tick_i) count_q <= count_q - 1'b1;
        end
        Rebuild: begin
          state_q <= Zero;
          addr_q  <= '0;
        end
        Zero: begin
          addr_q <= addr_q + 1'b1;
          if (addr_q == '1) state_q <= Boot;
        end
        Boot:    if (booted_i) state_q <= Ready;
        default: state_q <= Ready;
      endcase

      // A doorbell that arrives while the function is off line is a write that was absorbed.
      if (!perst_ni || flr_i || doorbell_i) begin
        state_q <= Reset;
        if (state_q != Reset || doorbell_i) count_q <= ResetClocks;
        if (!perst_ni)  reason_q <= ReasonPower;
        else if (flr_i) reason_q <= ReasonFlr;
        else            reason_q <= ReasonDoorbell;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) assert (!(run_o && clear_o)) else $error("the soft core runs while all is cleared");
  end
`endif

endmodule
