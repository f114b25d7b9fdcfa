#!/usr/bin/env python3
"""Fails where the shared library exports other names than the functions of its header.

    bindings/c/check_exports.py LIBRARY HEADER
"""
import re
import subprocess
import sys


def main(library, header):
    with open(header, encoding="utf-8") as file:
        declared = set(re.findall(r"^ROX_API\b[^;(]*?\b(\w+)\(", file.read(), re.MULTILINE))
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                             capture_output=True, text=True).stdout
    # "A" is the name of the version itself.
    exported = {words[-1].split("@")[0] for words in map(str.split, listing.splitlines())
                if words[-2] != "A"}
    for name in sorted(declared - exported):
        print(f"{name} is declared and not exported", file=sys.stderr)
    for name in sorted(exported - declared):
        print(f"{name} is exported and not declared", file=sys.stderr)
    print(f"{len(declared)} functions declared, {len(exported)} exported")
    return 0 if declared and declared == exported else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
