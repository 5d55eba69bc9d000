#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures in the manner of sigrok-cli: what to connect to, what to wait for, where to save. Standard library only.

    sigrok_style.py -d tcp/127.0.0.1/5025 --scan
    sigrok_style.py -d tcp/127.0.0.1/5025 -t console="Kernel panic" -o panic.vkc
    sigrok_style.py -d serial:/dev/ttyUSB1 -t doorbell --segments 4 -o doorbells.csv
    sigrok_style.py -d tcp/127.0.0.1/5025 -t program=trigger.scpi --channels RQ,RC -o dma.vkc

A program is a file of TRIGger settings, one a line (docs/scpi.md); the example makes its source SEQuence. The .vkc
opens in "vkbench capture show", the .csv anywhere.
"""

import argparse
import csv
import json
import os
import re
import select
import socket
import struct
import sys
import termios
import time
import tty
import zlib
from pathlib import Path

RECORD = struct.Struct("<QBBHI4I")  # docs/capture-format.md: timestamp, kind, flags, aux, data, header
KINDS = [
    "?",
    "CQ",
    "CC",
    "RQ",
    "RC",
    "CFG",
    "RESET",
    "MSIX",
    "CONSOLE",
    "GATE",
    "MARK",
    "TRIGGER",
    "LOSS",
    "CONFIG",
    "LEVEL",
]
NAMED = {"doorbell": "DOOR", "bme": "BME", "flr": "FLR"}


class Analyser:
    """Lines and blocks over a file descriptor: a TCP socket or a serial port, raw."""

    def __init__(self, device: str, baud: int) -> None:
        self.link = None
        if device.startswith("serial:"):
            self.file = os.open(device.removeprefix("serial:"), os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.file)
            mode = termios.tcgetattr(self.file)
            mode[4] = mode[5] = getattr(termios, f"B{baud}")
            termios.tcsetattr(self.file, termios.TCSANOW, mode)
        else:
            _, host, port = device.split("/")
            self.link = socket.create_connection((host, int(port)), timeout=10)
            self.file = self.link.fileno()
            os.set_blocking(self.file, True)
        self.write("\x03")  # Ctrl-C: what an earlier client left half done is void
        while select.select([self.file], [], [], 0.1)[0]:
            os.read(self.file, 65536)
        self.write("*CLS\n")

    def write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self.file, data) :]

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not select.select([self.file], [], [], 10)[0]:
                sys.exit("the analyser is silent")
            if not (more := os.read(self.file, count - len(data))):
                sys.exit("the connection is gone")
            data += more
        return data

    def ask(self, query: str) -> str:
        self.write(query + "\n")
        line = b""
        while not line.endswith(b"\n"):
            line += self.read(1)
        return line[:-1].decode("latin-1")

    def do(self, command: str) -> None:
        error = self.ask(command + ";:SYST:ERR?")
        if not error.startswith("0,"):
            sys.exit(f"{command}: {error}")

    def block(self, query: str) -> bytes:
        self.write(query + "\n")
        head = self.read(2)
        data = self.read(int(self.read(int(head[1:]))))
        self.read(1)
        return data


def configure(analyser: Analyser, trigger: str) -> None:
    name, _, value = trigger.partition("=")
    analyser.do("TRIG:CLE")
    if name == "console":
        quoted = value.replace('"', '""')
        analyser.do(f'TRIG:SOUR CONS;CONS:TEXT "{quoted}"')
    elif name == "program":
        with Path(value).open() as file:
            for line in filter(None, (line.strip() for line in file)):
                analyser.do(line)
        analyser.do("TRIG:SOUR SEQ")
    elif name in NAMED:
        analyser.do(f"TRIG:SOUR {NAMED[name]}")
    else:
        sys.exit(f"unknown trigger {trigger!r}: console=TEXT, program=FILE, {', '.join(NAMED)}")


def header(analyser: Analyser) -> dict:
    """What a .vkc says about how it was recorded (docs/capture-format.md)."""
    source = analyser.ask("TRIG:SOUR?")
    long = {"CONS": "CONSOLE", "DOOR": "DOORBELL", "SEQ": "SEQUENCE"}
    text = analyser.ask("TRIG:CONS:TEXT?")[1:-1].replace('""', '"')
    rows = (row.split(",") for row in analyser.ask("STAT:ALL?").split(";"))
    names = ("count_arm", "count", "first", "last")
    parts = int(analyser.ask("CAPT:SEGM:COUN?"))
    segments = [analyser.ask(f"CAPT:SEGM? {n + 1}").split(",") for n in range(parts)]
    found = {
        "format": "vkcap",
        "version": 2,
        "layout_version": 2,
        "clock_hz": int(analyser.ask("SYST:CLOC?")),
        "idn": analyser.ask("*IDN?"),
        "depth": int(analyser.ask("CAPT:DEPT?")),
        "pretrigger": int(analyser.ask("CAPT:PRET?")),
        "trigger": {
            "source": long.get(source, source),
            "text": text,
            "time": int(analyser.ask("TRIG:TIME?")),
            "program": analyser.ask("TRIG:PROG?"),
        },
        "segments": [
            dict(zip(("first", "count", "armed", "trigger"), map(int, one), strict=True)) for one in segments
        ],
        "fold": analyser.ask("CAPT:FOLD?") == "1",
        "state": analyser.ask("CAPT:STAT?"),
        "lost": int(analyser.ask("CAPT:LOST?")),
        "statistics": {name: dict(zip(names, map(int, values), strict=True)) for name, *values in rows},
    }
    if (taps := analyser.ask("CAPT:QUAL?")) != "ALL":
        found["qualify"] = {"taps": taps.split(","), "term": None}
    return found


def save_vkc(path: str, head: dict, records: bytes) -> None:
    text = json.dumps(head).encode()
    text += b" " * (-(16 + len(text)) % 32)
    start = b"VKCAP\0\0\2" + struct.pack("<I", len(text)) + text
    with Path(path).open("wb") as file:
        file.write(start + struct.pack("<I", zlib.crc32(start)))
        blocks = 0
        for at in range(0, len(records), 8192 * 32):
            data = records[at : at + 8192 * 32]
            before = struct.pack("<4sII", b"BLK2", blocks, len(data) // 32)
            behind = data[:8] + data[-32:-24]  # first and last timestamp
            crc = zlib.crc32(before + behind + data)
            file.write(before + struct.pack("<I", crc) + behind + data)
            blocks += 1
        end = struct.pack("<4sIQ", b"END2", blocks, len(records) // 32)
        file.write(end + struct.pack("<I", zlib.crc32(end)))


def save_csv(path: str, head: dict, records: bytes) -> None:
    with Path(path).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["cycle", "seconds", "kind", "flags", "aux", "data", "dw0", "dw1", "dw2", "dw3"])
        for cycle, kind, flags, aux, data, *header_words in RECORD.iter_unpack(records):
            seconds = f"{cycle / head['clock_hz']:.9f}"
            words = [f"{word:#010x}" for word in header_words]
            table.writerow([cycle, seconds, KINDS[kind], flags, aux, f"{data:#010x}", *words])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-d", "--device", required=True, help="tcp/HOST/PORT or serial:DEVICE")
    parser.add_argument("--baud", type=int, default=115200)
    parser.add_argument("--scan", action="store_true", help="say what is there, and end")
    parser.add_argument(
        "-t", "--trigger", default="doorbell", help="console=TEXT, program=FILE, doorbell, bme, flr"
    )
    parser.add_argument("-C", "--channels", default="ALL", help="taps to record, as RQ,RC")
    parser.add_argument("--segments", type=int, default=1)
    parser.add_argument("--time", type=float, default=600, help="longest wait, seconds")
    parser.add_argument("-o", "--output-file", help=".vkc or .csv")
    args = parser.parse_args()

    analyser = Analyser(args.device, args.baud)
    print(analyser.ask("*IDN?"))
    if args.scan:
        return
    if not args.output_file or not re.search(r"\.(vkc|csv)$", args.output_file):
        parser.error("-o FILE.vkc or FILE.csv")
    configure(analyser, args.trigger)
    analyser.do(f"CAPT:QUAL {args.channels};SEGM {args.segments}")
    records = int(analyser.ask("CAPT:DEPT?")) // args.segments
    analyser.do(f"CAPT:PRET {records // 2}")
    analyser.do("CAPT:ARM")
    print("armed:", analyser.ask("TRIG:PROG?"), flush=True)
    end = time.monotonic() + args.time
    while (state := analyser.ask("CAPT:STAT?")) != "DONE":
        if time.monotonic() > end:
            sys.exit(f"still {state} after {args.time:g} s")
        time.sleep(0.1)
    head, count = header(analyser), int(analyser.ask("CAPT:COUN?"))
    parts = (analyser.block(f"CAPT:DATA? {at},{min(2048, count - at)}") for at in range(0, count, 2048))
    save = save_csv if args.output_file.endswith(".csv") else save_vkc
    save(args.output_file, head, b"".join(parts))
    print(f"{count} records, {head['lost']} events lost: {args.output_file}")


if __name__ == "__main__":
    main()
