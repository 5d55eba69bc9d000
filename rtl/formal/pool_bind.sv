// SPDX-License-Identifier: Apache-2.0
// Ties the tag pool's checker to it.
bind vk_tag_pool pool_check #(.First(First), .Count(Count), .Bits(Bits)) u_pool_check (
  .clk_i, .rst_ni,
  .tag_i    (tag_o),
  .take_i, .give_i,
  .given_i  (tag_i),
  .free_i   (free_o),
  .unused_i (unused_q),
  .head_i   (head_q),
  .tail_i   (tail_q),
  .tags_i   (tags)
);
