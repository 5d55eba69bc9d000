// SPDX-License-Identifier: Apache-2.0
// What vkcosim counts; every counter appears under its name in the status file.
#pragma once

#include <cstdint>

// clang-format off
#define VKCOSIM_COUNTERS(X)                                                        \
  X(vfio_connects)        /* clients that completed version negotiation */         \
  X(vfio_errors)          /* error replies sent */                                 \
  X(vfio_protocol_closes) /* connections closed because of garbage */              \
  X(config_reads) X(config_writes)                                                 \
  X(bar_reads) X(bar_writes)                                                       \
  X(bar_ur)               /* BAR accesses answered with UR or not delivered */     \
  X(bar_timeouts)         /* no completion, or request not taken, in time */       \
  X(unexpected_cpl)       /* completions from the card that match no request */    \
  X(dma_writes) X(dma_reads) X(dma_write_bytes) X(dma_read_bytes)                  \
  X(ur_count)             /* DMA requests refused as a root complex would */       \
  X(ur_bme_clear)         /* of these: Bus Master Enable was 0 */                  \
  X(ur_unmapped)          /* of these: address not mapped, or not that way */      \
  X(malformed_tlps)       /* from the card: crosses 4 KiB, too long, bad framing */\
  X(wrong_tags)           /* DMA reads with a tag that is in use or too wide */    \
  X(dma_maps) X(dma_unmaps)                                                        \
  X(msix_sent) X(msix_dropped)                                                     \
  X(perst_pulses) X(flr_count) X(flr_timeouts)                                     \
  X(console_bytes)        /* from the server */                                    \
  X(console_input_bytes)  /* to the server */                                      \
  X(console_max_queue)    /* most that waited for the pin at once: cycles late */  \
  X(console_discarded)    /* server bytes while no host client listened */         \
  X(console_clients) X(console_server_connects)                                    \
  X(trigger_outputs)      /* rising edges of the analyser's trigger output */      \
  X(trigger_pulses)       /* and of its pulse output */                            \
  X(scpi_clients) X(scpi_rx_bytes) X(scpi_tx_bytes) X(scpi_tx_discarded)
// clang-format on

namespace vkcosim {

struct Counters {
#define VKCOSIM_FIELD(name) uint64_t name = 0;
  VKCOSIM_COUNTERS(VKCOSIM_FIELD)
#undef VKCOSIM_FIELD
};

}  // namespace vkcosim
