// SPDX-License-Identifier: Apache-2.0
// What the endpoint's memories hold after every reset: queue descriptors in BAR 2, card information in BAR 4.
// One function per memory, from word address (byte offset in the BAR) to word; everything else is zero.
package vk_image_pkg;

  // Message queues, 32-byte descriptors of {u16 type, u16 number; start; rd_idx; wr_idx; size; nxt;
  // db_offset; 0} (docs/driver-contract.md). One queue to the card, one to the host, rings of 32 blocks of 16
  // bytes.
  localparam logic [31:0] QueueBlocks = 32'd32;
  localparam logic [31:0] ToCardRing  = 32'h7100;
  localparam logic [31:0] ToHostRing  = 32'h7300;

  function automatic logic [31:0] bar2_word(logic [15:0] offset);
    case (offset)
      16'h7000: return {16'd0, 16'd0};  // number 0, type 0: to the card
      16'h7004: return ToCardRing;
      16'h7010: return QueueBlocks;
      16'h7014: return 32'h7020;        // next descriptor
      16'h7020: return {16'd0, 16'd1};  // number 0, type 1: to the host
      16'h7024: return ToHostRing;
      16'h7030: return QueueBlocks;
      default:  return 32'd0;           // indices 0; db_offset 0 = default doorbell
    endcase
  endfunction

  // Four characters as they lie in memory, first character at the lowest address.
  function automatic logic [31:0] text(logic [31:0] four);
    return {four[7:0], four[15:8], four[23:16], four[31:24]};
  endfunction

  // Card information at 0x100 (160 bytes), peer log at 0x1a0, process monitor behind it
  // (docs/driver-contract.md).
  function automatic logic [31:0] bar4_word(logic [15:0] offset);
    case (offset)
      16'h0100: return 32'd1;         // version
      16'h0104: return text("vkbe");  // os_tag[64]
      16'h0108: return text("nch ");
      16'h010c: return text("no f");
      16'h0110: return text("irmw");
      16'h0114: return text({"are", 8'd0});
      16'h0144: return text("vkbe");  // cmpt_tag[64]
      16'h0148: return text("nch ");
      16'h014c: return text("endp");
      16'h0150: return text("oint");
      16'h0154: return text({" 1", 16'd0});
      16'h0184: return 32'd250;       // cpu_mhz
      16'h0188: return 32'd250;       // cpu_scale[3]
      16'h018c: return 32'd125;
      16'h0190: return 32'd62;
      16'h0194: return 32'd1200;      // ddr_mhz
      16'h0198: return 32'd64;        // ddr_MB
      16'h019c: return 32'd250;       // video_mhz
      16'h01a8: return 32'd256;       // peer log: rd 0, wr 0, buf_size
      16'h01ac: return 32'd255;       // mask
      16'h02b0: return 32'd2;         // process monitor: entries
      16'h02b4: return 32'd16;        // bytes per entry
      16'h02b8: return text({"dma", 8'd0});
      16'h02c0: return 32'd0;         // used
      16'h02c4: return 32'd1;         // max
      16'h02c8: return text("msgq");
      16'h02d0: return 32'd0;
      16'h02d4: return 32'd32;
      default:  return 32'd0;
    endcase
  endfunction

endpackage
