# SPDX-License-Identifier: Apache-2.0
# Constraints of kcu116_top. NOT TRIED with Vivado or on a board: check every pin against the board's guide
# (UG1239) before a card is plugged in. Pins of the slot are named by their function in the package, so that
# they can be checked without a pin list; the lanes follow from the place of the hard IP.

# Slot: reference clock on bank 225, PERST# on its dedicated pin.
set_property PACKAGE_PIN [get_package_pins -filter {PIN_FUNC == MGTREFCLK0P_225}] [get_ports pcie_refclk_p]
set_property PACKAGE_PIN [get_package_pins -filter {PIN_FUNC == MGTREFCLK0N_225}] [get_ports pcie_refclk_n]
create_clock -name pcie_refclk -period 10.000 [get_ports pcie_refclk_p]

set_property PACKAGE_PIN [get_package_pins -filter {PIN_FUNC =~ *PERSTN0_65}] [get_ports pcie_perst_n]
set_property -dict {IOSTANDARD LVCMOS18 PULLUP true} [get_ports pcie_perst_n]
set_false_path -from [get_ports pcie_perst_n]

# USB UART of the board, as seen from the FPGA.
set_property -dict {PACKAGE_PIN W13 IOSTANDARD LVCMOS18} [get_ports scpi_tx]
set_property -dict {PACKAGE_PIN W12 IOSTANDARD LVCMOS18} [get_ports scpi_rx]

# User LED 0.
set_property -dict {PACKAGE_PIN C9 IOSTANDARD LVCMOS33} [get_ports led_link]

# Console of the server under test: its pin is given to build_kcu116.tcl, since it depends on the cable (3.3 V;
# an RS-232 level converter belongs between).
set_property IOSTANDARD LVCMOS33 [get_ports console_rx]
set_property PULLUP true [get_ports console_rx]

# PMOD header (3.3 V behind the board's level shifters): four inputs and two outputs of the analyser; their pins
# are given to build_kcu116.tcl too.
set_property IOSTANDARD LVCMOS33 [get_ports {general_in[*] trigger_out[*]}]
set_property PULLDOWN true [get_ports {general_in[*]}]

# Slow and synchronised inside.
set_false_path -from [get_ports {console_rx scpi_rx general_in[*]}]
set_false_path -to   [get_ports {scpi_tx led_link trigger_out[*]}]

set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
