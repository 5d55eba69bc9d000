# SPDX-License-Identifier: Apache-2.0
"""The resets, as data: how each is done, what it resets, what the kernel restores, and how it must show in a capture.

docs/resets.md explains the rows. Commands are for the server's root shell; {slot} is the card's PCI address,
{exercise} and {ring} are commands of the bench file.
"""

from dataclasses import dataclass
from typing import Literal

from vkbench.evidence.reset import ResetExpectation, Shown
from vkbench.verdict.reset_values import PLACES

#: Soft and hard reset, as the driver writes them (bcm_vk_dev.c:1126, 1274).
DOORBELL_SOFT, DOORBELL_HARD = 0xFFFF_FFFF, 0xFFFF_FFFD
REASON_POWER, REASON_DOORBELL, REASON_FLR = 0, 1, 4  # FWSTS 31:28

_DEVICE = "/sys/bus/pci/devices/{slot}"
_DRIVER = "/sys/bus/pci/drivers/bcm-vk"
_UNBIND, _BIND = f"echo {{slot}} > {_DRIVER}/unbind", f"echo {{slot}} > {_DRIVER}/bind"
_REBIND = (_UNBIND, _BIND)
#: Programs that the removal has ended may hold the module for a moment.
_UNLOAD = "for i in 1 2 3 4 5; do rmmod {module} && break; sleep 1; done; [ ! -e /sys/module/{module} ]"
_RING = f"{{ring}} {{slot}} {PLACES['reset_doorbell'][1]:#x} "
_ON_DOORBELL = ("TRIG:CLE", "TRIG:SOUR DOOR")
_ON_FLR = ("TRIG:CLE", "TRIG:SOUR FLR")
_ON_PERST = (
    "TRIG:CLE",
    "TRIG:SOUR SEQ",
    "TRIG:TERM1:SOUR RESET",
    "TRIG:TERM1:AUX 1,#HFFFF",
    "TRIG:STEP1 1,1,FIRE",
)


@dataclass(frozen=True)
class Reset:
    """One row. ``by``: who does it: ``commands`` on the server, its BMC's reset, or a power cycle.

    ``probe``: commands that bind the driver again; without any it is loaded by the bench file's command.
    ``driver``: what becomes of it.
    """

    name: str
    title: str
    how: str
    resets: str
    restores: str
    driver: str
    shows: tuple[Shown, ...]
    reason: int
    trigger: tuple[str, ...]
    by: Literal["server", "bmc reset", "power cycle"] = "server"
    commands: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    link_stays: bool = True
    config_restored: bool = False
    #: Programs would go on by the driver, which is not told, or leaves them their way until it has rung the doorbell: they are
    #: stopped right before this one of ``commands``, their transfers under way.
    stop_before: int | None = None
    pretrigger_share: float = 0.5  #: of the record memory, kept for before the reset
    unbound_first: bool = False  #: the driver must be unbound before; traffic cannot run then

    def expectation(self) -> ResetExpectation:
        """What the rules are told."""
        return ResetExpectation(
            shows=list(self.shows),
            reason=self.reason,
            link_stays=self.link_stays,
            config_restored=self.config_restored,
        )


_STATE = "the card: DMA, interrupts, queues, registers in BAR 0 and 2"
_ALL = f"{_STATE}, configuration space"
_NOTHING = "nothing; configuration space is not touched"

