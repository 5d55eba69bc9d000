# SPDX-License-Identifier: Apache-2.0
"""A BMC by Redfish (DMTF DSP0266) over HTTPS. What it cannot do is found in its own resources, not by trying."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from vkbench import config, errors
from vkbench.instruments.bmc_redfish_service import Service, link
from vkbench.instruments.protocol import BootDevice, WatchdogState

POLL_S = 0.2
ERASE_LIMIT_S = 30.0
RESET = "#ComputerSystem.Reset"
CLEAR = "#LogService.ClearLog"
BOOT_TARGETS: dict[BootDevice, str] = {
    "none": "None",
    "pxe": "Pxe",
    "disk": "Hdd",
    "cd": "Cd",
    "bios": "BiosSetup",
}
WATCHDOG_ACTIONS = {
    "None": "none",
    "ResetSystem": "reset",
    "PowerDown": "power-off",
    "PowerCycle": "power-cycle",
}
UNITS = {"Cel": "°C", "RPM": "rpm", "Percent": "%"}  # others are UCUM's and stay
# Deprecated resources of a chassis, on BMCs without Sensors: (resource, its list, where the value is, unit).
OLD_SENSORS = (
    ("Thermal", "Temperatures", "ReadingCelsius", "°C"),
    ("Thermal", "Fans", "Reading", "rpm"),
    ("Power", "PowerControl", "PowerConsumedWatts", "W"),
    ("Power", "Voltages", "ReadingVolts", "V"),
    ("Power", "PowerSupplies", "LastPowerOutputWatts", "W"),
)


class RedfishBmc:
    """The driver; see protocol.Bmc."""

    def __init__(self, settings: config.model.Bmc) -> None:
        self._settings = settings
        self._service = Service(settings)
        self._system_path = ""
        self.where = self._service.where

    def __enter__(self) -> Self:
        try:
            self.is_on()  # a wrong address, certificate or password must show now
        except BaseException:
            self._service.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    # ---- power -------------------------------------------------------------------------------------------------------

    def is_on(self) -> bool:
        return self._is_on(self._system("power state"))

    def power_on(self) -> None:
        if not self.is_on():  # many a BMC refuses On then
            self._reset("power on", "On", "ForceOn")
        self._wait_power(True)

    def power_off(self) -> None:
        if self.is_on():
            self._reset("power off", "ForceOff")
        self._wait_power(False)

    def power_cycle(self) -> None:
        # Not ResetType PowerCycle: few BMCs have it, and some answer before it is done.
        self.power_off()
        self.power_on()

    def reset(self) -> None:
        self._needs_power("hard reset")
        self._reset("hard reset", "ForceRestart", "PowerCycle", once=True)

    def shutdown(self) -> None:
        self._needs_power("soft shutdown")
        self._reset("soft shutdown", "GracefulShutdown", "PushPowerButton", once=True)

    def diagnostic_interrupt(self) -> None:
        self._needs_power("diagnostic interrupt")
        self._reset("diagnostic interrupt", "Nmi", once=True)

    def _is_on(self, system: dict[str, Any]) -> bool:
        state = system.get("PowerState")
        if state is None:
            raise errors.BmcNotSupported("the system has no PowerState", self.where)
        return state in ("On", "PoweringOff", "Paused")

    def _needs_power(self, doing: str) -> None:
        # Asked first: what a BMC does with a reset of a server that is off differs, some switch it on.
        if not self.is_on():
            raise errors.BmcNotSupported(f"'{doing}': the server's power is off", self.where)

    def _reset(self, doing: str, *types: str, once: bool = False) -> None:
        """ComputerSystem.Reset with the first of these types that the BMC has."""
        action = (self._system(doing).get("Actions") or {}).get(RESET)
        if not isinstance(action, dict) or not action.get("target"):
            raise errors.BmcNotSupported(f"'{doing}': the system has no action {RESET}", self.where)
        allowed = self._allowed(action, doing)
        kind = next((kind for kind in types if allowed is None or kind in allowed), None)
        if kind is None:
            raise errors.BmcNotSupported(
                f"'{doing}': needs ResetType {' or '.join(types)}; this BMC has {', '.join(allowed or [])}",
                self.where,
            )
        self._service.post(action["target"], {"ResetType": kind}, doing, once=once)

    def _allowed(self, action: dict[str, Any], doing: str) -> list[str] | None:
        """The reset types that the BMC names; None when it names none."""
        if (values := action.get("ResetType@Redfish.AllowableValues")) is not None:
            return values
        if info := action.get("@Redfish.ActionInfo"):
            for parameter in self._service.get(info, doing).get("Parameters") or []:
                if parameter.get("Name") == "ResetType":
                    return parameter.get("AllowableValues")
        return None

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
            time.sleep(POLL_S)

    # ---- boot device -------------------------------------------------------------------------------------------------

    def set_boot_device(self, device: BootDevice, persistent: bool = False) -> None:
        doing = "set boot device"
        boot, target = self._boot(doing), BOOT_TARGETS[device]
        allowed = boot.get("BootSourceOverrideTarget@Redfish.AllowableValues")
        if device != "none" and allowed is not None and target not in allowed:
            raise errors.BmcNotSupported(
                f"boot device {device!r} is {target}; this BMC has {', '.join(allowed)}", self.where
            )
        enabled = "Disabled" if device == "none" else "Continuous" if persistent else "Once"
        body = {"Boot": {"BootSourceOverrideEnabled": enabled, "BootSourceOverrideTarget": target}}
        self._service.patch(self._system_path, body, doing)
        if (taken := self.boot_device()) != device:
            raise errors.BmcRefused(f"boot device {device!r} was set, and {taken!r} reads back", self.where)

    def boot_device(self) -> BootDevice:
        boot = self._boot("boot device")
        target = boot.get("BootSourceOverrideTarget") or "None"
        if boot.get("BootSourceOverrideEnabled") == "Disabled":
            return "none"
        for name, value in BOOT_TARGETS.items():
            if value == target:
                return name
        raise errors.BmcNotSupported(f"the boot device is {target}, which has no name here", self.where)

    def _boot(self, doing: str) -> dict[str, Any]:
        boot = self._system(doing).get("Boot")
        if not isinstance(boot, dict) or "BootSourceOverrideEnabled" not in boot:
            raise errors.BmcNotSupported(f"'{doing}': the system has no boot override", self.where)
        return boot

    # ---- inventory, sensors, clock -----------------------------------------------------------------------------------

    def inventory(self) -> dict[str, Any]:
        system, manager = self._system("inventory"), self._manager("inventory")
        root = self._service.root()
        found: dict[str, Any] = {
            "protocol": "redfish",
            "firmware": str(manager.get("FirmwareVersion", "not said")),
            "redfish_version": root.get("RedfishVersion"),
            "manager": manager.get("Model"),
            "system": system.get("Id"),
            "uuid": system.get("UUID"),
            "bios": system.get("BiosVersion"),
            "tls": self._settings.tls,
        }
        names = {
            "Manufacturer": "product_manufacturer",
            "Model": "product_name",
            "PartNumber": "product_part_number",
            "SerialNumber": "product_serial_number",
        }
        fru = {name: str(system[key]) for key, name in names.items() if system.get(key)}
        return {key: value for key, value in found.items() if value is not None} | (
            {"fru": fru} if fru else {}
        )

    def sensors(self) -> list[dict[str, Any]]:
        found = []
        for chassis in self._linked("Chassis", "sensors"):
            if sensors := link(chassis.get("Sensors")):
                found += [_sensor(member) for member in self._service.members(sensors, "sensors")]
            else:
                found += self._old_sensors(chassis)
        return found

    def _old_sensors(self, chassis: dict[str, Any]) -> Iterator[dict[str, Any]]:
        resources: dict[str, dict[str, Any]] = {}
        for resource, part, key, unit in OLD_SENSORS:
            # sushy-tools has a Thermal without a link to it.
            path = link(chassis.get(resource)) or f"{link(chassis).rstrip('/')}/{resource}"
            if resource not in resources:
                resources[resource] = {}
                with suppress(errors.BmcNotSupported):
                    resources[resource] = self._service.get(path, "sensors")
            for number, entry in enumerate(resources[resource].get(part) or []):
                yield {
                    "name": entry.get("Name") or entry.get("FanName") or f"{part} {number}",
                    "value": entry.get(key),
                    "unit": UNITS.get(entry.get("ReadingUnits", ""), unit),
                    "status": _status(entry),
                }

    def clock(self) -> float:
        text = self._manager("clock").get("DateTime")
        seconds = _seconds(text)
        if seconds is None:
            raise errors.BmcNotSupported(
                f"the manager's DateTime is {text!r}: no time", self.where, "Set it (NTP)"
            )
        return seconds

    # ---- event log ---------------------------------------------------------------------------------------------------

    def event_log(self) -> list[dict[str, Any]]:
        log = self._log("system event log")
        name = log.get("Id") or ""
        entries = [_entry(member, name) for member in self._entries(log, "system event log")]
        # Oldest first, whatever the BMC's order; sorted() keeps it for those without a time.
        if all(entry["timestamp"] is not None for entry in entries):
            entries.sort(key=lambda entry: entry["timestamp"])
        return entries

    def clear_event_log(self) -> None:
        doing = "clear the event log"
        log = self._log(doing)
        target = ((log.get("Actions") or {}).get(CLEAR) or {}).get("target")
        if not target:
            raise errors.BmcNotSupported(f"'{doing}': log {log.get('Id')} has no action {CLEAR}", self.where)
        before = {self._identity(entry) for entry in self._entries(log, doing)}
        self._service.post(target, {}, doing)
        end = time.monotonic() + ERASE_LIMIT_S
        # Not "until it is empty": the first record of a cleared log often says that it was cleared.
        while before & {self._identity(entry) for entry in self._entries(log, doing)}:
            if time.monotonic() > end:
                raise errors.BmcTimeout(
                    f"the event log was not erased within {ERASE_LIMIT_S:g} s", self.where
                )
            time.sleep(POLL_S)

    @staticmethod
    def _identity(entry: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(entry.get(key)) for key in ("Id", "Created", "Message"))

    def _log(self, doing: str) -> dict[str, Any]:
        """The system event log: what is called so, else the first log with entries, else the first."""
        logs = list(self._logs(doing))
        if not logs:
            raise errors.BmcNotSupported(f"'{doing}': the BMC has no LogServices", self.where)
        for log in logs:
            if log.get("LogEntryType") == "SEL" or str(log.get("Id", "")).upper() == "SEL":
                return log
        for log in logs:
            if next(self._entries(log, doing), None) is not None:
                return log
        return logs[0]

    def _logs(self, doing: str) -> Iterator[dict[str, Any]]:
        owners = [self._system(doing), *self._linked("ManagedBy", doing), *self._linked("Chassis", doing)]
        for owner in owners:
            if services := link(owner.get("LogServices")):
                yield from self._service.members(services, doing)

    def _entries(self, log: dict[str, Any], doing: str) -> Iterator[dict[str, Any]]:
        if entries := link(log.get("Entries")):
            yield from self._service.members(entries, doing)

    # ---- watchdog ----------------------------------------------------------------------------------------------------

    def watchdog(self) -> WatchdogState:
        timer = self._system("watchdog").get("HostWatchdogTimer")
        if not isinstance(timer, dict):
            raise errors.BmcNotSupported(
                "the system has no HostWatchdogTimer", self.where, "IPMI has a watchdog"
            )
        action = timer.get("TimeoutAction", "None")
        return WatchdogState(
            running=bool(timer.get("FunctionEnabled")),
            action=WATCHDOG_ACTIONS.get(action, action),
            countdown_s=None,
            initial_s=None,
        )

    def start_watchdog(self, seconds: float, action: str = "reset") -> None:
        raise errors.BmcNotSupported(
            "Redfish cannot set a watchdog's time: the host does", self.where, "IPMI has a watchdog"
        )

    def stop_watchdog(self) -> None:
        self.watchdog()
        self._service.patch(
            self._system_path, {"HostWatchdogTimer": {"FunctionEnabled": False}}, "stop the watchdog"
        )

    # ---- resources ---------------------------------------------------------------------------------------------------

    def _system(self, doing: str) -> dict[str, Any]:
        if not self._system_path:
            self._system_path = self._find_system(doing)
        return self._service.get(self._system_path, doing)

    def _find_system(self, doing: str) -> str:
        systems = link(self._service.root().get("Systems"))
        paths = self._service.links(systems, doing) if systems else []
        wanted = self._settings.system
        if wanted is None and len(paths) == 1:
            return paths[0]
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in paths]
        if wanted in names:
            return paths[names.index(wanted)]
        for path in paths if wanted else []:
            system = self._service.get(path, doing)
            if wanted in (system.get("Id"), system.get("Name")):
                return path
        if not paths:
            raise errors.BmcNotSupported("it has no ComputerSystem", self.where)
        what = f"has no system {wanted!r}, but" if wanted else "has more than one system:"
        raise errors.UserError(f"{what} {', '.join(names)}", self.where, "Name one as system in [bmc]")

    def _linked(self, kind: str, doing: str) -> list[dict[str, Any]]:
        """The resources that the system links to."""
        links = (self._system(doing).get("Links") or {}).get(kind) or []
        return [self._service.get(link(one), doing) for one in links if link(one)]

    def _manager(self, doing: str) -> dict[str, Any]:
        """The BMC itself; empty when the service does not say."""
        if managers := self._linked("ManagedBy", doing):
            return managers[0]
        if managers_path := link(self._service.root().get("Managers")):
            return next(self._service.members(managers_path, doing), {})
        return {}


def _seconds(text: Any) -> float | None:
    """Seconds since 1970 of an ISO 8601 time with its offset; None for what is none, or for a clock that was not set."""
    try:
        time_ = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time_.timestamp() if time_.tzinfo and time_.year > 1980 else None


def _entry(entry: dict[str, Any], log: str) -> dict[str, Any]:
    found = {
        "record_id": entry.get("Id"),
        "timestamp": _seconds(entry.get("Created")),
        "message": str(entry.get("Message") or entry.get("MessageId") or entry.get("EntryCode") or "no text"),
        "log": log,
    }
    more = {
        "severity": "Severity",
        "type": "EntryType",
        "sensor_type": "SensorType",
        "sensor_number": "SensorNumber",
        "event": "EntryCode",
        "created": "Created",
    }
    return found | {name: entry[key] for name, key in more.items() if entry.get(key) is not None}


def _sensor(sensor: dict[str, Any]) -> dict[str, Any]:
    unit = sensor.get("ReadingUnits") or ""
    return {
        "name": sensor.get("Name") or sensor.get("Id"),
        "value": sensor.get("Reading"),
        "unit": UNITS.get(unit, unit),
        "status": _status(sensor),
    }


def _status(resource: dict[str, Any]) -> str:
    status = resource.get("Status") or {}
    state, health = status.get("State"), status.get("Health")
    if state not in (None, "Enabled"):
        return str(state).lower()
    return str(health or "").lower()
