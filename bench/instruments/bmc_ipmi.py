# SPDX-License-Identifier: Apache-2.0
"""A BMC by IPMI 2.0 over LAN (RMCP+), through python-ipmi's own protocol code: no helper program.

Each command opens its own session: a few milliseconds, and a BMC that was restarted or dropped an idle session between
two commands (60 s, IPMI 2.0 section 6.12.15) then makes no difference.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import pyipmi
import pyipmi.errors
from pyipmi.interfaces.rmcpplus import RmcpPlus

from vkbench import config, errors

BMC_ADDRESS = 0x20  # IPMI 2.0 section 5.4: the BMC's own address
CIPHER_SUITE = 3  # RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128: the one that every IPMI 2.0 BMC must offer
RETRIES = 1  # one UDP packet may be lost
POLL_S = 0.05
# Completion codes, IPMI 2.0 table 5-2.
INVALID_COMMAND, NOT_IN_THIS_STATE, NO_PRIVILEGE = 0xC1, 0xD5, 0xD4
UNSUPPORTED = {INVALID_COMMAND, 0xC2, 0xCC, NOT_IN_THIS_STATE, 0xD6}
LOGIN_REFUSED = {
    0x0C,
    0x0D,
    0x0E,
    0x0F,
    0x12,
}  # RMCP+ status codes, table 13-15: name, role, privilege, integrity check


class _Interface(RmcpPlus):
    """python-ipmi's RMCP+ interface with our timeout: its own is fixed at 2 s when the socket opens."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(cipher_suite=CIPHER_SUITE, keep_alive_interval=0, max_retries=RETRIES)
        self._limit = timeout_s

    def open(self) -> None:
        super().open()
        self.set_timeout(self._limit)


