# SPDX-License-Identifier: Apache-2.0
"""The card's registers that the host sees, out of rtl/regs/*.rdl. Made by card_registers_source.py; do not edit.

No read of one of these does anything else. Reset values are those of a card that is held in reset; what the firmware of a
card that is ready has written on top is in reset_values.py.
"""

#: (BAR index, offset, name, reset value)
READABLE = (
    (0, 0x400, "codepush_sbl", 0x0),
    (0, 0x404, "boot_status", 0x10002),
    (0, 0x408, "codepush_sbi", 0x0),
    (0, 0x410, "card_status", 0x0),
    (0, 0x41C, "fwsts", 0x0),
    (0, 0x420, "boot1_stdalone_progress", 0x6000),
    (0, 0x428, "cop_fwsts", 0x0),
    (0, 0x440, "metadata_version", 0x1),
    (0, 0x444, "os_uptime", 0x0),
    (0, 0x448, "chip_id", 0x5E87),
    (0, 0x45C, "temperature", 0x2A),
    (0, 0x460, "voltage", 0x352),
    (0, 0x464, "card_err_log", 0x0),
    (0, 0x468, "card_err_mem", 0x0),
    (0, 0x46C, "pwr_and_thre", 0x0),
    (0, 0x470, "card_static_info", 0x100),
    (0, 0x47C, "intf_ver", 0x0),
    (0, 0xC78, "bootsrc_select", 0x0),
    (2, 0x60C0, "msgq_def_rdy", 0x0),
    (2, 0x60C4, "msgq_nr", 0x6),
    (2, 0x60C8, "msgq_ctrl_off", 0x7000),
    (2, 0x6170, "ucode_ver_tag", 0x0),
    (2, 0x61B0, "boot1_ver_tag", 0x0),
    (2, 0x61E0, "dma_buf_hi", 0x0),
    (2, 0x61E4, "dma_buf_lo", 0x0),
    (2, 0x61E8, "dma_buf_size", 0x0),
    (2, 0x61F0, "scratch_hi", 0x0),
    (2, 0x61F4, "scratch_lo", 0x0),
    (2, 0x61F8, "scratch_size", 0x0),
    (2, 0x6200, "dauth_0_store", 0x0),
    (2, 0x6248, "dauth_0_valid", 0x0),
    (2, 0x6250, "dauth_1_store", 0x0),
    (2, 0x6298, "dauth_1_valid", 0x0),
    (2, 0x62A0, "dauth_2_store", 0x0),
    (2, 0x62E8, "dauth_2_valid", 0x0),
    (2, 0x62F0, "dauth_3_store", 0x0),
    (2, 0x6338, "dauth_3_valid", 0x0),
    (2, 0x6340, "sotp_revid0", 0x0),
    (2, 0x6350, "sotp_revid1", 0x0),
)
#: Only written by the host: (BAR index, offset, name)
WRITE_ONLY = (
    (0, 0x484, "queue0_doorbell"),
    (0, 0x48C, "queue1_doorbell"),
    (0, 0x494, "queue2_doorbell"),
    (0, 0x49C, "reset_doorbell"),
    (0, 0xCF0, "tty_doorbell"),
)
