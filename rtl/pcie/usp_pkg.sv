// SPDX-License-Identifier: Apache-2.0
// Numbers of the UltraScale+ integrated block's descriptors (PG213) that the adapter's modules share.
package usp_pkg;

  // Request type of CQ and RQ descriptors.
  localparam logic [3:0] ReqMemRead   = 4'h0;
  localparam logic [3:0] ReqMemWrite  = 4'h1;
  localparam logic [3:0] ReqIoRead    = 4'h2;
  localparam logic [3:0] ReqIoWrite   = 4'h3;
  localparam logic [3:0] ReqFetchAdd  = 4'h4;
  localparam logic [3:0] ReqSwap      = 4'h5;
  localparam logic [3:0] ReqCas       = 4'h6;
  localparam logic [3:0] ReqMemReadLk = 4'h7;

  localparam logic [4:0] TypeMsg = 5'h14;  // header Type of a message, local

  // Error code of RC descriptors.
  localparam logic [3:0] RcPoisoned   = 4'h1;
  localparam logic [3:0] RcMismatch   = 4'h4;  // requester, traffic class or attributes not the request's
  localparam logic [3:0] RcUnknownTag = 4'h6;
  localparam logic [3:0] RcFlr        = 4'h8;  // request ended by FLR
  localparam logic [3:0] RcTimeout    = 4'h9;

endpackage