class IpmiBmc:
    """The driver; see protocol.Bmc."""

    def __init__(self, settings: config.model.Bmc) -> None:
        self._settings = settings
        self._password = settings.password.read()
        self.where = f"BMC {settings.host}:{settings.address_port}"

    def __enter__(self) -> Self:
        self.is_on()  # a wrong address or password must show now, not when the server has to be switched off
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def is_on(self) -> bool:
        with self._session("chassis status") as ipmi:
            return bool(ipmi.get_chassis_status().power_on)

    def power_on(self) -> None:
        with self._session("power on") as ipmi:
            ipmi.chassis_control_power_up()
        self._wait_power(True)

    def power_off(self) -> None:
        with self._session("power off") as ipmi:
            ipmi.chassis_control_power_down()
        self._wait_power(False)

    def power_cycle(self) -> None:
        # Not the BMC's own power cycle: it is refused when the server is off, and some BMCs answer before it is done.
        if self.is_on():
            self.power_off()
        self.power_on()

    def reset(self) -> None:
        with self._session("hard reset") as ipmi:
            ipmi.chassis_control_hard_reset()

    def diagnostic_interrupt(self) -> None:
        with self._session("diagnostic interrupt") as ipmi:
            ipmi.chassis_control_diagnostic_interrupt()

    def inventory(self) -> dict[str, Any]:
        with self._session("device id") as ipmi:
            device = ipmi.get_device_id()
            found: dict[str, Any] = {
                "device_id": device.device_id,
                "firmware": str(device.fw_revision),
                "ipmi_version": str(device.ipmi_version),
                "manufacturer_id": device.manufacturer_id,
                "product_id": device.product_id,
            }
        # A BMC without a FRU (or with an unreadable one) is still usable; what is missing shows as missing.
        with suppress(errors.InstrumentError), self._session("FRU inventory") as ipmi:
            found["fru"] = _fru_texts(ipmi.get_fru_inventory())
        return found

    def event_log(self) -> list[dict[str, Any]]:
        with self._session("system event log") as ipmi:
            return [
                {
                    "record_id": entry.record_id,
                    "type": entry.type,
                    "timestamp": entry.timestamp,
                    "generator_id": entry.generator_id,
                    "sensor_type": entry.sensor_type,
                    "sensor_number": entry.sensor_number,
                    "event_type": entry.event_type,
                    "asserted": entry.event_direction == 0,
                    "event_data": bytes(entry.event_data).hex(),
                    "raw": bytes(entry.data).hex(),
                }
                for entry in ipmi.sel_entries()
            ]

    def _wait_power(self, on: bool) -> None:
        limit = self._settings.power_timeout_s
        end = time.monotonic() + limit
        while self.is_on() != on:
            if time.monotonic() > end:
                raise errors.BmcTimeout(
                    f"the power did not go {'on' if on else 'off'} within {limit:g} s",
                    self.where,
                    "Look at the server itself; power_timeout_s in [bmc] sets the limit",
                )
            time.sleep(POLL_S)  # the protocol has no event for a change of power

    @contextmanager
    def _session(self, doing: str) -> Iterator[Any]:
        """An open IPMI session. Every failure in it becomes one of this package's errors."""
        settings = self._settings
        interface = _Interface(settings.timeout_s / (RETRIES + 1))
        ipmi = pyipmi.create_connection(interface)
        ipmi.session.set_session_type_rmcp(settings.host, settings.address_port)
        ipmi.session.set_auth_type_user(settings.user, self._password)
        ipmi.session.set_priv_level("ADMINISTRATOR")
        ipmi.target = pyipmi.Target(ipmb_address=BMC_ADDRESS)
        try:
            try:
                ipmi.open()
            except (pyipmi.errors.IpmiConnectionError, OSError) as error:
                raise self._unreachable(error) from None
            yield ipmi
        except errors.BenchError:
            raise
        except (pyipmi.errors.AuthenticationError, pyipmi.errors.IpmiLongPasswordError):
            raise self._login() from None
        except pyipmi.errors.MessageStatusCodeError as error:
            if error.msc in LOGIN_REFUSED:
                raise self._login() from None
            raise errors.BmcRefused(
                f"{doing}: the BMC refuses a session: {error.msc_desc}", self.where
            ) from None
        except pyipmi.errors.CompletionCodeError as error:
            raise self._refused(doing, error) from None
        except (pyipmi.errors.RetryError, pyipmi.errors.IpmiTimeoutError, TimeoutError):
            raise errors.BmcTimeout(
                f"no answer to '{doing}' within {settings.timeout_s:g} s",
                self.where,
                "Check the management network; timeout_s in [bmc] sets the limit",
            ) from None
        except OSError as error:
            raise self._unreachable(error) from None
        except (pyipmi.errors.DecodingError, pyipmi.errors.NotSupportedError, ValueError) as error:
            raise errors.BmcRefused(f"{doing}: the BMC's answer is not usable: {error}", self.where) from None
        finally:
            # The answer to the last command is in hand; a BMC that fails to say good-bye changes nothing.
            with suppress(Exception):
                ipmi.close()
            interface.close()

    def _unreachable(self, error: Exception) -> errors.BenchError:
        settings = self._settings
        if isinstance(error, socket.gaierror):
            return errors.BmcUnreachable(
                f"the host name {settings.host!r} is not known", self.where, "Check host in [bmc]"
            )
        reason = error.strerror if isinstance(error, OSError) else None
        return errors.BmcUnreachable(
            f"nothing answers IPMI there within {settings.timeout_s:g} s"
            + (f" ({reason})" if reason else ""),
            self.where,
            "Check host and port in [bmc], the network, and that IPMI over LAN is enabled "
            "(a virtual bench: vkbench lab up)",
        )

    def _login(self) -> errors.BenchError:
        secret = self._settings.password
        source = f"environment variable {secret.env}" if secret.env else f"file {secret.path}"
        return errors.BmcLoginError(
            f"the BMC refuses user {self._settings.user!r} with the password from {source}",
            self.where,
            "Check both; the user needs the administrator privilege over LAN",
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


def _fru_texts(fru: Any) -> dict[str, str]:
    """The texts of a FRU's areas that identify the machine."""
    texts = {}
    for area in ("chassis_info_area", "board_info_area", "product_info_area"):
        content = getattr(fru, area, None)
        for name in ("manufacturer", "product_name", "part_number", "serial_number", "version"):
            value = getattr(content, name, None)
            value = getattr(value, "string", value) or getattr(value, "value", None)
            if value:
                texts[f"{area.removesuffix('_info_area')}_{name}"] = str(value)
    return texts
