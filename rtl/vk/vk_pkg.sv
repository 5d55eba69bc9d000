// SPDX-License-Identifier: Apache-2.0
// TLP constants and the header arithmetic that the endpoint's modules share (PCI Express Base Specification,
// section 2.2). A header is four dwords, hdr[31:0] = DW0, bits numbered as in the specification.
package vk_pkg;

  localparam logic [15:0] ResetDoorbellOffset = 16'h049c;
  localparam logic [31:0] DoorbellHard = 32'hffff_fffd;  // the panic notifier's
  localparam logic [31:0] DoorbellSoft = 32'hffff_ffff;

  localparam int unsigned ErrLogSysFault = 5;  // bit of CARD_ERR_LOG

  localparam logic [3:0] ReasonPower    = 4'd0;  // power-on and PERST#
  localparam logic [3:0] ReasonDoorbell = 4'd1;
  localparam logic [3:0] ReasonFlr      = 4'd4;

  localparam logic [4:0] TypeMem   = 5'h00;
  localparam logic [4:0] TypeMemLk = 5'h01;
  localparam logic [4:0] TypeIo    = 5'h02;
  localparam logic [4:0] TypeCfg0  = 5'h04;
  localparam logic [4:0] TypeCfg1  = 5'h05;
  localparam logic [4:0] TypeCpl   = 5'h0a;
  localparam logic [4:0] TypeCplLk = 5'h0b;
  localparam logic [4:0] TypeFetch = 5'h0c;
  localparam logic [4:0] TypeSwap  = 5'h0d;
  localparam logic [4:0] TypeCas   = 5'h0e;
  localparam logic [4:0] TypeDmWr  = 5'h1b;

  localparam logic [2:0] CplSc = 3'd0;
  localparam logic [2:0] CplUr = 3'd1;
  localparam logic [2:0] CplCa = 3'd4;

  // How a descriptor of the DMA engine ended.
  typedef enum logic [3:0] {
    DmaOk        = 4'd0,
    DmaUr        = 4'd1,  // completion status UR,
    DmaCa        = 4'd2,  // CA
    DmaCrs       = 4'd3,  // or CRS
    DmaPoisoned  = 4'd4,
    DmaMalformed = 4'd5,  // byte count, length or lower address that do not fit the request
    DmaTimeout   = 4'd6,
    DmaAborted   = 4'd7,
    DmaBad       = 4'd8   // refused whole: length 0, outside of the card's memory, or around 2^64
  } dma_result_e;

  // What the completer has to do with a request.
  typedef enum logic [1:0] {
    ReqDrop,        // posted and not for us, or no request at all
    ReqWrite,
    ReqRead,
    ReqUnsupported  // non-posted: owes a completion with status UR
  } req_kind_e;

  // Sorts a header by Fmt (2: prefix, 1: with data) and Type; BAR and contents are judged elsewhere.
  function automatic req_kind_e req_kind(logic prefix, logic with_data, logic [4:0] tlp_type);
    if (prefix) return ReqDrop;
    case (tlp_type)
      TypeMem: return with_data ? ReqWrite : ReqRead;
      TypeMemLk, TypeIo, TypeCfg0, TypeCfg1, TypeFetch, TypeSwap, TypeCas, TypeDmWr: return ReqUnsupported;
      default: return ReqDrop;  // messages are posted; a completion does not belong on this stream
    endcase
  endfunction

  // Length in dwords: the field's 0 means 1024.
  function automatic logic [10:0] req_length(logic [9:0] field);
    return {field == 10'd0, field};
  endfunction

  // Offset in the BAR of the request's first dword: BAR 2 has 2 MiB, the others 64 KiB.
  localparam int unsigned OffsetBits = 21;

  function automatic logic [OffsetBits-1:0] req_offset(
    logic [2:0] bar, logic four_dw, logic [OffsetBits-1:0] dw2_low, logic [OffsetBits-1:0] dw3_low
  );
    logic [OffsetBits-1:0] address;
    address = (four_dw ? dw3_low : dw2_low) & ~OffsetBits'(3);
    return (bar == 3'd2) ? address : OffsetBits'(address[15:0]);
  endfunction

  // The next dword's: a request that runs over the end of its BAR goes on at the start.
  function automatic logic [OffsetBits-1:0] next_offset(logic [2:0] bar, logic [OffsetBits-1:0] offset);
    logic [OffsetBits-1:0] next;
    next = offset + OffsetBits'(4);
    return (bar == 3'd2) ? next : OffsetBits'(next[15:0]);
  endfunction

  // Bytes from the dword's start to its first enabled byte; 0 if none is enabled (zero-length read).
  function automatic logic [1:0] be_first(logic [3:0] be);
    casez (be)
      4'b???1: return 2'd0;
      4'b??10: return 2'd1;
      4'b?100: return 2'd2;
      4'b1000: return 2'd3;
      default: return 2'd0;
    endcase
  endfunction

  // Bytes from the last enabled byte to the dword's end.
  function automatic logic [1:0] be_last(logic [3:0] be);
    casez (be)
      4'b1???: return 2'd0;
      4'b01??: return 2'd1;
      4'b001?: return 2'd2;
      4'b0001: return 2'd3;
      default: return 2'd3;
    endcase
  endfunction

  // Byte Count of a completion that answers a whole memory read (table 2-40; a zero-length read counts 1).
  function automatic logic [11:0] read_byte_count(
    logic [10:0] length, logic [3:0] first_be, logic [3:0] last_be
  );
    logic [3:0] ending;
    ending = (length == 11'd1) ? first_be : last_be;
    return 12'({length, 2'b00} - 13'(be_first(first_be)) - 13'(be_last(ending)));
  endfunction

endpackage
