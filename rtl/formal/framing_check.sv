// SPDX-License-Identifier: Apache-2.0
// Bound into vk_dma: what its requesters send is whole TLPs, whatever clear, abort, a new buffer and the gate
// do. The channels, the tag table, the receiver and the store are cut out; of the channels it assumes what
// their own proof shows.
module framing_check
  import vk_dma_pkg::*;
(
  input logic         clk_i,
  input logic         rst_ni,
  input logic         clear_i,
  input logic         gate_closed_i,
  input logic         wr_abort_i,
  input logic         req_valid_i,      // the engine's stream
  input logic         req_ready_i,
  input logic         req_sop_i,
  input logic         req_eop_i,
  input logic [127:0] req_hdr_i,
  input logic [255:0] req_data_i,
  input logic   [2:0] src_valid_i,      // those of reader, writer and traffic
  input logic   [2:0] src_ready_i,
  input logic   [2:0] src_sop_i,
  input logic   [2:0] src_eop_i,
  input logic [127:0] src_hdr_i [3],
  input logic [255:0] src_data_i [3],
  input logic         arbiter_in_i,     // vk_arbiter's registers
  input logic   [1:0] arbiter_owner_i,

  input logic         request_valid_i,  // from the channel to vk_writer, and its registers
  input dma_request_t request_i,
  input logic         fetching_i,
  input logic         fetch_sop_i,
  input logic [127:0] fetch_hdr_i,
  input logic  [12:0] fetch_left_i,
  input logic   [1:0] coming_i,
  input logic [131:0] beat0_i,          // {sop, eop, slot, hdr}
  input logic [131:0] beat1_i,
  input logic [131:0] beats_i [8],
  input logic   [3:0] head_i,
  input logic   [3:0] tail_i,
  input logic   [3:0] taken_i,
  input logic         writer_in_i,
  input logic   [1:0] core_read_i,      // the soft core took the store's read port one, two clocks ago

  input logic         traffic_valid_i,  // vk_traffic's registers
  input logic         traffic_read_i,
  input logic         traffic_sop_i,
  input logic  [63:0] traffic_addr_i,
  input logic   [8:0] traffic_bytes_i,
  input logic   [3:0] traffic_left_i,
  input logic   [1:0] plan_state_i,     // and vk_traffic_plan's
  input logic  [31:0] plan_offset_i,
  input logic  [63:0] plan_addr_i,
  input logic   [8:0] plan_bytes_i
);

  localparam int unsigned Traffic = 0, Writer = 1;

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_request:  assume (!request_valid_i || (request_i.bytes != '0 &&
                        14'(request_i.host[11:0]) + 14'(request_i.bytes) <= 14'd4096));  // p_4k
  end

  logic      [2:0] taken, owner_q;
  logic            in;
  logic      [7:0] left;
  logic      [2:0] src_in;
  logic [2:0][7:0] src_left;
  logic    [255:0] taken_data;
  assign taken = src_valid_i & src_ready_i;

  beat_count u_beats (.clk_i, .rst_ni, .beat_i(req_valid_i && req_ready_i), .eop_i(req_eop_i),
                      .hdr_i(req_hdr_i), .in_packet_o(in), .left_o(left));
  for (genvar i = 0; i < 3; i++) begin : gen_source
    beat_count u_beats (.clk_i, .rst_ni, .beat_i(taken[i]), .eop_i(src_eop_i[i]), .hdr_i(src_hdr_i[i]),
                        .in_packet_o(src_in[i]), .left_o(src_left[i]));
  end

  always_comb begin
    taken_data = '0;
    for (int i = 0; i < 3; i++) if (taken[i]) taken_data |= src_data_i[i];
  end

  // vk_writer's beats in their order, from the queue's first to the one that is read from the store next:
  // each is known by how many of its TLP come after it, and goes on where the one before ended.
  logic [7:0] fetch_after, after0_q, after1_q, after_q [8];
  assign fetch_after = 8'((fetch_left_i - 13'd1) >> 5);
  always_ff @(posedge clk_i) begin
    if (coming_i[1]) after_q[tail_i[2:0]] <= after1_q;
    after1_q <= after0_q;
    after0_q <= fetch_after;
  end

  function automatic logic whole(logic [131:0] beat, logic [7:0] after);
    return beat[30] && beat[130] == (after == '0) &&
           (!beat[131] || after == 8'(({beat[9:0] == '0, beat[9:0]} - 11'd1) >> 3));
  endfunction

  logic [3:0]      fill;
  logic            ordered;
  logic      [8:0] due;         // {it goes on with a TLP, beats of it after this one}
  logic      [3:0] here;        // queue, the two on their way, fetch
  logic [3:0][8:0] first, last;
  assign fill  = tail_i - head_i;
  assign here  = {fetching_i, coming_i[0], coming_i[1], fill != '0};
  assign first = {!fetch_sop_i, fetch_after, !beat0_i[131], after0_q, !beat1_i[131], after1_q,
                  !beats_i[head_i[2:0]][131], after_q[head_i[2:0]]};
  assign last  = {fetch_after != '0, fetch_after - 8'd1, after0_q != '0, after0_q - 8'd1,
                  after1_q != '0, after1_q - 8'd1,
                  after_q[3'(tail_i[2:0] - 3'd1)] != '0, after_q[3'(tail_i[2:0] - 3'd1)] - 8'd1};

  always_comb begin
    ordered = (!coming_i[1] || whole(beat1_i, after1_q)) && (!coming_i[0] || whole(beat0_i, after0_q)) &&
              (!fetching_i || (fetch_left_i != '0 && fetch_left_i <= 13'd4096 &&
               whole({fetch_sop_i, fetch_after == '0, 2'b00, fetch_hdr_i}, fetch_after)));
    for (int i = 0; i < 8; i++) begin
      automatic logic [2:0] place = 3'(i) - head_i[2:0];
      automatic logic [7:0] ahead = after_q[3'(i - 1)];
      if ({1'b0, place} < fill) begin
        ordered &= whole(beats_i[i], after_q[i]);
        if (place != '0) ordered &= beats_i[i][131] == (ahead == '0) &&
                                    (ahead == '0 || after_q[i] == ahead - 8'd1);
      end
    end
    due = {src_in[Writer], src_left[Writer]};
    for (int i = 0; i < 4; i++) begin
      if (here[i]) begin
        ordered &= first[i][8] == due[8] && (!due[8] || first[i] == due);
        due      = last[i];
      end
    end
    ordered &= fetching_i || !due[8];
  end

  localparam logic [2:0] GapClocks = 3'd1;  // a started TLP waits for its next beat

  logic [2:0] gap_q;     // clocks so far
  logic [2:0] events_q;  // clear, abort or a closed gate within the TLP
  always_ff @(posedge clk_i) begin
    gap_q <= (rst_ni && in && !req_valid_i) ? gap_q + 3'(gap_q != '1) : '0;
    if (!rst_ni || !in) events_q <= '0;
    else                events_q <= events_q | {clear_i, wr_abort_i, gate_closed_i};
    if (req_valid_i && req_ready_i && !in) owner_q <= taken;
    if (rst_ni) begin
      p_framing: assert (!req_valid_i || (req_sop_i == !in && req_eop_i == (left == '0)));
      p_unmixed: assert ($onehot0(taken) && (taken != '0) == (req_valid_i && req_ready_i) &&
                         (taken == '0 || (req_data_i == taken_data && (!in || taken == owner_q))));
      p_held:    assert (!(req_valid_i && req_sop_i && (clear_i || gate_closed_i)));
      p_gapless: assert (!in || req_valid_i || gap_q < GapClocks);
      c_framing: cover (req_valid_i && req_ready_i && req_eop_i && events_q == '1 && taken[Writer]);
      c_unmixed: cover (req_valid_i && req_ready_i && req_eop_i && in && src_valid_i == '1);
      c_held:    cover (gate_closed_i && !clear_i && !in && src_valid_i[Writer] && req_ready_i);
      c_gapless: cover (req_valid_i && gap_q == GapClocks && events_q[2]);

      h_arbiter: assert (arbiter_in_i == in);
      h_inside:  assert (arbiter_owner_i < 2'd3 && src_in == (in ? 3'b001 << arbiter_owner_i : '0) &&
                         !src_in[2] &&
                         (!in || (left == src_left[arbiter_owner_i] && owner_q == src_in)));
      h_writer:  assert (ordered && writer_in_i == src_in[Writer]);
      h_queue:   assert (fill + 4'(coming_i[0]) + 4'(coming_i[1]) == taken_i &&
                         taken_i <= 4'd8 && fill <= 4'd8);
      // The next beat is fetched in the next clock, or the one after when the soft core reads.
      h_fetch:   assert (!fetching_i || fetch_sop_i || coming_i[0] || (core_read_i[0] && coming_i[1]) ||
                         fill >= 4'd7 || (fill == 4'd6 && (core_read_i[0] || coming_i[1])));
      h_gap:     assert (!src_in[Writer] || fill != '0 || (coming_i[1] && gap_q == '0));
      h_traffic: assert (src_in[Traffic] == (traffic_valid_i && !traffic_read_i && !traffic_sop_i) &&
                         (traffic_valid_i || !traffic_sop_i) &&
                         (!src_in[Traffic] || 8'(traffic_left_i) == src_left[Traffic]));
      h_sop:     assert (!traffic_valid_i || (traffic_addr_i[1:0] == '0 && traffic_bytes_i[1:0] == '0 &&
                         traffic_bytes_i != '0 && traffic_bytes_i <= 9'd256 && (traffic_read_i ||
                         !traffic_sop_i || traffic_left_i == 4'((traffic_bytes_i - 9'd1) >> 5))));
      h_plan:    assert (plan_offset_i[2:0] == '0 && plan_addr_i[2:0] == '0 && plan_bytes_i[2:0] == '0 &&
                         plan_bytes_i <= 9'd256 && (plan_state_i != 2'd2 || plan_bytes_i != '0));
    end
  end

endmodule
