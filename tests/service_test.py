#!/usr/bin/env python3
"""Checks packaging/roxanne.service with systemd's own tools, and the server in an empty root.

    tests/service_test.py BUILD/roxanne

Says what it cannot check here: without systemd-analyze, or without root for chroot.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from serve_fixture import Server

UNIT = pathlib.Path(__file__).resolve().parent.parent / "packaging" / "roxanne.service"
EXPOSURE_MAX = 15  # tenths; 0 is none, 100 all


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def check_unit(binary, folder):
    if shutil.which("systemd-analyze") is None:
        print("WARNING: NOT CHECKED: the unit, for which systemd-analyze is missing")
        return
    # As it is, but for the program, which is not installed here.
    unit = folder / "roxanne.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/roxanne", binary))
    done = analyze("verify", "--man=no", unit)
    mine = [line for line in (done.stdout + done.stderr).splitlines() if "roxanne" in line]
    assert not mine, mine
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    print("unit:", done.stdout.strip().splitlines()[-1].strip("→ "))


def check_empty_root(binary, folder):
    if os.geteuid() != 0:
        print("WARNING: NOT CHECKED: an empty root, for which root is needed")
        return
    if b"statically" not in subprocess.run(["ldd", binary], capture_output=True,
                                           check=False).stdout:
        print("WARNING: NOT CHECKED: an empty root, since this build is not static")
        return
    root = folder / "root"
    (root / "db").mkdir(parents=True)
    shutil.copy(binary, root / "roxanne")
    inside = folder / "roxanne_in_root"
    inside.write_text(f'#!/bin/sh\nverb=$1; shift 2\nexec chroot {root} /roxanne "$verb" /db/x.rox "$@"\n')
    inside.chmod(0o755)
    with Server(str(inside), folder=folder) as server:
        server.call("PUT", "/v1/collections/default", {"dim": 2}, status=201)
        server.call("PUT", "/v1/collections/default/points",
                    {"points": [{"key": 1, "vector": [1, 2]}]})
        found = server.call("POST", "/v1/collections/default/search", {"vector": [1, 2]}).json()
        assert found["neighbors"] == [{"key": 1, "distance": 0}], found
        assert server.stop() == 0
    assert sorted(path.name for path in root.iterdir()) == ["db", "roxanne"]
    print("empty root: serves")


def main():
    binary = os.path.abspath(sys.argv[1])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_service_"))
    try:
        check_unit(binary, folder)
        check_empty_root(binary, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
