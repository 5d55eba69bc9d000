# SPDX-License-Identifier: Apache-2.0
"""A BMC's records, read through an open IPMI session and put into words: event log (SEL), sensors (SDR), FRU.

Tables are those of the IPMI 2.0 specification, revision 1.1; of the texts only those that a server's BMC reports.
"""

from collections.abc import Iterator
from typing import Any

import pyipmi.errors
from pyipmi import sdr
from pyipmi.msgs import create_request_by_name

NO_TIME, UPTIME_BELOW = 0xFFFFFFFF, 0x20000000  # section 37.1: below it, seconds since the BMC's start
FIRST, LAST = 0x0000, 0xFFFF  # record ids
SYSTEM_EVENT, OEM_TIMED, OEM = 0x02, range(0xC0, 0xE0), range(0xE0, 0x100)  # record types, section 32
WHOLE_RECORD, RECORD_BYTES = 0xFF, 16
CANNOT_RETURN_SO_MANY, NOT_PRESENT, RESERVATION_CANCELLED = 0xCA, 0xCB, 0xC5
READ_AGAIN = 3  # when the log changes while it is read
THRESHOLD, SENSOR_SPECIFIC = 0x01, 0x6F  # event/reading types, table 42-1

SENSOR_TYPES = {  # table 42-3
    0x01: "Temperature",
    0x02: "Voltage",
    0x03: "Current",
    0x04: "Fan",
    0x05: "Physical Security",
    0x06: "Platform Security",
    0x07: "Processor",
    0x08: "Power Supply",
    0x09: "Power Unit",
    0x0A: "Cooling Device",
    0x0B: "Other Units",
    0x0C: "Memory",
    0x0D: "Drive Slot",
    0x0E: "POST Memory Resize",
    0x0F: "System Firmware Progress",
    0x10: "Event Logging Disabled",
    0x11: "Watchdog 1",
    0x12: "System Event",
    0x13: "Critical Interrupt",
    0x14: "Button",
    0x15: "Module",
    0x16: "Microcontroller",
    0x17: "Add-in Card",
    0x18: "Chassis",
    0x19: "Chip Set",
    0x1A: "Other FRU",
    0x1B: "Cable",
    0x1C: "Terminator",
    0x1D: "System Boot Initiated",
    0x1E: "Boot Error",
    0x1F: "OS Boot",
    0x20: "OS Stop",
    0x21: "Slot",
    0x22: "ACPI Power State",
    0x23: "Watchdog 2",
    0x24: "Platform Alert",
    0x25: "Entity Presence",
    0x26: "Monitor ASIC",
    0x27: "LAN",
    0x28: "Management Subsystem Health",
    0x29: "Battery",
    0x2A: "Session Audit",
    0x2B: "Version Change",
    0x2C: "FRU State",
}
THRESHOLD_EVENTS = (  # table 42-2, offsets 0 to 11
    "lower non-critical, going low",
    "lower non-critical, going high",
    "lower critical, going low",
    "lower critical, going high",
    "lower non-recoverable, going low",
    "lower non-recoverable, going high",
    "upper non-critical, going low",
    "upper non-critical, going high",
    "upper critical, going low",
    "upper critical, going high",
    "upper non-recoverable, going low",
    "upper non-recoverable, going high",
)
SPECIFIC_EVENTS = {  # table 42-3: (sensor type, offset)
    (0x07, 0x00): "IERR",
    (0x07, 0x01): "thermal trip",
    (0x07, 0x0B): "uncorrectable machine check",
    (0x08, 0x00): "present",
    (0x08, 0x01): "failure",
    (0x08, 0x03): "input lost",
    (0x09, 0x00): "power off",
    (0x09, 0x01): "power cycle",
    (0x09, 0x04): "AC lost",
    (0x0C, 0x00): "correctable ECC",
    (0x0C, 0x01): "uncorrectable ECC",
    (0x10, 0x02): "log area cleared",
    (0x10, 0x04): "log full",
    (0x12, 0x05): "timestamp clock synchronised",
    (0x13, 0x00): "front panel NMI",
    (0x13, 0x01): "bus time-out",
    (0x13, 0x02): "I/O channel check NMI",
    (0x13, 0x03): "software NMI",
    (0x13, 0x04): "PCI PERR",
    (0x13, 0x05): "PCI SERR",
    (0x13, 0x07): "bus correctable error",
    (0x13, 0x08): "bus uncorrectable error",
    (0x13, 0x09): "fatal NMI",
    (0x13, 0x0A): "bus fatal error",
    (0x14, 0x00): "power button",
    (0x14, 0x02): "reset button",
    (0x1D, 0x00): "power up",
    (0x1D, 0x01): "hard reset",
    (0x1D, 0x02): "warm reset",
    (0x1F, 0x01): "C: boot completed",
    (0x20, 0x00): "stop during OS load",
    (0x20, 0x01): "run-time stop (panic)",
    (0x20, 0x02): "graceful stop",
    (0x20, 0x03): "graceful shutdown",
    (0x22, 0x00): "S0, working",
    (0x22, 0x05): "S5, soft off",
    (0x22, 0x06): "S4/S5, soft off",
    (0x23, 0x00): "expired",
    (0x23, 0x01): "hard reset",
    (0x23, 0x02): "power off",
    (0x23, 0x03): "power cycle",
    (0x23, 0x08): "pre-timeout",
}
UNITS = {  # table 43-15
    1: "°C",
    2: "°F",
    3: "K",
    4: "V",
    5: "A",
    6: "W",
    7: "J",
    8: "C",
    9: "VA",
    17: "ft³/min",
    18: "rpm",
    19: "Hz",
    20: "µs",
    21: "ms",
    22: "s",
    23: "min",
    24: "h",
}
THRESHOLD_STATES = (  # table 35-15, worst first
    (0x20, "upper non-recoverable"),
    (0x04, "lower non-recoverable"),
    (0x10, "upper critical"),
    (0x02, "lower critical"),
    (0x08, "upper non-critical"),
    (0x01, "lower non-critical"),
)


