// SPDX-License-Identifier: Apache-2.0
// Descriptors of one direction: refuses bad ones, cuts good ones into requests and reports each when all its
// requests have ended, in order. After an error the rest of the descriptor is not requested any more.
module vk_channel
  import vk_pkg::*;
  import vk_dma_pkg::*;
#(
  parameter int unsigned StoreBytes = 1 << 20
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                clear_i,     // forget everything
  input  logic                abort_i,     // end all open descriptors with DmaAborted
  input  logic                hold_i,      // accept and report nothing now
  input  logic          [2:0] limit_i,     // of a request: 128 bytes << limit_i
  input  logic                fill_i,      // leave room for a header in the last 256-bit beat
  output logic                idle_o,

  input  logic                valid_i,
  output logic                ready_o,
  input  logic         [63:0] host_i,
  input  logic         [31:0] store_i,
  input  logic         [31:0] bytes_i,
  output logic                done_o,
  output logic          [3:0] code_o,

  output logic                request_valid_o,
  input  logic                request_take_i,
  output dma_request_t        request_o,

  input  logic                end_i,       // a request has ended,
  input  logic                error_i,     // or something went wrong with one
  input  logic [SlotBits-1:0] slot_i,
  input  dma_result_e         error_code_i
);

  typedef enum logic [1:0] {Idle, Cut, Offer} state_e;

  // Open descriptors: slots head to tail - 1.
  logic [SlotBits:0] head_q, tail_q, open;
  logic  [Slots-1:0] cut_q;                // all its requests are out
  logic        [9:0] count_q [Slots];      // requests that have not ended
  dma_result_e       code_q [Slots];

  // The one being cut and the next.
  state_e              state_q;
  dma_request_t        request_q;          // bytes: of this request
  logic         [31:0] left_q;
  logic                next_valid_q;
  logic         [63:0] next_host_q;
  logic         [31:0] next_store_q, next_bytes_q;
  logic [SlotBits-1:0] next_slot_q;

  logic                accept, bad, take, stop, report_head, done_q;
  logic         [64:0] host_end;
  logic         [32:0] store_end;
  logic [SlotBits-1:0] head, tail;

  assign head      = head_q[SlotBits-1:0];
  assign tail      = tail_q[SlotBits-1:0];
  assign open      = tail_q - head_q;
  assign ready_o   = !next_valid_q && !open[SlotBits] && !hold_i && !abort_i && !clear_i;
  assign accept    = valid_i && ready_o;
  assign host_end  = {1'b0, host_i} + 65'(bytes_i);
  assign store_end = {1'b0, store_i} + {1'b0, bytes_i};
  assign bad       = bytes_i == '0 || store_end > 33'(StoreBytes) ||
                     (host_end[64] && host_end[63:0] != '0);

  assign request_valid_o = state_q == Offer && !abort_i && !clear_i;
  assign request_o       = request_q;
  assign take            = request_valid_o && request_take_i;
  assign stop            = state_q == Cut && code_q[request_q.slot] != DmaOk;
  assign report_head     = open != '0 && cut_q[head] && count_q[head] == '0 &&
                           !hold_i && !abort_i && !clear_i;
  assign done_o          = done_q && !clear_i;
  assign idle_o          = open == '0 && !done_q;

  // Where to cut: at multiples of the limit. Filling, 16 bytes less than the limit, which is what the hard
  // IP's descriptor takes of the first beat; a whole page begins with a full one, since a limit of 256 then
  // leaves no short rest (256 + 16 * 240 = 4096).
  logic [12:0] limit, to_limit, to_page, room, bytes;
  assign limit    = 13'd128 << ((limit_i > 3'd5) ? 3'd5 : limit_i);
  assign to_limit = limit - (13'(request_q.host[11:0]) & (limit - 13'd1));
  assign to_page  = 13'd4096 - 13'(request_q.host[11:0]);
  always_comb begin
    room  = (left_q < 32'(to_page)) ? left_q[12:0] : to_page;
    bytes = (left_q < 32'(to_limit)) ? left_q[12:0] : to_limit;
    if (fill_i && limit_i < 3'd2) begin
      if (room + 13'(request_q.host[1:0]) <= limit) bytes = room;
      else if (request_q.host[11:0] == '0)          bytes = limit;
      else                                          bytes = limit - 13'd16 - 13'(request_q.host[1:0]);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q      <= Idle;
      next_valid_q <= 1'b0;
      request_q    <= '0;
      left_q       <= '0;
      next_host_q  <= '0;
      next_store_q <= '0;
      next_bytes_q <= '0;
      next_slot_q  <= '0;
    end else begin
      if (accept && !bad) begin
        next_valid_q <= 1'b1;
        next_host_q  <= host_i;
        next_store_q <= store_i;
        next_bytes_q <= bytes_i;
        next_slot_q  <= tail;
      end
      case (state_q)
        Cut: begin
          request_q.bytes <= bytes;
          state_q         <= stop ? Idle : Offer;
        end
        Offer: if (take) begin
          request_q.host  <= request_q.host + 64'(request_q.bytes);
          request_q.store <= request_q.store + 32'(request_q.bytes);
          left_q          <= left_q - 32'(request_q.bytes);
          state_q         <= (left_q == 32'(request_q.bytes)) ? Idle : Cut;
        end
        default: if (next_valid_q) begin
          request_q    <= '{host: next_host_q, store: next_store_q, bytes: '0, slot: next_slot_q};
          left_q       <= next_bytes_q;
          next_valid_q <= 1'b0;
          state_q      <= Cut;
        end
      endcase
      if (clear_i || abort_i) begin
        state_q      <= Idle;
        next_valid_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      head_q <= '0;
      tail_q <= '0;
      done_q <= 1'b0;
      code_o <= '0;
      cut_q  <= '0;
      for (int i = 0; i < Slots; i++) begin
        count_q[i] <= '0;
        code_q[i]  <= DmaOk;
      end
    end else begin
      for (int i = 0; i < Slots; i++) begin
        count_q[i] <= count_q[i] + 10'(take && request_q.slot == SlotBits'(i))
                                 - 10'(end_i && slot_i == SlotBits'(i));
      end
      if (error_i && code_q[slot_i] == DmaOk) code_q[slot_i] <= error_code_i;
      if (stop || (take && left_q == 32'(request_q.bytes))) cut_q[request_q.slot] <= 1'b1;
      done_q <= report_head;
      if (report_head) begin
        code_o <= code_q[head];
        head_q <= head_q + 1'b1;
      end
      if (accept) begin
        tail_q        <= tail_q + 1'b1;
        cut_q[tail]   <= bad;
        count_q[tail] <= '0;
        code_q[tail]  <= bad ? DmaBad : DmaOk;
      end
      if (abort_i) begin
        cut_q <= '1;
        for (int i = 0; i < Slots; i++) begin
          count_q[i] <= '0;
          code_q[i]  <= DmaAborted;
        end
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && end_i && !clear_i && !abort_i) begin
      assert (count_q[slot_i] != '0) else $error("a request ended that had not begun");
    end
  end
`endif

endmodule
