# SPDX-License-Identifier: Apache-2.0
# Builds the bit stream for the KCU116 with Vivado, without a project:
#
#   python rtl/pcie/sources.py build/kcu116 > build/kcu116/sources.txt
#   vivado -mode batch -source rtl/pcie/build_kcu116.tcl -tclargs build/kcu116 CONSOLE_PIN PMOD_PINS \
#          [BUILD_ID]
#
# build/kcu116 must hold sources.txt and the two firmware images analyser.hex and card.hex; the results go
# there: vkbench.bit, reports, a checkpoint. CONSOLE_PIN is the ball on which the server's console comes in,
# PMOD_PINS the six balls, with commas, of the analyser's inputs 0 to 3 and trigger outputs 0 and 1.
# NOT TRIED: written from the product guide (PG213) and public examples, never run.

if {[llength $argv] < 3 || [llength [split [lindex $argv 2] ,]] != 6} {
  error "usage: vivado -mode batch -source build_kcu116.tcl -tclargs FOLDER CONSOLE_PIN IN0,IN1,IN2,IN3,OUT0,OUT1 \[BUILD_ID\]"
}
lassign $argv folder console_pin pmod_pins build_id
set folder [file normalize $folder]
set here [file dirname [file normalize [info script]]]
set part xcku5p-ffvb676-2-e

foreach name {sources.txt analyser.hex card.hex} {
  if {![file exists $folder/$name]} { error "$folder/$name is missing: see the first lines of this script" }
}

create_project -in_memory -part $part
set_property target_language Verilog [current_project]

# -- hard IP -------------------------------------------------------------------------------------------------
create_ip -name pcie4_uscale_plus -vendor xilinx.com -library ip -module_name pcie4_uscale_plus_0 \
          -dir $folder -force
set ip [get_ips pcie4_uscale_plus_0]

# A name that this Vivado's IP does not know is an error: better than a card that is not the simulated one.
proc configure {ip settings} {
  set known [string toupper [list_property $ip]]
  set checked {}
  foreach {name value} $settings {
    if {[lsearch -exact $known [string toupper CONFIG.$name]] < 0} {
      error "Vivado [version -short]: pcie4_uscale_plus has no setting $name; report_property lists them"
    }
    lappend checked CONFIG.$name $value
  }
  set_property -dict $checked $ip
}

configure $ip {
  mode_selection                 Advanced
  PL_LINK_CAP_MAX_LINK_SPEED     8.0_GT/s
  PL_LINK_CAP_MAX_LINK_WIDTH     X8
  axisten_if_width               256_bit
  axisten_freq                   250
  AXISTEN_IF_RC_STRADDLE         true
  axisten_if_enable_client_tag   true
  extended_tag_field             true
  pf0_dev_cap_max_payload        512_bytes
  vendor_id                      14e4
  PF0_DEVICE_ID                  5e87
  PF0_REVISION_ID                01
  PF0_SUBSYSTEM_VENDOR_ID        14e4
  PF0_SUBSYSTEM_ID               5e87
  PF0_Use_Class_Code_Lookup_Assistant false
  PF0_CLASS_CODE                 120000
}
foreach {bar scale size} {0 Kilobytes 64  2 Megabytes 2  4 Kilobytes 64} {
  configure $ip [list pf0_bar${bar}_enabled true pf0_bar${bar}_type Memory pf0_bar${bar}_64bit true \
                      pf0_bar${bar}_prefetchable false pf0_bar${bar}_scale $scale pf0_bar${bar}_size $size]
}
configure $ip {
  pf0_msi_enabled                false
  MSI_X_OPTIONS                  MSI-X_Internal
  pf0_msix_enabled               true
  PF0_MSIX_CAP_TABLE_SIZE        003
  PF0_MSIX_CAP_TABLE_BIR         BAR_1:0
  PF0_MSIX_CAP_TABLE_OFFSET      00004000
  PF0_MSIX_CAP_PBA_BIR           BAR_1:0
  PF0_MSIX_CAP_PBA_OFFSET        00005000
  PF0_DEV_CAP_FUNCTION_LEVEL_RESET_CAPABLE true
}
generate_target all $ip
synth_ip $ip

# -- sources -------------------------------------------------------------------------------------------------
set list [open $folder/sources.txt]
set files [split [string trim [read $list]] "\n"]
close $list
read_verilog -sv $files
read_verilog -sv $here/kcu116_top.sv
read_xdc $here/kcu116.xdc

set generics [list FirmwareHex=\"$folder/analyser.hex\" CardFirmwareHex=\"$folder/card.hex\"]
if {$build_id ne ""} { lappend generics BuildId=128'h$build_id }
synth_design -top kcu116_top -part $part -generic $generics
set_property PACKAGE_PIN $console_pin [get_ports console_rx]
set pmod_ports {general_in[0] general_in[1] general_in[2] general_in[3] trigger_out[0] trigger_out[1]}
foreach pin [split $pmod_pins ,] port $pmod_ports { set_property PACKAGE_PIN $pin [get_ports $port] }
write_checkpoint -force $folder/synthesised.dcp

# -- implementation ------------------------------------------------------------------------------------------
opt_design
place_design
phys_opt_design
route_design
report_timing_summary -file $folder/timing.txt
report_utilization    -file $folder/utilization.txt
report_cdc            -file $folder/cdc.txt
write_checkpoint -force $folder/routed.dcp

if {[get_property SLACK [get_timing_paths -max_paths 1]] < 0} {
  error "timing is not met: see $folder/timing.txt. No bit stream was written."
}
write_bitstream -force $folder/vkbench.bit
