"""What the tests of the server share: one that runs, whose every response is checked against openapi.json."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import serve_contract
from serve_fixture import Server
from test_runner import Skipped

SAMPLE = pathlib.Path(__file__).resolve().parent.parent / "sample"
BINARY = {"Content-Type": "application/octet-stream"}
KEY_RW, KEY_RO = "rw-0123456789abcdef", "ro-0123456789abcdef"

binary = None  # the program


class seen:
    """What the tests of all files have come to."""
    contract = None  # of openapi.json, and which answers there were
    all_tests_run = True


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


class Api(Server):
    """Checks every response against openapi.json."""

    def __init__(self, *options, **kwargs):
        super().__init__(binary, *options, **kwargs)

    def call(self, method, path, *args, **kwargs):
        reply = super().call(method, path, *args, **kwargs)
        if serve_contract.MISSING is None and method != "HEAD":
            if seen.contract is None:
                seen.contract = serve_contract.Contract(super().call("GET", "/openapi.json").json())
            seen.contract.check_reply(method, path, reply)
        return reply

    def problem(self, method, path, body=None, status=400, code="invalid_argument", says="",
                headers=None):
        reply = self.call(method, path, body, headers, status)
        equal(reply.code(), code)
        assert says in reply.json()["detail"], f"expected {says!r} in {reply}"
        return reply

    def create(self, name="default", **options):
        return self.call("PUT", f"/v1/collections/{name}", options, status=201).json()


def put_points(api, points, collection="default"):
    return api.call("PUT", f"/v1/collections/{collection}/points", {"points": points}).json()


def search(api, collection="default", **body):
    return api.call("POST", f"/v1/collections/{collection}/search", body).json()


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def write_keys(folder):
    path = pathlib.Path(folder) / "keys"
    path.write_text(f"# keys of the test\nread-write {KEY_RW}\nread-only\t{KEY_RO}\n")
    path.chmod(0o600)
    return path


def refused(options, says, env=None, code=None):
    """serve does not begin, and says why."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([binary, "serve", f"{folder}/x.rox", "--create", *map(str, options)],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})
    assert done.returncode != 0 and says in done.stderr, (options, done)
    if code is not None:
        equal(done.returncode, code)


def need(program):
    if shutil.which(program) is None:
        raise Skipped(f"there is no {program} here")
