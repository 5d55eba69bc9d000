# SPDX-License-Identifier: Apache-2.0
"""VISA resource strings as PyVISA users write them: any case, with or without board number and INSTR (VPP-4.3 section 4.3.1).

PyVISA itself takes only upper-case words, so what is opened is always the canonical form.
"""

import re

SERIAL_BASE = "/dev/ttyS"  #: NI-VISA on Linux: ASRL1 is the first of them
INTERFACES = ("TCPIP", "ASRL", "USB", "GPIB")
_PARTS = "::"
_PORT_MAX = 65535


def canonical(text: str, interfaces: tuple[str, ...] = INTERFACES) -> str:
    """The resource as PyVISA takes it. Raises ValueError: what is wrong, and what would be right."""
    found = re.match(r"(TCPIP|ASRL|USB|GPIB)", text, re.IGNORECASE)
    if not found or found[1].upper() not in interfaces:
        raise ValueError(f"must be a VISA resource: {_examples(interfaces)}")
    kind = found[1].upper()
    rest = text[found.end() :].split(_PARTS)
    if rest[-1].upper() in ("INSTR", "SOCKET"):
        rest[-1] = rest[-1].upper()
    else:
        rest.append("INSTR")
    return {"TCPIP": _tcpip, "ASRL": _asrl, "USB": _usb, "GPIB": _gpib}[kind](rest)


def is_serial(resource: str) -> bool:
    """True for a serial port."""
    return resource.upper().startswith("ASRL")


def is_stream(resource: str) -> bool:
    """True where messages have no boundaries but the line's end: a serial port or a raw socket."""
    return is_serial(resource) or resource.upper().endswith("::SOCKET")


def _tcpip(parts: list[str]) -> str:
    board, host, *more = parts
    if not re.fullmatch(r"\d*", board) or not host or "[" in host:
        raise ValueError(f"must be {_examples(('TCPIP',))} (an IPv6 address: give it a host name)")
    if more[-1:] == ["SOCKET"]:
        if len(more) != 2 or not re.fullmatch(r"\d{1,5}", more[0]) or not 0 < int(more[0]) <= _PORT_MAX:
            raise ValueError(f"must be TCPIP::HOST::PORT::SOCKET, with a port of 1 to {_PORT_MAX}")
    elif len(more) > 2 or host == "INSTR":
        raise ValueError(f"must be {_examples(('TCPIP',))}")
    return _PARTS.join([f"TCPIP{board or 0}", host, *more])


def _asrl(parts: list[str]) -> str:
    if len(parts) != 2 or parts[1] != "INSTR" or not parts[0]:
        raise ValueError(f"must be {_examples(('ASRL',))} or ASRL3::INSTR, the third port, {SERIAL_BASE}2")
    device = parts[0]
    if device.isdigit():
        if int(device) == 0:
            raise ValueError(f"must count serial ports from 1: ASRL1::INSTR is {SERIAL_BASE}0")
        device = f"{SERIAL_BASE}{int(device) - 1}"
    elif not device.startswith("/"):
        raise ValueError("must name the serial port by number or with its path: ASRL/dev/ttyUSB1::INSTR")
    return f"ASRL{device}::INSTR"


def _usb(parts: list[str]) -> str:
    number = r"(0[xX][0-9A-Fa-f]{1,4}|\d{1,5})"
    board, *more = parts
    ids = more[:2]
    if (
        parts[-1] != "INSTR"
        or not re.fullmatch(r"\d*", board)
        or len(more) not in (4, 5)
        or not all(re.fullmatch(number, part) for part in ids)
    ):
        raise ValueError(
            "must be USB0::VENDOR::PRODUCT::SERIAL::INSTR, as USB0::0x1AB1::0x0E11::DP8C1234::INSTR"
        )
    return _PARTS.join([f"USB{board or 0}", *more])


def _gpib(parts: list[str]) -> str:
    board, *more = parts
    addresses = more[:-1]
    if (
        parts[-1] != "INSTR"
        or not re.fullmatch(r"\d*", board)
        or len(addresses) not in (1, 2)
        or not all(re.fullmatch(r"\d{1,2}", part) and int(part) <= 30 for part in addresses)
    ):
        raise ValueError("must be GPIB0::ADDRESS::INSTR, with an address of 0 to 30")
    return _PARTS.join([f"GPIB{board or 0}", *more])


def _examples(interfaces: tuple[str, ...]) -> str:
    of = {
        "TCPIP": "TCPIP::HOST::PORT::SOCKET or TCPIP::HOST::INSTR",
        "ASRL": "ASRL/dev/ttyUSB1::INSTR",
        "USB": "USB0::VENDOR::PRODUCT::SERIAL::INSTR",
        "GPIB": "GPIB0::ADDRESS::INSTR",
    }
    return ", ".join(of[name] for name in interfaces)