# ---- event log -------------------------------------------------------------------------------------------------------


def event_log(ipmi: Any) -> list[dict[str, Any]]:
    """The whole log, oldest first. An event that comes meanwhile may be in it or not; an erasure begins the reading anew."""
    for attempt in range(READ_AGAIN):
        try:
            return [entry(record) for record in _records(ipmi)]
        except pyipmi.errors.CompletionCodeError as error:
            if error.cc not in (RESERVATION_CANCELLED, NOT_PRESENT) or attempt + 1 == READ_AGAIN:
                raise
    raise AssertionError  # the last attempt returns or raises


def _records(ipmi: Any) -> Iterator[bytes]:
    if ipmi.get_sel_entries_count() == 0:
        return
    reservation = ipmi.get_sel_reservation_id()
    number, seen = FIRST, set()
    while number != LAST:
        if number in seen:
            raise pyipmi.errors.DecodingError(f"the event log's record {number:#06x} comes twice")
        seen.add(number)
        record, number = _record(ipmi, reservation, number)
        yield record


def _record(ipmi: Any, reservation: int, number: int) -> tuple[bytes, int]:
    """One record and the next one's number; in parts when the BMC cannot send it whole."""
    data, step = b"", WHOLE_RECORD
    while True:
        request = create_request_by_name("GetSelEntry")
        request.reservation_id, request.record_id, request.offset = reservation, number, len(data)
        request.length = step if step == WHOLE_RECORD else min(step, RECORD_BYTES - len(data))
        answer = ipmi.send_message(request)
        if answer.completion_code == CANNOT_RETURN_SO_MANY and step > 1:
            step = RECORD_BYTES // 2 if step == WHOLE_RECORD else step // 2
            continue
        if answer.completion_code != 0:
            raise pyipmi.errors.CompletionCodeError(answer.completion_code)
        data += bytes(answer.record_data)
        if len(data) >= RECORD_BYTES:
            return data[:RECORD_BYTES], answer.next_record_id
        if not answer.record_data:
            raise pyipmi.errors.DecodingError(f"the event log's record {number:#06x} ends early")


def entry(record: bytes) -> dict[str, Any]:
    """One record of 16 bytes (section 32)."""
    kind = record[2]
    found: dict[str, Any] = {"record_id": int.from_bytes(record[:2], "little"), "type": kind}
    found["timestamp"] = None
    uptime = ""
    if kind == SYSTEM_EVENT or kind in OEM_TIMED:
        seconds = int.from_bytes(record[3:7], "little")
        if UPTIME_BELOW <= seconds < NO_TIME:
            found["timestamp"] = seconds
        elif seconds < UPTIME_BELOW:
            found["since_start_s"] = seconds
            uptime = f" ({seconds} s after the BMC's start; its clock was not set)"
    if kind == SYSTEM_EVENT:
        event = {
            "generator_id": int.from_bytes(record[7:9], "little"),
            "sensor_type": record[10],
            "sensor_number": record[11],
            "event_type": record[12] & 0x7F,
            "asserted": not record[12] & 0x80,
            "event_data": record[13:].hex(),
        }
        found |= event
        found["message"] = event_text(**event) + uptime
    else:
        found["message"] = f"record of type {kind:#04x}: {record[3:].hex()}{uptime}"
    found["raw"] = record.hex()
    return found


