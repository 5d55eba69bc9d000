// SPDX-License-Identifier: Apache-2.0
// The outstanding reads: gives each a tag and room in the hard IP's completion buffer, judges what comes back
// and gives up what does not.
//
// A tag is in use until the read's last completion came or its completion timeout passed. A read whose owner
// gave up (card reset, abort, malformed completion) is no longer live: its tag stays in use, set aside, and
// its completions mean nothing.
//
// Completion credits: a read takes as many completions as it touches read completion boundary blocks, at
// most; so much room is kept for it and comes free block by block.
module vk_tags
  import vk_pkg::*;
  import vk_dma_pkg::*;
  import vk_faults_pkg::*;
#(
  parameter int unsigned CplHeaders   = 256,
  parameter int unsigned CplData      = 2048,  // units of 16 bytes
  parameter int unsigned TimeoutTicks = 100
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic  [31:0] fault_i,
  input  logic         tick_i,
  input  logic         ext_tag_i,
  input  logic         rcb_i,
  input  logic  [15:0] bdf_i,
  input  logic         clear_i,          // no read is live any more,
  input  logic         abort_i,          // or none of the reader
  output logic         used_o,           // some tag is in use
  output logic         outstanding_o,    // the traffic's read is live

  input  dma_request_t request_i,        // the read that wants to start
  input  logic         choose_i,         // tag_o may change: it is not on offer yet
  input  logic         issue_i,          // it has started, with tag_o
  input  logic         issue_traffic_i,  // for the traffic
  output logic         free_o,           // tag_o may be used
  output logic   [7:0] tag_o,
  output logic         room_o,           // the completion buffer has room for it

  input  logic         beat_i,           // a beat of a completion is being looked at,
  input  logic         first_i,          // the first one
  input  logic [127:0] hdr_i,
  output dma_verdict_t verdict_o,        // on that completion; without beat_i, on a read that timed out

  input  logic         release_i,        // completion credits come free
  input  logic   [6:0] release_blocks_i,
  input  logic         release_rcb_i
);

  // What is known of a read from its start on. first and past are offsets in the 4 KiB page of the host.
  typedef struct packed {
    logic         [31:0] store_end;
    logic         [11:0] first;
    logic         [12:0] past;
    logic [SlotBits-1:0] slot;
    logic                rcb;
    logic          [7:0] stamp;  // tick of the start
  } read_t;

  localparam logic [12:0] Lost = 13'h1fff;  // place of the next byte of a read that cannot go on

  // Tags. With 8-bit tags the low ones are the reserve.
  logic       low_free, high_free, high_q, give, stale;
  logic [7:0] low_tag, high_tag, index;
  assign stale  = faulty(fault_i, TAG_STALE) && clear_i;
  assign free_o = high_q ? high_free : low_free;
  assign tag_o  = high_q ? high_tag : low_tag;

  always_ff @(posedge clk_i) begin
    if (!rst_ni)       high_q <= 1'b0;
    else if (choose_i) high_q <= ext_tag_i && high_free;
  end

  vk_tag_pool #(.First(0), .Count(32)) u_low (
    .clk_i, .rst_ni(rst_ni && !stale), .free_o(low_free), .tag_o(low_tag), .take_i(issue_i && !high_q),
    .give_i(give && index[7:5] == '0), .tag_i(index)
  );
  vk_tag_pool #(.First(32), .Count(224)) u_high (
    .clk_i, .rst_ni(rst_ni && !stale), .free_o(high_free), .tag_o(high_tag), .take_i(issue_i && high_q),
    .give_i(give && index[7:5] != '0), .tag_i(index)
  );

  // The table. next is the place of the next byte; until the first completion it is read.first.
  logic [255:0] in_use_q, live_q, untouched_q;
  read_t        reads [256];
  logic  [12:0] nexts [256];
  logic   [7:0] now_q, scan_q, traffic_tag_q;
  logic   [8:0] used_q;
  logic         traffic_live_q;

  read_t        read;
  logic  [12:0] next, byte_count, here, want_dwords;
  logic         cpl, first, known, live, traffic, ends, fits, last, lost, expired, malformed;
  logic   [6:0] rest;
  logic   [7:0] age;
  dma_result_e  status_code;

  assign first  = beat_i && first_i;
  assign index  = first ? hdr_i[79:72] : scan_q;
  assign read   = reads[index];
  assign next   = untouched_q[index] ? {1'b0, read.first} : nexts[index];
  assign lost   = next[12];
  assign rest   = lost ? '0 : rcb_blocks(read.rcb, next, read.past);

  // Is it ours, and does it go on where the last one ended?
  assign cpl         = !hdr_i[31] && !hdr_i[29] && hdr_i[28:24] == TypeCpl && hdr_i[95:80] == bdf_i &&
                       !hdr_i[23] && !hdr_i[19];
  assign known       = in_use_q[index] && (first ? cpl : !beat_i && expired);
  assign traffic     = traffic_live_q && traffic_tag_q == index;
  assign live        = live_q[index];
  assign byte_count  = {hdr_i[43:32] == '0, hdr_i[43:32]};
  assign here        = {req_length(hdr_i[9:0]), 2'b00} - 13'(hdr_i[65:64]);
  assign last        = byte_count <= here;
  assign want_dwords = (byte_count + 13'(hdr_i[65:64]) + 13'd3) >> 2;
  assign fits        = !lost && next + byte_count == read.past && hdr_i[70:64] == next[6:0] &&
                       (!last || 13'(req_length(hdr_i[9:0])) == want_dwords);
  assign age         = now_q - read.stamp;
  assign expired     = 32'(age) > TimeoutTicks;

  always_comb begin
    case (hdr_i[47:45])
      CplSc:   status_code = DmaOk;
      3'd2:    status_code = DmaCrs;
      CplCa:   status_code = DmaCa;
      default: status_code = DmaUr;
    endcase
  end

  // A malformed completion ends the read for its owner, but not for its tag unless it is an answer without
  // data: what else is on its way is unknown.
  assign malformed = first && status_code == DmaOk && !(hdr_i[30] && (fits || faulty(fault_i, TAKE_SHORT)));
  assign ends      = !first || status_code != DmaOk || malformed || last || faulty(fault_i, TAG_EARLY);
  assign give      = known && ends && !(malformed && hdr_i[30]);

  always_comb begin
    verdict_o.reader  = known && live;
    verdict_o.traffic = known && traffic;
    verdict_o.ends    = ends;
    verdict_o.slot    = read.slot;
    verdict_o.rcb     = read.rcb;
    verdict_o.skip    = hdr_i[65:64];
    verdict_o.addr    = read.store_end - 32'(byte_count) - 32'(hdr_i[65:64]);
    verdict_o.left    = (last ? byte_count : here) + 13'(hdr_i[65:64]);
    if (!first)                    verdict_o.code = DmaTimeout;
    else if (status_code != DmaOk) verdict_o.code = status_code;
    else if (malformed)            verdict_o.code = DmaMalformed;
    else if (hdr_i[14])            verdict_o.code = DmaPoisoned;
    else                           verdict_o.code = DmaOk;
    verdict_o.store   = first && known && live && verdict_o.code == DmaOk;
    verdict_o.blocks  = '0;
    if (known) verdict_o.blocks = ends ? rest : rest - rcb_blocks(read.rcb, next + here, read.past);
  end

  always_ff @(posedge clk_i) begin
    if (issue_i) begin
      reads[tag_o] <= '{
        store_end: request_i.store + 32'(request_i.bytes),
        first:     request_i.host[11:0],
        past:      13'(request_i.host[11:0]) + request_i.bytes,
        slot:      request_i.slot,
        rcb:       rcb_i,
        stamp:     now_q
      };
    end
    if (first && known) nexts[index] <= malformed ? Lost : next + here;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_use_q       <= '0;
      live_q         <= '0;
      untouched_q    <= '0;
      used_q         <= '0;
      now_q          <= '0;
      scan_q         <= '0;
      traffic_live_q <= 1'b0;
      traffic_tag_q  <= '0;
    end else begin
      if (tick_i) now_q <= now_q + 1'b1;
      // The timeouts: a tag a clock, sixteen where none is in use. Nothing to time: from the first on again.
      if (used_q == '0) scan_q <= '0;
      else if (!beat_i) scan_q <= (in_use_q[{scan_q[7:4], 4'h0} +: 16] == '0) ? {scan_q[7:4] + 4'd1, 4'h0}
                                                                             : scan_q + 1'b1;
      used_q <= used_q + 9'(issue_i) - 9'(give);
      if (first && known) untouched_q[index] <= 1'b0;
      if (give) in_use_q[index] <= 1'b0;
      if (known && ends) begin
        live_q[index] <= 1'b0;
        if (traffic) traffic_live_q <= 1'b0;
      end
      if (issue_i) begin
        in_use_q[tag_o]    <= 1'b1;
        untouched_q[tag_o] <= 1'b1;
        if (!issue_traffic_i) live_q[tag_o] <= 1'b1;
        else begin
          traffic_live_q <= 1'b1;
          traffic_tag_q  <= tag_o;
        end
      end
      if (clear_i || abort_i) live_q <= '0;
      if (clear_i) traffic_live_q <= 1'b0;
      if (stale) begin
        in_use_q <= '0;
        used_q   <= '0;
      end
    end
  end

  assign used_o        = used_q != '0;
  assign outstanding_o = traffic_live_q;

  // Completion credits.
  logic [15:0] headers_q, units_q, want_headers, want_units;
  logic  [6:0] want_blocks, free_blocks;
  assign want_blocks  = rcb_blocks(rcb_i, 13'(request_i.host[11:0]),
                                   13'(request_i.host[11:0]) + request_i.bytes);
  assign want_headers = headers_q + 16'(want_blocks);
  assign want_units   = units_q + 16'(rcb_units(rcb_i, want_blocks));
  assign room_o       = 32'(want_headers) <= CplHeaders && 32'(want_units) <= CplData;
  assign free_blocks  = release_i ? release_blocks_i : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || stale) begin
      headers_q <= '0;
      units_q   <= '0;
    end else begin
      headers_q <= (issue_i ? want_headers : headers_q) - 16'(free_blocks);
      units_q   <= (issue_i ? want_units : units_q) - 16'(rcb_units(release_rcb_i, free_blocks));
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && issue_i) begin
      assert (free_o && !in_use_q[tag_o]) else $error("read issued with a tag in use");
      assert (!clear_i && (issue_traffic_i || !abort_i)) else $error("read issued while abandoned");
      assert (room_o) else $error("read issued without completion credits");
    end
  end
`endif

  logic unused;
  assign unused = ^{hdr_i[127:96], hdr_i[71], hdr_i[63:48], hdr_i[44], hdr_i[22:20], hdr_i[18:15],
                    hdr_i[13:10], request_i.host[63:12]};

endmodule