RESETS = {
    reset.name: reset
    for reset in (
        Reset(
            "doorbell-hard",
            "Hard reset by the doorbell, 0xfffffffd",
            "one write into BAR 0, as the panic notifier does (bcm_vk_dev.c:1274)",
            _STATE,
            _NOTHING,
            "stays bound and is not told; unbound and bound afterwards",
            ("DOORBELL_HARD",),
            REASON_DOORBELL,
            _ON_DOORBELL,
            commands=(f"{_RING}{DOORBELL_HARD:#x}",),
            stop_before=0,
            probe=_REBIND,
            config_restored=True,
        ),
        Reset(
            "doorbell-soft",
            "Soft reset by the doorbell, 0xffffffff",
            "one write into BAR 0, without the driver's preparations (bcm_vk_dev.c:1126)",
            _STATE,
            _NOTHING,
            "stays bound and is not told; unbound and bound afterwards",
            ("DOORBELL_SOFT",),
            REASON_DOORBELL,
            _ON_DOORBELL,
            commands=(f"{_RING}{DOORBELL_SOFT:#x}",),
            stop_before=0,
            probe=_REBIND,
            config_restored=True,
        ),
        Reset(
            "ioctl",
            "VK_IOCTL_RESET",
            "vk-exercise reset: the driver drains, ends other users and rings the soft doorbell (bcm_vk_dev.c:1140)",
            _STATE,
            _NOTHING,
            "does it; its queues are dead until it is unbound and bound",
            ("DOORBELL_SOFT",),
            REASON_DOORBELL,
            _ON_DOORBELL,
            commands=("{exercise} reset",),
            probe=_REBIND,
            config_restored=True,
        ),
        Reset(
            "flr",
            "Function Level Reset",
            "the kernel's reset file, method flr: Bus Master Enable off, Initiate FLR, wait, restore",
            f"{_ALL} except Max_Payload_Size and the link's settings (PCI Express 6.6.2)",
            "all of configuration space, Bus Master Enable and MSI-X included",
            "stays bound and is not told; unbound and bound afterwards",
            ("BME_CLEARED", "FLR_STARTED", "FLR_DONE", "BME_SET"),
            REASON_FLR,
            _ON_FLR,
            commands=(f"echo flr > {_DEVICE}/reset_method", f"echo 1 > {_DEVICE}/reset"),
            stop_before=1,
            probe=_REBIND,
            config_restored=True,
        ),
        Reset(
            "bus",
            "Secondary bus reset",
            "the kernel's reset file, method bus: Secondary Bus Reset in the Bridge Control register of the port above",
            f"{_ALL}",
            "all of configuration space, Bus Master Enable and MSI-X included",
            "stays bound and is not told; unbound and bound afterwards",
            ("BME_CLEARED", "PERST_ASSERTED", "PERST_RELEASED", "BME_SET"),
            REASON_POWER,
            _ON_PERST,
            commands=(f"echo bus > {_DEVICE}/reset_method", f"echo 1 > {_DEVICE}/reset"),
            stop_before=1,
            probe=_REBIND,
            link_stays=False,
            config_restored=True,
        ),
        Reset(
            "remove-rescan",
            "Remove and rescan",
            "the kernel's remove file, then rescan of all buses; the driver's removal rings the soft doorbell",
            _STATE,
            "the rescan sizes the BARs anew and writes their addresses; the driver's probe sets Bus Master Enable",
            "is unbound by the removal; its module is unloaded before the rescan and loaded after it",
            ("DOORBELL_SOFT", "BME_CLEARED", "BME_SET"),
            REASON_DOORBELL,
            _ON_DOORBELL,
            # A rescan binds whatever driver there is, autoprobe or not (pci_bus_add_device); so there is none meanwhile.
            commands=(f"echo 1 > {_DEVICE}/remove", _UNLOAD, "echo 1 > /sys/bus/pci/rescan"),
            stop_before=0,
        ),
        Reset(
            "rebind",
            "Unbind and bind",
            "the driver's unbind file; its removal rings the soft doorbell (bcm_vk_dev.c:1544)",
            _STATE,
            "the driver's probe sets Bus Master Enable and MSI-X",
            "is unbound, then bound",
            ("DOORBELL_SOFT", "BME_CLEARED", "BME_SET"),
            REASON_DOORBELL,
            _ON_DOORBELL,
            commands=(_UNBIND,),
            stop_before=0,
            probe=(_BIND,),
        ),
        Reset(
            "warm",
            "Warm reset of the server",
            "the BMC's reset, without a change of power",
            _ALL,
            "firmware and kernel enumerate the card anew",
            "is gone with its kernel; loaded again after the boot",
            ("PERST_ASSERTED", "PERST_RELEASED", "BME_SET"),
            REASON_POWER,
            _ON_PERST,
            by="bmc reset",
            link_stays=False,
        ),
        Reset(
            "power-cycle",
            "Power cycle of the server",
            "the power supply of [power] when the bench has one, else the BMC",
            _ALL,
            "firmware and kernel enumerate the card anew",
            "is gone with its kernel; loaded again after the boot",
            ("PERST_ASSERTED", "PERST_RELEASED", "BME_SET"),
            REASON_POWER,
            _ON_PERST,
            by="power cycle",
            link_stays=False,
        ),
        Reset(
            "panic-stock",
            "FLR in the crash kernel, stock kdump",
            "a panic in mid-transfer that nobody tells the card; the crash kernel resets it by FLR",
            f"{_ALL} except Max_Payload_Size and the link's settings",
            "all of configuration space, Bus Master Enable included",
            "of the crashed kernel: gone; the crash kernel loads its own",
            ("BME_CLEARED", "FLR_STARTED", "FLR_DONE", "BME_SET"),
            REASON_FLR,
            _ON_FLR,
            commands=(f"echo flr > {_DEVICE}/reset_method", f"echo 1 > {_DEVICE}/reset"),
        ),
        Reset(
            "panic-notified",
            "Doorbell by the panic notifier, then FLR in the crash kernel",
            "a panic in mid-transfer, crash_kexec_post_notifiers=1: the notifier rings the hard doorbell",
            f"{_ALL} except Max_Payload_Size and the link's settings",
            "all of configuration space, Bus Master Enable included",
            "of the crashed kernel: gone; the crash kernel loads its own",
            ("DOORBELL_HARD", "FLR_STARTED", "FLR_DONE"),
            REASON_FLR,
            _ON_DOORBELL,
            commands=(f"echo flr > {_DEVICE}/reset_method", f"echo 1 > {_DEVICE}/reset"),
            pretrigger_share=0.1,  # the crash kernel's whole boot comes after the doorbell
        ),
    )
}
