# SPDX-License-Identifier: Apache-2.0
"""A BMC by IPMI 2.0 over LAN (RMCP+), through python-ipmi's own protocol code: no helper program.

Each call opens its own session: a few milliseconds, and a BMC that was restarted or dropped an idle session between two
calls (60 s, IPMI 2.0 section 6.12.15) then makes no difference. A BMC that forgets the session in the middle of a call
gets a new one and the call again, unless what was asked must happen only once (reset, NMI, shutdown).
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import pyipmi
import pyipmi.errors
from pyipmi.utils import ByteBuffer

from vkbench import config, errors
from vkbench.instruments import bmc_ipmi_records as records
from vkbench.instruments.bmc_ipmi_link import Link
from vkbench.instruments.bmc_login import login_refused
from vkbench.instruments.protocol import BootDevice, WatchdogState

BMC_ADDRESS = 0x20  # IPMI 2.0 section 5.4: the BMC's own address
FIRST_LOGIN_SHARE = (
    0.5  # of timeout_s: the first try to log in gives up early, because a lost packet is likelier
)
CLOSE_S = 0.5  # a BMC that fails to say good-bye changes nothing
POLL_S = 0.05
ERASE_LIMIT_S = 30.0
# Completion codes, IPMI 2.0 table 5-2.
INVALID_COMMAND, NOT_IN_THIS_STATE, NO_PRIVILEGE, RESERVATION_CANCELLED = 0xC1, 0xD5, 0xD4, 0xC5
UNSUPPORTED = {INVALID_COMMAND, 0xC2, 0xCC, NOT_IN_THIS_STATE, 0xD6, 0x80}
# RMCP+ status codes, table 13-15.
NO_SLOT = {0x01, 0x0B}
LOGIN_REFUSED = {0x09, 0x0A, 0x0C, 0x0D, 0x0E, 0x0F, 0x12}  # role, name, privilege, integrity check
CIPHER_REFUSED = {0x04, 0x05, 0x06, 0x07, 0x10, 0x11}
BOOT_FLAGS = 5  # boot option parameter, table 28-14
BOOT_DEVICES: dict[BootDevice, int] = {"none": 0, "pxe": 1, "disk": 2, "cd": 5, "bios": 6}
WATCHDOG_ACTIONS = {"none": 0, "reset": 1, "power-off": 2, "power-cycle": 3}  # table 27-2
WATCHDOG_LONGEST_S = 0xFFFF / 10
NETFN_STORAGE, CLEAR_SEL = 0x0A, 0x47
NETFN_APP, START_WATCHDOG, SET_WATCHDOG, GET_WATCHDOG = 0x06, 0x22, 0x24, 0x25
WATCHDOG_USE_OS, WATCHDOG_RUNS = 4, 0x40
ERASED = 1
Found = TypeVar("Found")


class _Silent(Exception):
    """No answer in time. ``login``: there was no session yet; ``heard``: but something did answer."""

    def __init__(self, login: bool, heard: bool, garbled: int, error: Exception) -> None:
        super().__init__(str(error))
        self.login, self.heard, self.garbled = login, heard, garbled
        self.error = error


class IpmiBmc:
    """The driver; see protocol.Bmc."""

    def __init__(self, settings: config.model.Bmc) -> None:
        self._settings = settings
        self._password = settings.password.read()
        self._known = False  # it has answered before
        self.where = f"BMC {settings.host}:{settings.address_port}"

    def __enter__(self) -> Self:
        self.is_on()  # a wrong address or password must show now, not when the server has to be switched off
        return self

    def __exit__(self, *_: object) -> None:
        return None

    # ---- power -------------------------------------------------------------------------------------------------------

    def is_on(self) -> bool:
        return self._call("chassis status", _is_on)

    def power_on(self) -> None:
        self._call("power on", lambda ipmi: self._switch(ipmi, True))

    def power_off(self) -> None:
        self._call("power off", lambda ipmi: self._switch(ipmi, False))

    def power_cycle(self) -> None:
        # Not the BMC's own power cycle: it is refused when the server is off, and some BMCs answer before it is done.
        if self.is_on():
            self.power_off()
        self.power_on()

    def reset(self) -> None:
        self._call("hard reset", lambda ipmi: ipmi.chassis_control_hard_reset(), once=True)

    def shutdown(self) -> None:
        self._call("soft shutdown", lambda ipmi: ipmi.chassis_control_soft_shutdown(), once=True)

    def diagnostic_interrupt(self) -> None:
        self._call(
            "diagnostic interrupt", lambda ipmi: ipmi.chassis_control_diagnostic_interrupt(), once=True
        )

    def _switch(self, ipmi: Any, on: bool) -> None:
        (ipmi.chassis_control_power_up if on else ipmi.chassis_control_power_down)()
        limit = self._settings.power_timeout_s
        end = time.monotonic() + limit
        while _is_on(ipmi) != on:
            if time.monotonic() > end:
                raise errors.BmcTimeout(
                    f"the power did not go {'on' if on else 'off'} within {limit:g} s",
                    self.where,
                    "Look at the server itself; power_timeout_s in [bmc] sets the limit",
                )
            time.sleep(POLL_S)  # the protocol has no event for a change of power

    # ---- boot device -------------------------------------------------------------------------------------------------

    def set_boot_device(self, device: BootDevice, persistent: bool = False) -> None:
        def work(ipmi: Any) -> None:
            firmware = _boot_flags(ipmi)[0] & 0x20  # UEFI or legacy: as it was
            valid = 0 if device == "none" else 0xC0 if persistent else 0x80
            data = ByteBuffer([valid | firmware, BOOT_DEVICES[device] << 2, 0, 0, 0])
            ipmi.set_system_boot_options(BOOT_FLAGS, data)
            taken = _boot_flags(ipmi)[1] >> 2 & 0xF
            if taken != BOOT_DEVICES[device]:
                raise errors.BmcRefused(
                    f"boot device {device!r} was set, and kind {taken:#x} reads back", self.where
                )

        self._call("set boot device", work)

    def boot_device(self) -> BootDevice:
        flags = self._call("boot device", _boot_flags)
        if not flags[0] & 0x80:  # not valid (any more): no override
            return "none"
        kind = flags[1] >> 2 & 0xF
        for name, value in BOOT_DEVICES.items():
            if value == kind:
                return name
        raise errors.BmcNotSupported(
            f"the boot device is of kind {kind:#x} (IPMI 2.0 table 28-14), which has no name here", self.where
        )

    # ---- inventory, sensors ------------------------------------------------------------------------------------------

    def inventory(self) -> dict[str, Any]:
        def work(ipmi: Any) -> dict[str, Any]:
            device = ipmi.get_device_id()
            found = {
                "protocol": "ipmi",
                "device_id": device.device_id,
                "firmware": str(device.fw_revision),
                "ipmi_version": str(device.ipmi_version),
                "manufacturer_id": device.manufacturer_id,
                "product_id": device.product_id,
                "cipher_suite": self._settings.cipher_suite,
            }
            try:
                found["fru"] = records.fru_texts(ipmi.get_fru_inventory())
            except (pyipmi.errors.RetryError, OSError):
                raise
            except Exception:
                # A BMC without a FRU (or with an unreadable one) is still usable; what is missing shows as missing.
                pass
            return found

        return self._call("inventory", work)

    def sensors(self) -> list[dict[str, Any]]:
        return self._call("sensors", lambda ipmi: list(records.sensors(ipmi)))

    # ---- event log ---------------------------------------------------------------------------------------------------

    def event_log(self) -> list[dict[str, Any]]:
        return self._call("system event log", records.event_log)

    def clear_event_log(self) -> None:
        self._call("clear the event log", self._clear)

    def _clear(self, ipmi: Any) -> None:
        end = time.monotonic() + ERASE_LIMIT_S
        reservation, erase = ipmi.get_sel_reservation_id(), True
        while True:
            request = reservation.to_bytes(2, "little") + b"CLR" + (b"\xaa" if erase else b"\x00")
            answer = ipmi.send_raw(0, NETFN_STORAGE, bytes([CLEAR_SEL]) + request)
            if answer[0] == RESERVATION_CANCELLED:  # an event came between: reserve and begin anew
                reservation, erase = ipmi.get_sel_reservation_id(), True
            elif answer[0] != 0:
                raise pyipmi.errors.CompletionCodeError(answer[0])
            elif answer[1] & 0xF == ERASED:
                return
            else:
                erase = False
                time.sleep(POLL_S)
            if time.monotonic() > end:
                raise errors.BmcTimeout(
                    f"the event log was not erased within {ERASE_LIMIT_S:g} s", self.where
                )

    def clock(self) -> float:
        seconds = self._call(
            "event log's clock", lambda ipmi: ipmi.send_message_by_name("GetSelTime").timestamp
        )
        if seconds < records.UPTIME_BELOW or seconds == records.NO_TIME:
            raise errors.BmcNotSupported(
                f"its clock is not set: it counts {seconds} s since the BMC's start",
                self.where,
                "Set it (NTP)",
            )
        return float(seconds)

    # ---- watchdog ----------------------------------------------------------------------------------------------------

    def watchdog(self) -> WatchdogState:
        # Decoded here: OpenIPMI's simulator leaves the present countdown out, and adds bytes elsewhere.
        answer = self._call("watchdog", lambda ipmi: _asked(ipmi, NETFN_APP, bytes([GET_WATCHDOG])))
        if len(answer) < 6:
            raise errors.BmcRefused(f"its watchdog's state is {len(answer)} bytes long, not 8", self.where)
        names = {value: name for name, value in WATCHDOG_ACTIONS.items()}
        return WatchdogState(
            running=bool(answer[0] & WATCHDOG_RUNS),
            action=names.get(answer[1] & 7, f"reserved ({answer[1] & 7})"),
            countdown_s=int.from_bytes(answer[6:8], "little") / 10 if len(answer) >= 8 else None,
            initial_s=int.from_bytes(answer[4:6], "little") / 10,
        )

    def start_watchdog(self, seconds: float, action: str = "reset") -> None:
        if action not in WATCHDOG_ACTIONS or not 0.1 <= seconds <= WATCHDOG_LONGEST_S:
            raise errors.BmcNotSupported(
                f"a watchdog of {seconds:g} s with the action {action!r}: IPMI has 0.1 to {WATCHDOG_LONGEST_S:g} s and "
                + ", ".join(WATCHDOG_ACTIONS),
                self.where,
            )

        def work(ipmi: Any) -> None:
            _set_watchdog(ipmi, round(seconds * 10), WATCHDOG_ACTIONS[action])
            _asked(ipmi, NETFN_APP, bytes([START_WATCHDOG]))

        self._call("start the watchdog", work)

    def stop_watchdog(self) -> None:
        # Setting it without "don't stop" stops it (IPMI 2.0 section 27.6).
        self._call("stop the watchdog", lambda ipmi: _set_watchdog(ipmi, 0, 0))

    # ---- a call and its session --------------------------------------------------------------------------------------

    def _call(self, doing: str, work: Callable[[Any], Found], once: bool = False) -> Found:
        """Do something in a session of its own. ``once``: what must not happen twice, so it is neither sent nor tried again."""
        limit = self._settings.timeout_s
        end = time.monotonic() + limit
        login_s, again = FIRST_LOGIN_SHARE * limit, True
        while True:
            try:
                with self._session(doing, login_s) as ipmi:
                    if not once:
                        return work(ipmi)
                    with ipmi.interface.once():
                        return work(ipmi)
            except _Silent as silent:
                refused = isinstance(silent.error, ConnectionRefusedError)
                if silent.login and not silent.heard:
                    if not (self._known and refused and time.monotonic() < end):
                        raise self._unheard(silent, doing) from None
                    time.sleep(POLL_S)  # a BMC that restarts refuses for a while
                elif not silent.login and once:
                    raise self._unknown_outcome(doing) from None
                elif not again:
                    raise self._slow(doing) from None
                else:  # a lost packet of the login, or a session that the BMC forgot
                    login_s, again = limit, False

    @contextmanager
    def _session(self, doing: str, login_s: float) -> Iterator[Any]:
        """An open IPMI session. Every failure in it becomes one of this package's errors, silence becomes _Silent."""
        settings = self._settings
        link = Link(settings.cipher_suite, settings.timeout_s, login_s)
        ipmi = pyipmi.create_connection(link)
        ipmi.session.set_session_type_rmcp(settings.host, settings.address_port)
        ipmi.session.set_auth_type_user(settings.user, self._password)
        ipmi.session.set_priv_level("ADMINISTRATOR")
        ipmi.target = pyipmi.Target(ipmb_address=BMC_ADDRESS)
        login, silent = True, False
        try:
            link.resolve(settings.host, settings.address_port)
            ipmi.open()
            self._known, login = True, False
            yield ipmi
        except errors.BenchError:
            raise
        except socket.gaierror:
            raise errors.BmcUnreachable(
                f"the host name {settings.host!r} is not known", self.where, "Check host in [bmc]"
            ) from None
        except (pyipmi.errors.RetryError, pyipmi.errors.IpmiTimeoutError, OSError) as error:
            silent = True
            raise _Silent(login, link.answered, link.garbled, _cause(error)) from None
        except Exception as error:
            raise self._translated(doing, error, login) from None
        finally:
            if not silent:
                link.max_retries = 0
                with suppress(Exception):
                    link.set_timeout(CLOSE_S)
                    ipmi.close()
            link.close()

    # ---- errors ------------------------------------------------------------------------------------------------------

    def _translated(self, doing: str, error: Exception, login: bool) -> errors.BenchError:
        """What python-ipmi raised, as one of ours."""
        settings = self._settings
        if isinstance(error, pyipmi.errors.AuthenticationError | pyipmi.errors.IpmiLongPasswordError):
            return login_refused(self._settings, self.where)
        if isinstance(error, pyipmi.errors.MessageStatusCodeError):
            if error.msc in LOGIN_REFUSED:
                return login_refused(self._settings, self.where)
            if error.msc in CIPHER_REFUSED:
                return self._cipher(f"status {error.msc:#04x}, {error.msc_desc}")
            hint = (
                "Close other sessions (60 s of silence end one), or restart the BMC"
                if error.msc in NO_SLOT
                else ""
            )
            return errors.BmcRefused(
                f"'{doing}': the BMC refuses a session: {error.msc_desc}", self.where, hint
            )
        if login and "selected other algorithms" in str(error):
            return self._cipher(str(error))
        if isinstance(error, pyipmi.errors.CompletionCodeError):
            return self._refused(doing, error)
        hint = "Enable IPMI 2.0 (RMCP+) in the BMC" if "does not support IPMI v2.0" in str(error) else ""
        return errors.BmcRefused(
            f"'{doing}': the BMC's answer is not usable: {type(error).__name__} {error} "
            f"(as {settings.user!r})",
            self.where,
            hint,
        )

    def _unheard(self, silent: _Silent, doing: str) -> errors.BenchError:
        limit = self._settings.timeout_s
        reason = silent.error.strerror if isinstance(silent.error, OSError) else None
        because = f" ({reason})" if reason else ""
        if self._known:
            return errors.BmcGone(
                f"it answered before and does not any more: no answer to '{doing}' within {limit:g} s{because}",
                self.where,
                "A BMC that restarts is back after a minute or two; else check its network",
            )
        strange = f"; {silent.garbled} packets that are no IPMI came" if silent.garbled else ""
        return errors.BmcUnreachable(
            f"nothing answers IPMI there within {limit:g} s{because}{strange}",
            self.where,
            "Check host and port in [bmc], the network, and that IPMI over LAN is enabled "
            "(a virtual bench: vkbench lab up); timeout_s sets the limit",
        )

    def _slow(self, doing: str) -> errors.BenchError:
        return errors.BmcTimeout(
            f"it answers, but not to '{doing}' within {self._settings.timeout_s:g} s, and not in a second session either",
            self.where,
            "Give a slow BMC more time: timeout_s in [bmc]",
        )

    def _unknown_outcome(self, doing: str) -> errors.BenchError:
        """Silence after what must not be repeated: is the BMC still there?"""
        settings = self._settings
        link = Link(settings.cipher_suite, settings.timeout_s, settings.timeout_s)
        if link.is_there(settings.host, settings.address_port):
            return errors.BmcTimeout(
                f"no answer to '{doing}' within {settings.timeout_s:g} s; whether it happened is not known, "
                "and it is not repeated",
                self.where,
                "Look at the server's console; timeout_s in [bmc] sets the limit",
            )
        return errors.BmcGone(
            f"it fell silent at '{doing}'; whether that happened is not known",
            self.where,
            "A BMC that restarts is back after a minute or two; else check its network",
        )

    def _cipher(self, reason: str) -> errors.BenchError:
        suite = self._settings.cipher_suite
        return errors.BmcCipherMismatch(
            f"the BMC does not offer cipher suite {suite} ({reason})",
            self.where,
            f"Allow it in the BMC, or set cipher_suite = {20 - suite} in [bmc]",
        )

    def _refused(self, doing: str, error: pyipmi.errors.CompletionCodeError) -> errors.BenchError:
        text = f"'{doing}': completion code 0x{error.cc:02x} ({error.cc_desc})"
        if error.cc == NO_PRIVILEGE:
            return errors.BmcRefused(
                f"{text}: user {self._settings.user!r} lacks the privilege",
                self.where,
                "Give it administrator",
            )
        if error.cc in UNSUPPORTED:
            return errors.BmcNotSupported(
                f"{text}: this BMC does not do that, or not now (is the power on?)", self.where
            )
        return errors.BmcRefused(text, self.where)


def _is_on(ipmi: Any) -> bool:
    return bool(ipmi.get_chassis_status().power_on)


def _boot_flags(ipmi: Any) -> bytes:
    return bytes(ipmi.get_system_boot_options(BOOT_FLAGS))


def _asked(ipmi: Any, netfn: int, request: bytes) -> bytes:
    """A command and its data; the answer behind the completion code."""
    answer = bytes(ipmi.send_raw(0, netfn, request))
    if answer[0] != 0:
        raise pyipmi.errors.CompletionCodeError(answer[0])
    return answer[1:]


def _set_watchdog(ipmi: Any, tenths: int, action: int) -> None:
    """Stopped, for the operating system's use, no pre-timeout (section 27.6)."""
    data = bytes([SET_WATCHDOG, WATCHDOG_USE_OS, action, 0, 1 << WATCHDOG_USE_OS]) + tenths.to_bytes(
        2, "little"
    )
    _asked(ipmi, NETFN_APP, data)


def _cause(error: Exception) -> Exception:
    return error if isinstance(error, OSError) else TimeoutError()
