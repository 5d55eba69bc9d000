# SPDX-License-Identifier: Apache-2.0
"""One capture with PyVISA: wait for a text on the server's console, save the records.

pip install pyvisa pyvisa-py pyserial
python pyvisa_capture.py TCPIP::127.0.0.1::5025::SOCKET "Kernel panic" records.bin
python pyvisa_capture.py ASRL/dev/ttyUSB1::INSTR "Kernel panic" records.bin --baud 115200
"""

import argparse
import contextlib
import time
from pathlib import Path

import pyvisa


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("resource", help="VISA resource")
    parser.add_argument("text", help="text on the console")
    parser.add_argument("file", help="for the records, 32 bytes each (docs/capture-format.md)")
    parser.add_argument("--baud", type=int, default=115200)
    parser.add_argument("--timeout", type=float, default=600, help="longest wait for the text, seconds")
    args = parser.parse_args()

    options = {"baud_rate": args.baud} if args.resource.startswith("ASRL") else {}
    analyser = pyvisa.ResourceManager("@py").open_resource(
        args.resource, read_termination="\n", write_termination="\n", **options
    )

    def do(command: str) -> None:
        error = analyser.query(command + ";:SYST:ERR?")
        if not error.startswith("0,"):
            raise SystemExit(f"{command}: {error}")

    # Ctrl-C: what an earlier program left half done is void; what it left unread is thrown away.
    analyser.write("\x03")
    analyser.timeout = 200
    with contextlib.suppress(pyvisa.VisaIOError):
        while True:
            analyser.read_bytes(1)
    analyser.timeout = 10_000
    analyser.write("*CLS")
    print(analyser.query("*IDN?"))
    if analyser.query("*TST?") != "0":
        raise SystemExit("the analyser does not see all of its own test events")

    quoted = args.text.replace('"', '""')
    do(f'TRIG:CLE;SOUR CONS;CONS:TEXT "{quoted}"')
    do("CAPT:ARM")
    print("armed:", analyser.query("TRIG:PROG?"))

    end = time.monotonic() + args.timeout
    while analyser.query("CAPT:STAT?") != "DONE":
        if time.monotonic() > end:
            raise SystemExit("the text did not come")
        time.sleep(0.1)
    count, lost = int(analyser.query("CAPT:COUN?")), analyser.query("CAPT:LOST?")
    with Path(args.file).open("wb") as file:
        for first in range(0, count, 256):
            query = f"CAPT:DATA? {first},{min(256, count - first)}"
            # '\n' is data in a block: PyVISA reads it by its length.
            file.write(analyser.query_binary_values(query, datatype="B", container=bytes))
    print(f"{count} records, {lost} events lost, trigger at cycle {analyser.query('TRIG:TIME?')}")


if __name__ == "__main__":
    main()
