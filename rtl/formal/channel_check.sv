// SPDX-License-Identifier: Apache-2.0
// Bound into vk_channel: how descriptors are cut. All is said about one place in the channel (slot) that
// the proof chooses freely and keeps, hence about every descriptor.
module channel_check
  import vk_dma_pkg::*;
#(
  parameter int unsigned StoreBytes = 1 << 20
) (
  input logic                clk_i,
  input logic                rst_ni,
  input logic                clear_i,
  input logic                abort_i,
  input logic          [2:0] limit_i,
  input logic                fill_i,
  input logic                valid_i,
  input logic                ready_i,
  input logic         [63:0] host_i,
  input logic         [31:0] store_i,
  input logic         [31:0] bytes_i,
  input logic                done_i,
  input logic                request_valid_i,
  input logic                request_take_i,
  input dma_request_t        request_i,

  input logic          [1:0] state_i,        // vk_channel's registers
  input dma_request_t        request_q_i,
  input logic         [31:0] left_i,
  input logic                next_valid_i,
  input logic         [63:0] next_host_i,
  input logic         [31:0] next_store_i,
  input logic         [31:0] next_bytes_i,
  input logic [SlotBits-1:0] next_slot_i,
  input logic   [SlotBits:0] head_i,
  input logic   [SlotBits:0] tail_i,
  input logic    [Slots-1:0] cut_i
);

  logic started_q = 1'b0;
  logic [SlotBits-1:0] chosen, chosen_q;
  logic [2:0] limit_q;
  logic       fill_q;
  any_value #(.Bits(SlotBits)) u_chosen (.value_o(chosen));

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    chosen_q  <= chosen;
    limit_q   <= limit_i;
    fill_q    <= fill_i;
  end

  // The host does not change Max_Payload_Size or Max_Read_Request_Size while requests are cut; only 0 to 5
  // exist.
  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_chosen:   assume (!started_q || chosen == chosen_q);
    e_limit:    assume (limit_i <= 3'd5 && (!started_q || (limit_i == limit_q && fill_i == fill_q)));
  end

  logic        accept, ours, good_q, open, busy, offered, waiting;
  logic [63:0] host_q;
  logic [31:0] store_q, bytes_q, offset;
  logic [12:0] limit, dwords_end;
  logic [SlotBits:0] count;

  assign accept     = valid_i && ready_i;
  assign limit      = 13'(32'd128 << limit_i);
  assign ours       = request_i.slot == chosen;
  assign offset     = request_i.store - store_q;
  assign dwords_end = 13'((14'(request_i.host[1:0]) + 14'(request_i.bytes) + 14'd3) & 14'h3ffc);
  assign count      = tail_i - head_i;
  assign open       = {1'b0, chosen - head_i[SlotBits-1:0]} < count;
  assign busy       = state_i != 2'd0 && request_q_i.slot == chosen;
  assign offered    = state_i == 2'd2 && busy;
  assign waiting    = next_valid_i && next_slot_i == chosen;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      good_q <= 1'b0;
    end else if (accept && tail_i[SlotBits-1:0] == chosen) begin
      host_q  <= host_i;
      store_q <= store_i;
      bytes_q <= bytes_i;
      good_q  <= bytes_i != '0 && 33'(store_i) + 33'(bytes_i) <= 33'(StoreBytes) &&
                 65'(host_i) + 65'(bytes_i) <= {1'b1, 64'd0};
    end
    if (rst_ni) begin
      p_4k:       assert (!(request_valid_i && ours) || (request_i.bytes != '0 &&
                          14'(request_i.host[11:0]) + 14'(request_i.bytes) <= 14'd4096));
      p_limit:    assert (!(request_valid_i && ours) || dwords_end <= limit);
      p_inside:   assert (!(request_valid_i && ours) || (offset < bytes_q &&
                          33'(offset) + 33'(request_i.bytes) <= 33'(bytes_q) &&
                          request_i.host == host_q + 64'(offset)));
      p_refused:  assert (!(request_valid_i && ours) || good_q);
      p_reported: assert (!(busy || waiting) || (open && !cut_i[chosen]));
      c_4k:       cover (request_valid_i && request_i.host[11:0] == 12'hff9 && request_i.bytes == 13'd7);
      c_limit:    cover (request_valid_i && request_i.bytes == 13'd512 && limit_i == 3'd2);
      c_inside:   cover (request_valid_i && ours && offset == 32'd99 && request_i.bytes == 13'd128);
      c_refused:  cover (done_i && open && !good_q);
      c_reported: cover (done_i && count == '0 && busy == '0 && offset > 32'd100);

      h_open:     assert (count <= (SlotBits + 1)'(Slots));
      h_next:     assert (!waiting || (next_host_i == host_q && next_store_i == store_q &&
                          next_bytes_i == bytes_q && good_q && !busy));
      h_busy:     assert (!busy || (good_q && request_q_i.store >= store_q && left_i != '0 &&
                          33'(request_q_i.store) + 33'(left_i) == 33'(store_q) + 33'(bytes_q) &&
                          request_q_i.host == host_q + 64'(request_q_i.store - store_q)));
      h_offered:  assert (!offered || 32'(request_q_i.bytes) <= left_i);
      h_cut:      assert (!offered || (request_q_i.bytes != '0 && dwords_end <= limit &&
                          14'(request_q_i.host[11:0]) + 14'(request_q_i.bytes) <= 14'd4096));
      h_good:     assert (!good_q || (bytes_q != '0 && 33'(store_q) + 33'(bytes_q) <= 33'(StoreBytes)));
      h_state:    assert (state_i != 2'd3);
    end
  end

endmodule
