// SPDX-License-Identifier: Apache-2.0
// What the modules of the DMA engine share: a read's completion as the tag table judges it, and the header of
// a memory request.
package vk_dma_pkg;

  import vk_pkg::*;

  localparam int unsigned Slots    = 4;  // open descriptors of a channel
  localparam int unsigned SlotBits = $clog2(Slots);

  // One memory request before it is a TLP. It does not cross a 4 KiB boundary.
  typedef struct packed {
    logic         [63:0] host;
    logic         [31:0] store;
    logic         [12:0] bytes;  // 1 to 4096
    logic [SlotBits-1:0] slot;   // of its descriptor
  } dma_request_t;

  // What a completion, or a timeout, means.
  typedef struct packed {
    logic                reader;   // answers the reader,
    logic                traffic;  // or the lab traffic
    logic                ends;     // and is the last for its read
    dma_result_e         code;
    logic                store;    // the payload goes into the store:
    logic         [31:0] addr;     // place of payload byte 0,
    logic          [1:0] skip;     // payload bytes in front of the first one asked for,
    logic         [12:0] left;     // bytes from payload byte 0 to the end
    logic [SlotBits-1:0] slot;
    logic          [6:0] blocks;   // completion credits that come free, in units of the boundary
    logic                rcb;      // which is 128 bytes
  } dma_verdict_t;

  // Read completion boundary blocks that [from, to) touches: at most that many completions carry it.
  function automatic logic [6:0] rcb_blocks(logic rcb, logic [12:0] from, logic [12:0] to);
    logic [13:0] up;
    up = 14'(to) + (rcb ? 14'd127 : 14'd63);
    return rcb ? 7'(up >> 7) - 7'(from >> 7) : 7'(up >> 6) - 7'(from >> 6);
  endfunction

  // Units of 16 bytes that these blocks take at most in the completion buffer: one more for each completion.
  function automatic logic [10:0] rcb_units(logic rcb, logic [6:0] blocks);
    return rcb ? {1'b0, blocks, 3'b000} + 11'(blocks) : {2'b00, blocks, 2'b00} + 11'(blocks);
  endfunction

  function automatic logic [127:0] memory_header(
    logic write, logic [63:0] host, logic [12:0] bytes, logic [15:0] requester, logic [7:0] tag
  );
    logic [127:0] hdr;
    logic  [12:0] end_byte;  // from the start of the first dword
    logic   [3:0] first, last;
    logic         wide;
    wide         = host[63:32] != '0;
    end_byte     = bytes + 13'(host[1:0]);
    first        = 4'hf << host[1:0];
    last         = 4'hf >> (2'd0 - end_byte[1:0]);
    hdr          = '0;
    hdr[31:29]   = {1'b0, write, wide};
    hdr[28:24]   = TypeMem;
    hdr[9:0]     = 10'((end_byte + 13'd3) >> 2);
    hdr[63:48]   = requester;
    hdr[47:40]   = tag;
    hdr[39:32]   = (end_byte <= 13'd4) ? {4'h0, first & last} : {last, first};
    hdr[95:64]   = wide ? host[63:32] : {host[31:2], 2'b00};
    hdr[127:96]  = wide ? {host[31:2], 2'b00} : '0;
    return hdr;
  endfunction

endpackage