def event_text(
    sensor_type: int, sensor_number: int, event_type: int, asserted: bool, event_data: str, **_: Any
) -> str:
    """What a sensor reported, as ``ipmitool sel`` would say it."""
    data = bytes.fromhex(event_data)
    offset = data[0] & 0xF
    what = f"event {event_type:#04x} offset {offset}, data {event_data}"
    if event_type == THRESHOLD and offset < len(THRESHOLD_EVENTS):
        what = THRESHOLD_EVENTS[offset]
    elif event_type == SENSOR_SPECIFIC and (sensor_type, offset) in SPECIFIC_EVENTS:
        what = SPECIFIC_EVENTS[sensor_type, offset]
    name = SENSOR_TYPES.get(sensor_type, f"sensor type {sensor_type:#04x}")
    return f"{name} {sensor_number:#04x}: {what}{'' if asserted else ', over'}"


# ---- sensors ---------------------------------------------------------------------------------------------------------


def sensors(ipmi: Any) -> Iterator[dict[str, Any]]:
    """Each sensor of the repository (SDR) with its reading."""
    reservation = ipmi.reserve_sdr_repository()
    if ipmi.get_sdr_repository_info().record_count == 0:
        return
    number, seen = FIRST, set()
    while number != LAST and number not in seen:
        seen.add(number)
        try:
            record = ipmi.get_repository_sdr(number, reservation)
            number = record.next_id
        except pyipmi.errors.DecodingError:  # of a kind that python-ipmi cannot read
            number = _next_sdr(ipmi, reservation, number)
            continue
        if isinstance(record, sdr.SdrFullSensorRecord | sdr.SdrCompactSensorRecord):
            yield _sensor(ipmi, record)


def _next_sdr(ipmi: Any, reservation: int, number: int) -> int:
    request = create_request_by_name("GetSdr")
    request.reservation_id, request.record_id = reservation, number
    request.offset, request.bytes_to_read = 0, 5
    answer = ipmi.send_message(request)
    if answer.completion_code != 0:
        raise pyipmi.errors.CompletionCodeError(answer.completion_code)
    return answer.next_record_id


def _sensor(ipmi: Any, record: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": record.device_id_string.strip() if record.device_id_string else f"sensor {record.number}",
        "value": None,
        "unit": "",
        "status": "",
        "number": record.number,
        "type": SENSOR_TYPES.get(record.sensor_type_code, f"type {record.sensor_type_code:#04x}"),
    }
    request = create_request_by_name("GetSensorReading")
    request.sensor_number, request.lun = record.number, record.owner_lun
    answer = ipmi.send_message(request)
    if answer.completion_code != 0:
        found["status"] = (
            "absent" if answer.completion_code == NOT_PRESENT else f"error {answer.completion_code:#04x}"
        )
        return found
    # The bit's name in python-ipmi is wrong way round: 1 means that the sensor is scanned (table 35-15).
    if answer.config.initial_update_in_progress or not answer.config.sensor_scanning_disabled:
        found["status"] = "not readable now"
        return found
    states = (answer.states1 or 0) | (answer.states2 or 0) << 8
    analog = isinstance(record, sdr.SdrFullSensorRecord) and record.analog_data_format != 3
    if analog:
        found["value"] = round(record.convert_sensor_raw_to_value(answer.sensor_reading), 6)
        found["unit"] = "%" if record.percentage else UNITS.get(record.units_2, f"unit {record.units_2}")
    if record.event_reading_type_code == THRESHOLD:
        found["status"] = next((text for bit, text in THRESHOLD_STATES if states & bit), "ok")
    else:
        states &= 0x7FFF
        found["status"] = _states(record, states) or "ok"
        if not analog:
            found["value"] = states
    return found


def _states(record: Any, states: int) -> str:
    """The states of a discrete sensor that are asserted."""
    texts = []
    for offset in range(15):
        if states >> offset & 1:
            text = None
            if record.event_reading_type_code == SENSOR_SPECIFIC:
                text = SPECIFIC_EVENTS.get((record.sensor_type_code, offset))
            texts.append(text or f"state {offset}")
    return ", ".join(texts)


# ---- FRU -------------------------------------------------------------------------------------------------------------


def fru_texts(fru: Any) -> dict[str, str]:
    """The texts of a FRU's areas that identify the machine."""
    texts = {}
    for area in ("chassis_info_area", "board_info_area", "product_info_area"):
        content = getattr(fru, area, None)
        for name in ("manufacturer", "product_name", "name", "part_number", "serial_number", "version"):
            value = getattr(content, name, None)
            value = getattr(value, "string", value) or getattr(value, "value", None)
            if value:
                texts[f"{area.removesuffix('_info_area')}_{name}"] = str(value)
    return texts
