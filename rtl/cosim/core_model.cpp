// SPDX-License-Identifier: Apache-2.0
// The Verilated cosim_top and its clock, see core_model.h.
#include "core_model.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "sockets.h"

namespace vkcosim {
namespace {

constexpr unsigned kResetCycles = 16;  // power-on reset, long enough for every synchronous reset stage

}  // namespace

std::string program_folder() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return ".";
  const std::string text(path, static_cast<size_t>(length));
  return text.substr(0, text.rfind('/'));
}

CoreModel::CoreModel(uint32_t clock_hz, const uint32_t (&build_id)[4]) {
  top_ = std::make_unique<Vcosim_top>(&context_, "top");
  Vcosim_top& pins = *top_;
  pins.clk_i = 0;
  pins.rst_ni = 0;
  pins.perst_ni = 0;
  pins.clk_hz_i = clock_hz;
  for (unsigned i = 0; i < 4; ++i) pins.build_id_i[i] = build_id[i];
  pins.cq_valid_i = pins.cq_sop_i = pins.cq_eop_i = pins.cq_bar_i = 0;
  pins.rc_valid_i = pins.rc_sop_i = pins.rc_eop_i = 0;
  pins.rq_ready_i = 1;
  pins.cfg_command_i = pins.cfg_flr_i = pins.cfg_mps_i = pins.cfg_mrrs_i = 0;
  pins.cfg_ext_tag_i = pins.cfg_rcb_i = 0;
  pins.cfg_bdf_i = 0x0100;  // 01:00.0, the first device behind the root port
  pins.cfg_acc_valid_i = pins.cfg_acc_write_i = pins.cfg_acc_addr_i = pins.cfg_acc_be_i = 0;
  pins.cfg_acc_data_i = 0;
  pins.link_up_i = pins.link_speed_i = pins.link_width_i = pins.link_ltssm_i = 0;
  pins.msix_enable_i = pins.msix_mask_i = pins.input_i = 0;
  pins.con_valid_i = pins.con_byte_i = 0;
  pins.scpi_rx_valid_i = pins.scpi_rx_byte_i = 0;
  pins.scpi_tx_ready_i = 1;
  // $readmemh of the firmware runs at the first evaluation, with a name relative to the program.
  const Fd here(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool moved = chdir(program_folder().c_str()) == 0;
  for (unsigned i = 0; i < kResetCycles; ++i) {
    settle();
    edge();
  }
  if (moved && fchdir(here.get()) != 0) context_.gotFinish(true);
  pins.rst_ni = 1;
  settle();  // through the register in cosim_top
  edge();
  cycle_ = 0;
}

CoreModel::~CoreModel() { top_->final(); }

}  // namespace vkcosim
