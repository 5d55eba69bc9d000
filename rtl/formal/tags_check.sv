// SPDX-License-Identifier: Apache-2.0
// The tag table's part of the halting contract, bound into vk_tags with its tag pools. All is said about
// one tag that the proof chooses freely and keeps, hence about every tag.
module tags_check
  import vk_dma_pkg::*;
#(
  parameter int unsigned TimeoutTicks = 100
) (
  input logic         clk_i,
  input logic         rst_ni,
  input logic         tick_i,
  input logic         ext_tag_i,
  input logic  [15:0] bdf_i,
  input logic         clear_i,
  input logic         abort_i,
  input dma_request_t request_i,
  input logic         choose_i,
  input logic         issue_i,
  input logic         issue_traffic_i,
  input logic         free_i,
  input logic   [7:0] tag_i,
  input logic         room_i,
  input logic         beat_i,
  input logic         first_i,
  input logic [127:0] hdr_i,
  input dma_verdict_t verdict_i,

  // vk_tags' registers and wires
  input logic         high_i,
  input logic   [7:0] index_i,
  input logic         give_i,
  input logic [255:0] in_use_i,
  input logic   [8:0] used_i,
  input logic   [7:0] scan_i,
  input logic   [7:0] now_i,
  input logic  [31:0] store_end_i,    // what the table knows of the chosen tag:
  input logic  [11:0] first_byte_i,
  input logic  [12:0] past_i,
  input logic   [7:0] stamp_i,
  input logic  [12:0] next_i,         // place of its next byte
  input logic         live_i,
  input logic         traffic_i       // it is the traffic's live read
);

  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;

  logic [7:0] chosen, chosen_q;
  any_value #(.Bits(8)) u_chosen (.value_o(chosen));
  always_ff @(posedge clk_i) chosen_q <= chosen;

  // --- Assumptions ----------------------------------------------------------------------------------------
  // What vk_reader keeps to, what the channel's proof asserts, and that completions leave clocks free: 300
  // of the 25,000 between two ticks.
  localparam logic [8:0] IdleClocks = 9'd300;
  logic [8:0] idle_q;   // clocks without a beat since the last tick

  always_comb begin
    e_power_on: assume (rst_ni == started_q);
    e_chosen:   assume (!started_q || chosen == chosen_q);
    e_issue:    assume (!issue_i || (free_i && room_i && !clear_i && (issue_traffic_i || !abort_i)));
    e_request:  assume (!issue_i || (request_i.bytes != '0 &&
                        14'(request_i.host[11:0]) + 14'(request_i.bytes) <= 14'd4096));
    e_once:     assume (!(issue_i && tag_i == chosen) || !in_use_i[chosen]);  // p_once of the pools
    e_range:    assume (!issue_i || (high_i ? tag_i >= 8'd32 : tag_i < 8'd32));
    e_used:     assume (!in_use_i[chosen] || used_i != '0);   // h_used of credits_check: for two tags
    e_tick:     assume (!tick_i || idle_q == IdleClocks);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || tick_i)                        idle_q <= '0;
    else if (!beat_i && idle_q != IdleClocks)     idle_q <= idle_q + 1'b1;
  end

  // --- What is known of the chosen tag, kept apart from the table ---------------------------------------
  logic         mine, in_use, taken, gone;
  logic         reader_q, traffic_q;       // whose live read it is
  logic  [31:0] store_q;
  logic  [12:0] bytes_q;
  logic  [11:0] host_q;
  logic   [7:0] age, distance;
  logic  [31:0] from, until_byte;

  assign in_use = in_use_i[chosen];
  assign taken  = issue_i && tag_i == chosen;
  assign mine   = index_i == chosen;
  assign gone   = give_i && mine;
  assign age      = now_i - stamp_i;
  assign distance = chosen - scan_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reader_q  <= 1'b0;
      traffic_q <= 1'b0;
    end else begin
      if (gone) begin
        reader_q  <= 1'b0;
        traffic_q <= 1'b0;
      end
      if (clear_i || abort_i) reader_q <= 1'b0;
      if (clear_i)            traffic_q <= 1'b0;
      if (taken) begin
        reader_q  <= !issue_traffic_i;
        traffic_q <= issue_traffic_i;
      end
    end
    if (taken) begin
      store_q <= request_i.store;
      bytes_q <= request_i.bytes;
      host_q  <= request_i.host[11:0];
    end
  end

  // Payload bytes that go into the store.
  assign from       = verdict_i.addr + 32'(verdict_i.skip) - store_q;
  assign until_byte = verdict_i.addr + 32'(verdict_i.left) - store_q;

  logic ext_tag_q;   // when the reader let the table choose
  always_ff @(posedge clk_i) ext_tag_q <= rst_ni && (choose_i ? ext_tag_i : ext_tag_q);

  logic used_before_q, in_use_q, may_end_q, late_q;
  always_ff @(posedge clk_i) begin
    used_before_q <= rst_ni && (used_before_q || gone);
    in_use_q      <= rst_ni && in_use;
    may_end_q     <= mine && (beat_i ? first_i && hdr_i[79:72] == chosen : 32'(age) > TimeoutTicks);
    late_q        <= rst_ni && (late_q || (in_use && clear_i)) && !taken;
    if (rst_ni) begin
      p_tag_width:   assert (!taken || ext_tag_q || chosen < 8'd32);
      p_tag_others:  assert (!(in_use_q && !in_use) || may_end_q);
      p_tag_timeout: assert (!in_use || 32'(age) <= TimeoutTicks || (32'(age) == TimeoutTicks + 1 &&
                             idle_q <= 9'd256));
      p_late:        assert (!mine || ((!verdict_i.reader || reader_q) && (!verdict_i.traffic || traffic_q) &&
                             (!verdict_i.store || (reader_q && first_i && beat_i))));
      p_in_range:    assert (!(mine && verdict_i.store) || (from < until_byte && until_byte <= 32'(bytes_q)));
      c_tag_width:   cover (issue_i && !ext_tag_i && used_before_q && taken);
      c_tag_others:  cover (in_use && give_i && !mine);
      c_tag_timeout: cover (in_use && gone && !beat_i);
      c_late:        cover (late_q && in_use && mine && beat_i && first_i && hdr_i[47:45] == '0 && gone);
      c_in_range:    cover (mine && verdict_i.store && from == 32'd64 && until_byte == 32'd100);

      h_table:       assert (!in_use || (store_end_i == store_q + 32'(bytes_q) &&
                             first_byte_i == host_q && past_i == 13'(host_q) + bytes_q && bytes_q != '0 &&
                             past_i <= 13'd4096));
      h_next:        assert (!in_use || next_i[12] || (13'(host_q) <= next_i && next_i < past_i));
      h_live:        assert ((!live_i || (reader_q && in_use)) && (!traffic_i || (traffic_q && in_use)));
      h_scan:        assert (!in_use || 32'(age) <= TimeoutTicks ||
                             (32'(age) == TimeoutTicks + 1 && 10'(idle_q) + 10'(distance) <= 10'd256));
      h_width:       assert (!high_i || ext_tag_q);
      h_idle:        assert (idle_q <= IdleClocks);
    end
  end

endmodule
