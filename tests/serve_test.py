#!/usr/bin/env python3
"""Runs the HTTP server end to end: every route, its limits, and clients that mean harm.

    tests/serve_test.py BUILD/roxanne [NAME ...]

NAME: only the tests whose names contain it. Responses are checked against openapi.json where
openapi-spec-validator is installed; a warning says where it is not. Exits 1 where a test fails.
"""
import argparse
import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import zlib

import serve_contract
from serve_fixture import JSON, Server, openssl, read_reply
from test_runner import Skipped, run_tests

SAMPLE = pathlib.Path(__file__).resolve().parent.parent / "sample"
BINARY = {"Content-Type": "application/octet-stream"}
KEY_RW, KEY_RO = "rw-0123456789abcdef", "ro-0123456789abcdef"

roxanne = None  # the binary
contract = None  # of openapi.json
all_tests_run = True


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


class Api(Server):
    """Checks every response against openapi.json."""

    def __init__(self, *options, **kwargs):
        super().__init__(roxanne, *options, **kwargs)

    def call(self, method, path, *args, **kwargs):
        global contract
        reply = super().call(method, path, *args, **kwargs)
        if serve_contract.MISSING is None and method != "HEAD":
            if contract is None:
                contract = serve_contract.Contract(super().call("GET", "/openapi.json").json())
            contract.check_reply(method, path, reply)
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


def test_every_route():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_snapshots_"))
    with Api("--snapshot-folder", folder) as api:
        equal(api.call("GET", "/").json()["name"], "roxanne")
        equal(api.call("GET", "/livez").json(), {"status": "ok"})
        equal(api.call("GET", "/readyz").json(), {"status": "ready"})
        equal(api.call("GET", "/v1/collections").json(), {"collections": []})
        equal(api.create(dim=2, type="u8")["regime"], "exact")
        api.call("PUT", "/v1/collections/default", {"dim": 2, "type": "u8"}, status=200)
        api.problem("PUT", "/v1/collections/default", {"dim": 3, "type": "u8"}, 409, "already_exists")
        equal(put_points(api, [{"key": i, "vector": [i, i + 1], "payload": {"i": i}}
                               for i in range(9)]), {"inserted": 9, "replaced": 0, "skipped": 0})
        equal(put_points(api, [{"key": 8, "vector": [8, 9]}])["replaced"], 1)
        equal(api.call("GET", "/v1/collections/default").json()["points"], 9)
        equal(api.call("GET", "/v1/collections/default/points/3").json(),
              {"key": 3, "vector": [3, 4], "payload": {"i": 3}})
        equal(api.call("GET", "/v1/collections/default/points/8?with=payload").json(),
              {"key": 8, "payload": None})
        equal(search(api, vector=[2, 3], k=2, **{"with": ["payload", "vector"]})["neighbors"][0],
              {"key": 2, "distance": 0, "payload": {"i": 2}, "vector": [2, 3]})
        equal([n["key"] for n in search(api, key=0, k=2)["neighbors"]], [1, 2])
        equal(len(search(api, vectors=[[0, 0], [9, 9]], k=3, exact=True)["results"]), 2)
        equal(api.call("POST", "/v1/collections/default/points/get", {"keys": [1, 99]}).json(),
              {"points": [{"key": 1}], "missing": [99]})
        equal(api.call("POST", "/v1/collections/default/points/delete", {"keys": [1, 99]}).json(),
              {"deleted": 1})
        api.call("DELETE", "/v1/collections/default/points/0", status=204)
        api.problem("DELETE", "/v1/collections/default/points/0", status=404, code="not_found")
        # An option in the wrong place is not left out silently.
        points = "/v1/collections/default/points"
        api.problem("PUT", points + "?on_duplicate=error", {"points": []}, says="members of the body")
        api.problem("POST", "/v1/collections/default/search?k=1", {"vector": [0, 0]},
                    says="members of the body")
        for path in ("/v1/collections?x=1", "/v1/collections/default?with=vector"):
            api.problem("GET", path, says="no parameters")
        api.problem("GET", "/v1/collections/default/points/0", status=404, code="not_found")
        equal(api.call("POST", "/v1/collections/default/count").json(), {"count": 7})
        made = api.call("POST", "/v1/snapshots", {"name": "one"}, status=201).json()
        equal(made["points"], 7)
        api.problem("POST", "/v1/snapshots", {"name": "one"}, 409, "already_exists")
        api.problem("POST", "/v1/snapshots", {"name": "../one"}, says="name: expected")
        text = api.call("GET", "/metrics").body.decode()
        for name in ('roxanne_points{collection="default"} 7', "roxanne_search_queries_total 4",
                     "roxanne_redo_bytes", 'part="vectors"', "roxanne_http_request_seconds_bucket",
                     "roxanne_unindexed_points", "roxanne_ready 1"):
            assert name in text, f"{name} is not in\n{text}"
        # This one at least; the server may not have seen yet that the one before it has ended.
        assert int(re.search(r"^roxanne_connections (\d+)$", text, re.M)[1]) >= 1, text
        equal(api.call("HEAD", "/healthz").body, b"")
        api.call("DELETE", "/v1/collections/default", status=204)
        api.problem("GET", "/v1/collections/default", status=404, code="not_found")
        equal(api.stop(), 0)
    equal(subprocess.run([roxanne, "verify", folder / "one"], check=False).returncode, 0)
    shutil.rmtree(folder)


def test_keys_of_both_types_pass_unchanged():
    with Api() as api:
        api.create("n", dim=1)
        api.create("s", dim=1, key_type="string")
        big = 2**64 - 1
        put_points(api, [{"key": big, "vector": [1]}, {"key": 2**53 + 1, "vector": [2]}], "n")
        equal([n["key"] for n in search(api, "n", vector=[1], k=2)["neighbors"]], [big, 2**53 + 1])
        api.call("GET", f"/v1/collections/n/points/{big}")
        odd = ["a/b", "ä€😀", "..", "\"\\\n", "%2F", "x" * 512]
        put_points(api, [{"key": key, "vector": [i]} for i, key in enumerate(odd)], "s")
        for key in odd:
            quoted = urllib.parse.quote(key, safe="")
            equal(api.call("GET", f"/v1/collections/s/points/{quoted}").json()["key"], key)
        found = api.call("POST", "/v1/collections/s/points/get", {"keys": odd}).json()
        equal([p["key"] for p in found["points"]], odd)
        for key, where in ((2**64, "n"), (-1, "n"), (1.5, "n"), ("1", "n"), (1, "s"), ("", "s"),
                           ("x" * 513, "s"), (None, "n"), (True, "n"), ([1], "n")):
            api.problem("PUT", f"/v1/collections/{where}/points",
                        {"points": [{"key": key, "vector": [1]}]})
        api.problem("GET", "/v1/collections/n/points/abc", says="u64")


def test_scroll_walks_in_key_order():
    with Api() as api:
        api.create(dim=1, key_type="string")
        names = sorted(f"k{i % 7}{i}" for i in range(25))
        put_points(api, [{"key": name, "vector": [1], "payload": {"n": name}} for name in names])
        seen, after = [], {}
        while True:
            page = api.call("POST", "/v1/collections/default/scroll",
                            {"limit": 5, "with": ["payload", "vector"], **after}).json()
            seen += [point["payload"]["n"] for point in page["points"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        equal(seen, names)
        api.problem("POST", "/v1/collections/default/scroll", {"limit": 0}, says="limit")
        api.problem("POST", "/v1/collections/default/scroll", {"after": 1}, says="after: expected")


def test_answers_equal_the_command_lines():
    """Over the sample: JSON, binary and by key, exact and through a graph."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_serve_"))
    try:
        server = Api(folder=folder, create=False)
        subprocess.run([roxanne, "import", server.path, SAMPLE / "base.f16bin", "--metric", "ip",
                        "--payload", SAMPLE / "payload.jsonl.zst"], check=True, capture_output=True)
        told = subprocess.run([roxanne, "search", server.path, "--query", SAMPLE / "query.f16bin",
                               "--json", "--limit", "20", "--with", "payload"], check=True,
                              capture_output=True, text=True).stdout
        expected = [json.loads(line)["neighbors"] for line in told.splitlines()]
        raw = (SAMPLE / "query.f16bin").read_bytes()
        rows, dim = struct.unpack("<ii", raw[:8])
        row_bytes = 2 * dim
        rows_of = [raw[8 + i * row_bytes:8 + (i + 1) * row_bytes] for i in range(20)]
        floats = [list(struct.unpack(f"<{dim}e", row)) for row in rows_of]
        with server as api:
            for body in (b"".join(rows_of), {"vectors": floats, "k": 10, "with": ["payload"]}):
                if isinstance(body, bytes):
                    answer = api.call("POST", "/v1/collections/default/search?k=10&with=payload",
                                      body, BINARY).json()
                else:
                    answer = search(api, **body)
                equal([a["neighbors"] for a in answer["results"]], expected)
            binary = api.call("POST", "/v1/collections/default/search", b"".join(rows_of),
                              {**BINARY, "Accept": "application/octet-stream"}).body
            queries, k = struct.unpack_from("<II", binary)
            equal((queries, k), (20, 10))
            keys = struct.unpack_from("<200Q", binary, 8)
            distances = struct.unpack_from("<200f", binary, 8 + 1600)
            equal(struct.unpack_from("<20I", binary, 8 + 1600 + 800), (10,) * 20)
            flat = [neighbor for neighbors in expected for neighbor in neighbors]
            equal(list(keys), [n["key"] for n in flat])
            equal([struct.pack("<f", d) for d in distances],
                  [struct.pack("<f", n["distance"]) for n in flat])
            one = subprocess.run([roxanne, "search", server.path, "--key", "17", "--json"],
                                 check=True, capture_output=True, text=True).stdout
            equal(search(api, key=17)["neighbors"], json.loads(one)["neighbors"])
    finally:
        shutil.rmtree(folder)


def test_binary_points_and_answers():
    with Api() as api:
        api.create("n", dim=4, type="i8")
        api.create("s", dim=2, key_type="string")
        body = struct.pack("<QQQ", 2, 7, 2**63) + struct.pack("8b", 1, 2, 3, -4, 5, 6, 7, 8)
        counts = api.call("PUT", "/v1/collections/n/points", body, BINARY).json()
        equal(counts["inserted"], 2)
        equal(api.call("GET", "/v1/collections/n/points/7").json()["vector"], [1, 2, 3, -4])
        api.problem("PUT", "/v1/collections/n/points?on_duplicate=error", body, 409,
                    "already_exists", headers=BINARY)
        names = b"".join(struct.pack("<H", len(name)) + name for name in (b"one", b"t/o"))
        body = struct.pack("<Q", 2) + names + struct.pack("<4f", 1, 2, 3, 4)
        api.call("PUT", "/v1/collections/s/points", body, BINARY)
        answer = api.call("POST", "/v1/collections/s/search?k=3", struct.pack("<2f", 1, 2),
                          {**BINARY, "Accept": "application/octet-stream"}).body
        equal(answer, struct.pack("<II3fI", 1, 3, 0, 8, 0, 2) + names)
        for wrong, says in ((body[:-1], "bytes"), (b"", "ends"), (body[:9], "ends"),
                            (struct.pack("<Q", 2**63), "one request may have"),
                            (struct.pack("<QH", 2, 9) + b"x", "ends"), (body + b"x", "bytes")):
            api.problem("PUT", "/v1/collections/s/points", wrong, says=says, headers=BINARY)
        nan = struct.pack("<QH1s2f", 1, 1, b"x", float("nan"), 1)
        api.problem("PUT", "/v1/collections/s/points", nan, says="NaN", headers=BINARY)
        for path, wrong in (("", b"123"), ("", b""), ("?k=0", b"12345678"), ("?k=x", b"12345678"),
                            ("?q=1", b"12345678"), ("?k=1&k=2", b"12345678")):
            api.problem("POST", f"/v1/collections/s/search{path}", wrong, headers=BINARY)
        api.problem("POST", "/v1/collections/s/search?with=payload", b"12345678", 406,
                    "not_acceptable", headers={**BINARY, "Accept": "application/octet-stream"})


def test_what_is_like_a_point_at_the_greatest_k():
    """In both doors: the point itself takes no neighbour's place."""
    count, k = 10_050, 10_000
    with Api() as api:
        api.create(dim=1)
        body = (struct.pack("<Q", count) + struct.pack(f"<{count}Q", *range(count)) +
                struct.pack(f"<{count}f", *range(count)))
        api.call("PUT", "/v1/collections/default/points", body, BINARY)
        found = [n["key"] for n in search(api, key=7, k=k)["neighbors"]]
        equal((len(found), 7 in found), (k, False))
        told = subprocess.run([roxanne, "search", api.path, "--key", "7", "--k", str(k), "--json"],
                              check=True, capture_output=True).stdout
        equal([n["key"] for n in json.loads(told)["neighbors"]], found)


def test_wrong_json_is_refused():
    with Api() as api:
        api.create(dim=2, type="u8")
        api.create("f", dim=2)
        put_points(api, [{"key": 1, "vector": [1, 2]}])
        points = "/v1/collections/default/points"
        for text, says in ((b"", "byte 0"), (b"{", "from byte"), (b"[]", "expected an object"),
                           (b"nul", "from byte"), (b'{"points":[]} x', "from byte"),
                           (b'{"points":[{"key":1,"vector":[1]}]}', "1 numbers"),
                           (b'{"points":[{"key":1,"vector":[1,2,3]}]}', "too many"),
                           (b'{"points":[{"key":1,"vector":[1,256]}]}', "points[0].vector[1]"),
                           (b'{"points":[{"key":1,"vector":[1,1.5]}]}', "found 1.5"),
                           (b'{"points":[{"key":1,"vector":[1,-1]}]}', "found -1"),
                           (b'{"points":[{"key":1,"vector":[1,NaN]}]}', "from byte"),
                           (b'{"points":[{"key":1,"vector":[1,"2"]}]}', "found a string"),
                           (b'{"points":[{"key":1,"vector":[1,[2]]}]}', "found an array"),
                           (b'{"points":[{"key":1,"vector":null}]}', "found null"),
                           (b'{"points":[{"key":1}]}', "both key and vector"),
                           (b'{"points":[{"vector":[1,2]}]}', "both key and vector"),
                           (b'{"points":[{"key":1,"key":2,"vector":[1,2]}]}', "twice"),
                           (b'{"points":[{"key":1,"vector":[1,2],"x":1}]}', '"x" is not known'),
                           (b'{"points":[{"key":1,"vector":[1,2],"payload":[]}]}', "payload"),
                           (b'{"points":[],"points":[]}', "twice"), (b'{"point":[]}', "not known"),
                           (b'{"points":{}}', "expected an array of points"),
                           (b'{"points":[{"key":1,"vector":[1,2],"payload":{"a":"\xff"}}]}', "byte"),
                           (b'{"points":[{"key":1,"vector":[1,2]},{"key":1,"vector":[1,2]}]}', "1"),
                           (b'{"on_duplicate":"x","points":[]}', "on_duplicate")):
            api.problem("PUT", points, text, says=says, headers=JSON)
        api.problem("PUT", "/v1/collections/f/points",
                    b'{"points":[{"key":1,"vector":[1,1e39]}]}', says="found 1e39", headers=JSON)
        big = '{"x":"' + "y" * 70_000 + '"}'
        api.problem("PUT", points, f'{{"points":[{{"key":1,"vector":[1,2],"payload":{big}}}]}}',
                    says="payload", headers=JSON)
        deep = b"[" * 1_000_000
        for text in (deep, b'{"points":' + deep, b'{"a":' * 1_000_000,
                     b'{"points":[{"key":1,"vector":[1,2],"payload":' + b'{"a":' * 1_000_000):
            api.problem("PUT", points, text, headers=JSON)
        api.problem("POST", "/v1/collections/default/search", {}, says="one of vector")
        api.problem("POST", "/v1/collections/default/search", {"vector": [1, 2], "key": 1})
        for wrong in ({"k": 0}, {"k": 10**6}, {"k": -1}, {"k": "1"}, {"k": 1e400}, {"k": 2**64},
                      {"exact": 1}, {"with": ["all"]}, {"with": "payload"},
                      {"search_list_size": 10**9}, {"unknown": 1}):
            api.problem("POST", "/v1/collections/default/search",
                        json.dumps({"vector": [1, 2], **wrong}), headers=JSON)
        for wrong in ({}, {"dim": 0}, {"dim": 10**6}, {"dim": 2, "type": "f64"},
                      {"dim": 2, "metric": "x"}, {"dim": 2, "key_type": 1}, {"dim": "2"}):
            api.problem("PUT", "/v1/collections/other", wrong)
        api.problem("PUT", "/v1/collections/a%20b", {"dim": 2})
        api.problem("PUT", points, b"{}", 415, "unsupported_media_type",
                    headers={"Content-Type": "text/plain"})
        api.problem("PUT", points, b"{}", 415, "unsupported_media_type",
                    headers={**JSON, "Content-Encoding": "br"})
        api.problem("GET", "/healthz", b"x", says="takes no body")
        equal(api.call("POST", "/v1/collections/default/count").json(), {"count": 1})
        api.alive()


def test_paths_that_mean_harm():
    with Api() as api:
        for target in ("/../../etc/passwd", "/v1/../v1/collections", "/%2e%2e/%2e%2e/etc/passwd",
                       "/v1/collections/..%2f..%2fetc", "/v1/collections/%2e%2e", "//v1/collections",
                       "/v1//collections", "/v1/collections/" + "a" * 3000, "/a/b/c/d/e/f/g",
                       "/v1/collections/\xff"):
            reply, = api.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1"))
            equal((target, reply.status), (target, 404))
            equal(reply.code(), "not_found")
        for target in ("/v1/%00", "/v1/%", "/v1/%zz", "/v1/%4", "*", "v1", "http://x/v1",
                       "/?" + "&".join(f"a{i}=1" for i in range(99)), "/" + "a/" * 99):
            reply, = api.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            equal((target, reply.status), (target, 400))
        reply, = api.raw(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal(reply.code(), "uri_too_long")
        equal(reply.status, 414)
        for target in (b"/a b", b"/\x00", b"/\x01", b"/a\tb"):
            reply, = api.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reply.code() in ("malformed_request", "http_version"), reply
        for method in ("PATCH", "OPTIONS", "TRACE", "FOO"):
            reply = api.call(method, "/v1/collections", status=405)
            equal(reply.headers["allow"], "GET, HEAD")
            equal(reply.code(), "method_not_allowed")
        api.alive()


def test_requests_that_two_readers_could_read_differently():
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    start = b"POST /v1/collections/default/count HTTP/1.1\r\nHost: localhost\r\n"
    chunked = start + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Api() as api:
        api.create(dim=2)
        for name, data in {
                "length and chunks": start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "chunks and length": start + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                "two lengths": start + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
                "the same length twice": start + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
                "a list of lengths": start + b"Content-Length: 0, 5\r\n\r\n",
                "a signed length": start + b"Content-Length: +5\r\n\r\nhello",
                "a negative length": start + b"Content-Length: -5\r\n\r\n",
                "a hexadecimal length": start + b"Content-Length: 0x5\r\n\r\nhello",
                "a huge length": start + b"Content-Length: 99999999999999999999\r\n\r\n",
                "other encodings": start + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                "an encoding after chunked": start + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                "an unknown encoding": start + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                "encodings twice": start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
                "a space before the colon": start + b"Content-Length : 5\r\n\r\nhello",
                "a folded field": start + b"X: a\r\n Content-Length: 5\r\n\r\nhello",
                "a folded encoding": start + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
                "line feeds alone": b"GET / HTTP/1.1\nHost: localhost\n\n",
                "one line feed alone": b"GET / HTTP/1.1\r\nHost: localhost\nContent-Length: 5\r\n\r\n",
                "no host": b"GET / HTTP/1.1\r\n\r\n",
                "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n",
                "a zero byte": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
                "no field name": b"GET / HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n",
                "chunks in 1.0": chunked.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
                "a chunk of no size": chunked + b"\r\nhello\r\n0\r\n\r\n",
                "a chunk of letters": chunked + b"xyz\r\nhello\r\n0\r\n\r\n",
                "a negative chunk": chunked + b"-1\r\nhello\r\n0\r\n\r\n",
                "a chunk of 0x": chunked + b"0x2\r\n{}\r\n0\r\n\r\n",
                "a chunk that is longer": chunked + b"1\r\n{}\r\n0\r\n\r\n",
                "a length behind chunks": chunked + b"0\r\nContent-Length: 9\r\n\r\n",
                "two authorizations": b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        }.items():
            found = api.raw(data + smuggled, replies=9)
            equal((name, [reply.status for reply in found]), (name, [400]))
            equal(found[0].code(), "malformed_request")
            equal(found[0].headers["connection"], "close")
        found = api.raw(b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", replies=9)
        equal([reply.code() for reply in found], ["http_version"])
        found = api.raw(chunked + b"ffffffffffffffff\r\n{}", replies=9)
        assert found[0].status in (400, 413), found
        # What is well-formed passes: chunks with extensions and trailers, pipelined.
        good = chunked + b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n"
        found = api.raw(good + good + b"GET / HTTP/1.0\r\n\r\n" + smuggled, replies=9)
        equal([reply.status for reply in found], [200, 200, 200])
        api.alive()


def test_limits_have_their_status():
    with Api("--body-bytes-max", 2000, "--header-bytes-max", 1024, "--points-per-batch-max", 3,
             "--queries-per-search-max", 2, "--search-k-max", 5, "--scroll-points-max", 4) as api:
        api.create(dim=1)
        points = "/v1/collections/default/points"
        many = {"points": [{"key": i, "vector": [1]} for i in range(4)]}
        api.problem("PUT", points, many, says="3")
        binary = struct.pack("<Q", 4) + bytes(4 * 12)
        api.problem("PUT", points, binary, headers=BINARY, says="one request may have 3")
        api.problem("POST", points + "/delete", {"keys": [1, 2, 3, 4]}, says="3")
        api.problem("POST", "/v1/collections/default/search", {"vectors": [[1]] * 3}, says="2")
        api.problem("POST", "/v1/collections/default/search", {"vector": [1], "k": 6}, says="5")
        api.problem("POST", "/v1/collections/default/scroll", {"limit": 5}, says="4")
        head = f"PUT {points} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
        for data in (head + b"Content-Length: 2001\r\n\r\n",
                     head + b"Content-Length: 2001\r\nExpect: 100-continue\r\n\r\n",
                     head + b"Transfer-Encoding: chunked\r\n\r\n7d1\r\n",
                     head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 3):
            reply, = api.raw(data)
            equal((reply.status, reply.code()), (413, "body_too_large"))
        reply, = api.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2000 + b"\r\n\r\n")
        equal((reply.status, reply.code()), (431, "header_too_large"))
        reply, = api.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 9000)
        equal(reply.status, 431)
        api.alive()


def expect_continue(connection):
    """A PUT of no points that waits to be told to go on, twice, and once that does not wait."""
    head = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 13\r\n"
            b"Expect: 100-continue\r\n\r\n")
    stream = connection.makefile("rb")
    for _ in range(2):
        connection.sendall(head)
        equal(stream.readline() + stream.readline(), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b'{"points":[]}')
        equal(read_reply(stream).status, 200)
    for _ in range(20):
        connection.sendall(head + b'{"points":[]}')
        equal(read_reply(stream).status, 200)


def test_expect_continue_is_answered():
    with Api() as api, api.connect() as connection:
        api.create(dim=1)
        expect_continue(connection)


def test_http_1_0_keeps_a_connection_that_asks_for_it():
    get = b"GET /healthz HTTP/1.0\r\n"
    keep = get + b"Connection: Keep-Alive\r\n\r\n"
    with Api() as api:
        found = api.raw(keep + keep + get + b"\r\n" + keep, replies=9)
        equal([reply.headers.get("connection") for reply in found],
              ["keep-alive", "keep-alive", "close"])
        # One of 1.1 need not be told; one of 1.0 does not know what 100 is.
        equal(api.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")[0].headers.get("connection"), None)
        api.create(dim=1)
        with api.connect() as connection:
            connection.sendall(b"PUT /v1/collections/default/points HTTP/1.0\r\n"
                               b"Content-Type: application/json\r\nContent-Length: 13\r\n"
                               b"Expect: 100-continue\r\n\r\n" b'{"points":[]}')
            assert connection.recv(100).startswith(b"HTTP/1.1 200"), "something came before"


def test_connections_are_bounded():
    with Api("--connections-max", 3) as api:
        held = [api.connect() for _ in range(3)]
        time.sleep(0.2)
        reply, = api.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal((reply.status, reply.code()), (503, "overloaded"))
        equal(reply.headers["retry-after"], "1")
        held.pop().close()
        time.sleep(0.3)
        api.alive()
    with Api("--connections-per-address-max", 2) as api:
        held = [api.connect() for _ in range(2)]
        time.sleep(0.2)
        reply, = api.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal((reply.status, reply.code()), (429, "too_many_connections"))
        equal(reply.headers["retry-after"], "1")


def test_a_full_queue_says_so_at_once():
    with Api("--search-threads", 1, "--search-queue-max", 1) as api:
        api.create(dim=64)
        put_points(api, [{"key": i, "vector": [i % 97] * 64} for i in range(5000)])
        body = json.dumps({"vectors": [[1] * 64] * 1000, "exact": True}).encode()
        request = (b"POST /v1/collections/default/search HTTP/1.1\r\nHost: localhost\r\n"
                   b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        held = [api.connect() for _ in range(12)]
        for connection in held:
            connection.sendall(request)
        replies = [read_reply(connection.makefile("rb")) for connection in held]
        refused = [reply for reply in replies if reply.status != 200]
        assert 0 < len(refused) < 12, replies
        for reply in refused:
            equal((reply.status, reply.code(), reply.headers["retry-after"]), (503, "overloaded", "1"))
        # The connection of who was refused goes on.
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            equal(read_reply(connection.makefile("rb")).status, 200)
            connection.close()
        assert "roxanne_queue_refused_total 0\n" not in api.call("GET", "/metrics").body.decode()


def test_reads_that_take_too_long_are_stopped():
    with Api("--search-timeout-ms", 1, "--scroll-points-max", 4000) as api:
        api.create(dim=256)
        keys, dim = 4000, 256
        body = struct.pack("<Q", keys) + struct.pack(f"<{keys}Q", *range(keys)) + bytes(4 * dim * keys)
        api.call("PUT", "/v1/collections/default/points", body, BINARY)
        for path, query, headers in (
                ("search?exact=true", bytes(4 * dim * 1024), BINARY),
                ("scroll", {"limit": 4000, "with": ["vector", "payload"]}, None),
                ("points/get", {"keys": list(range(1000)) * 20, "with": []}, None)):
            reply = api.problem("POST", f"/v1/collections/default/{path}", query, 503, "cancelled",
                                says="--search-timeout-ms", headers=headers)
            equal(reply.headers["retry-after"], "1")
        api.alive()


def test_bodies_together_are_bounded():
    with Api("--body-bytes-max", 2000, "--body-bytes-in-flight-max", 3000) as api:
        api.create(dim=1)
        begun = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 1600\r\n\r\n{")
        with api.connect() as first:
            first.sendall(begun)
            time.sleep(0.2)
            reply, = api.raw(begun)
            equal((reply.status, reply.code()), (503, "overloaded"))
            first.sendall(b'"points":[]' + b" " * 1587 + b"}")
            equal(read_reply(first.makefile("rb")).status, 200)
        put_points(api, [{"key": 1, "vector": [1]}])


def test_gzip_bodies_and_answers():
    points = "/v1/collections/default/points"
    packed = {**JSON, "Content-Encoding": "gzip"}
    with Api("--body-bytes-max", 1_000_000, "--body-bytes-in-flight-max", 1_500_000) as api:
        api.create(dim=8)
        body = json.dumps({"points": [{"key": i, "vector": [i] * 8} for i in range(2000)]}).encode()
        equal(api.call("PUT", points, gzip.compress(body), packed).json()["inserted"], 2000)
        half = len(body) // 2
        two = gzip.compress(body[:half]) + gzip.compress(body[half:])
        equal(api.call("PUT", points, two, {**packed, "Content-Encoding": "X-Gzip"}).json()["replaced"], 2000)
        binary = struct.pack("<Q", 1) + struct.pack("<Q8f", 5000, *range(8))
        api.call("PUT", points, gzip.compress(binary), {**BINARY, "Content-Encoding": "gzip"})
        for wrong in (b"{}", gzip.compress(body)[:-1], gzip.compress(body) + b"x", zlib.compress(body)):
            api.problem("PUT", points, wrong, says="gzip", headers=packed)
        api.problem("PUT", points, gzip.compress(b"{"), says="byte", headers=packed)
        exact = b'{"points":[]}'.ljust(1_000_000)
        api.call("PUT", points, gzip.compress(exact), packed)
        bomb = gzip.compress(bytes(200_000_000))
        assert len(bomb) < 300_000
        for sent in (gzip.compress(exact + b" "), bomb):
            api.problem("PUT", points, sent, 413, "body_too_large", says="unpacked", headers=packed)
        api.call("POST", "/v1/collections/default/search",
                 gzip.compress(b'{"vector":[1,1,1,1,1,1,1,1]}'), packed)
        text = api.call("GET", "/metrics").body.decode()
        assert "roxanne_body_bytes_in_flight 0\n" in text, text
        # While another body takes the place that this one would unpack to.
        with api.connect() as held:
            held.sendall(b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n{")
            time.sleep(0.2)
            reply = api.problem("PUT", points, gzip.compress(exact), 503, "overloaded", headers=packed)
            equal(reply.headers["retry-after"], "1")

        def answer(accept, path="/v1/collections/default/scroll", body=b'{"limit":1000,"with":["vector"]}'):
            connection = http.client.HTTPConnection(*api.address, timeout=60)
            connection.request("POST", path, body, {**JSON, **({"Accept-Encoding": accept} if accept else {})})
            reply = connection.getresponse()
            data = reply.read()
            connection.close()
            return reply.headers, data

        headers, plain = answer("identity")
        equal((headers["Content-Encoding"], headers["Vary"]), (None, "Accept-Encoding"))
        for accept in ("gzip", "br;q=1, GZIP;q=0.5", "*"):
            headers, data = answer(accept)
            equal((headers["Content-Encoding"], headers["Vary"]), ("gzip", "Accept-Encoding"))
            assert len(data) < len(plain) / 2
            equal(gzip.decompress(data), plain)
        for accept in (None, "br", "gzip;q=0"):
            headers, data = answer(accept)
            equal((headers["Content-Encoding"], data), (None, plain))
        headers, _ = answer("gzip", body=b'{"limit":1}')
        equal((headers["Content-Encoding"], headers["Vary"]), (None, None))
        api.alive()


def test_answers_together_are_bounded():
    with Api("--answer-bytes-in-flight-max", 30_000_000, "--write-timeout-ms", 60_000) as api:
        api.create(dim=4000)
        count = 900
        body = struct.pack("<Q", count) + struct.pack(f"<{count}Q", *range(count)) + b"".join(
            struct.pack("<4000f", *(i / 7 for i in range(n, n + 4000))) for n in range(count))
        api.call("PUT", "/v1/collections/default/points", body, BINARY)
        path = "/v1/collections/default/scroll"
        body = b'{"limit":700,"with":["vector"]}'  # some 25 MB, more than sockets take
        request = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body

        def held():
            text = api.call("GET", "/metrics").body.decode()
            return int(re.search(r"^roxanne_answer_bytes_in_flight (\d+)$", text, re.M)[1])

        def wait_until(condition):
            until = time.monotonic() + 30
            while not condition(held()):
                assert time.monotonic() < until, held()
                time.sleep(0.05)

        with api.connect() as slow:
            slow.sendall(request)
            wait_until(lambda bytes_held: bytes_held > 20_000_000)
            reply = api.problem("POST", path, body, 503, "overloaded", headers=JSON,
                                says="--answer-bytes-in-flight-max")
            equal(reply.headers["retry-after"], "1")
            api.call("POST", path, {"limit": 10, "with": ["vector"]})  # there is room for it
            equal(len(read_reply(slow.makefile("rb")).json()["points"]), 700)
            wait_until(lambda bytes_held: bytes_held == 0)
            equal(len(api.raw(request)[0].json()["points"]), 700)
        with api.connect() as gone:  # hangs up with its answer half taken
            gone.sendall(request)
            wait_until(lambda bytes_held: bytes_held > 20_000_000)
        wait_until(lambda bytes_held: bytes_held == 0)
        api.problem("POST", path, {"limit": 900, "with": ["vector"]}, says="ask for less")
        api.alive()


def test_slow_clients_are_let_go():
    with Api("--read-timeout-ms", 400, "--idle-timeout-ms", 300, "--write-timeout-ms", 400) as api:
        with api.connect() as connection:  # says nothing at all
            equal(connection.recv(100), b"")
        for start in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX",
                      b"PUT /v1/collections/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 100\r\n\r\n{"):
            with api.connect() as connection:  # a byte now and then
                connection.sendall(start)
                stop = time.monotonic() + 10
                connection.settimeout(0.1)
                got = b""
                while time.monotonic() < stop:
                    try:
                        got += connection.recv(4096) or b"END"
                    except socket.timeout:
                        try:
                            connection.sendall(b"a")
                        except OSError:
                            break
                    except OSError:
                        break
                    if got.endswith(b"END"):
                        break
                assert b"HTTP/1.1 408" in got and b"request_timeout" in got, (start, got)
        api.create(dim=2000)
        put_points(api, [{"key": i, "vector": [i / 7] * 2000} for i in range(900)])
        with api.connect() as connection:  # takes no answer
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = b'{"limit":900,"with":["vector"]}'
            request = (b"POST /v1/collections/default/scroll HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
            connection.sendall(request)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                text = api.call("GET", "/metrics").body.decode()
                if "\nroxanne_connections 1\n" in text:
                    break
                time.sleep(0.1)
            else:
                raise AssertionError(text)
        api.alive()


def test_half_closed_and_broken_connections():
    with Api() as api:
        api.create(dim=2)
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        equal([r.status for r in api.raw(get * 3, replies=9, half_close=True)], [200] * 3)
        equal(api.raw(b"GET /heal", replies=1, half_close=True), [])
        for cut in range(1, len(get), 3):
            with api.connect() as connection:
                connection.sendall(get[:cut])
                # A reset instead of an end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        put = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"
               b"Content-Type: application/json\r\n\r\n{")
        for _ in range(20):
            with api.connect() as connection:
                connection.sendall(put)
        import random
        random.seed(1)
        for _ in range(200):
            with api.connect() as connection:
                connection.sendall(random.randbytes(random.randrange(1, 400)))
        time.sleep(0.3)
        text = api.call("GET", "/metrics").body.decode()
        assert "roxanne_body_bytes_in_flight 0\n" in text, text
        api.alive()


def write_keys(folder):
    path = pathlib.Path(folder) / "keys"
    path.write_text(f"# keys of the test\nread-write {KEY_RW}\nread-only\t{KEY_RO}\n")
    path.chmod(0o600)
    return path


def test_keys_say_who_may():
    folder = tempfile.mkdtemp(prefix="roxanne_keys_")
    with Api("--keys", write_keys(folder)) as api:
        for wrong in (None, {"Authorization": "Bearer"}, bearer(KEY_RW + "x"), bearer(KEY_RW[:-1]),
                      {"Authorization": f"Basic {KEY_RW}"}, {"Authorization": KEY_RW}, bearer("")):
            reply = api.problem("GET", "/v1/collections", None, 401, "unauthorized", headers=wrong)
            equal(reply.headers["www-authenticate"], "Bearer")
            api.problem("GET", "/metrics", None, 401, "unauthorized", headers=wrong)
            api.problem("GET", "/nowhere", None, 401, "unauthorized", headers=wrong)
        api.problem("PUT", "/v1/collections/default", {"dim": 1}, 403, "forbidden",
                    headers=bearer(KEY_RO))
        api.call("PUT", "/v1/collections/default", {"dim": 1}, bearer(KEY_RW), 201)
        api.call("GET", "/v1/collections", headers={"Authorization": f"bearer  {KEY_RO} "})
        api.call("POST", "/v1/collections/default/search", {"vector": [1]}, bearer(KEY_RO))
        api.call("GET", "/healthz")
        api.call("GET", "/openapi.json")
        # A body is not taken from who may not send it.
        big = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
               b"Content-Type: application/json\r\nContent-Length: 50000000\r\n\r\n")
        for sent in (big, big + 60_000 * b"x"):
            reply, = api.raw(sent)
            equal(reply.status, 401)
        assert KEY_RW not in api.log(), "a key is in the log"
        assert "chmod 600" not in api.log(), api.log()
        pathlib.Path(folder, "keys").chmod(0o644)
        with Api("--keys", pathlib.Path(folder, "keys")) as open_api:
            assert "chmod 600" in open_api.log(), open_api.log()
        equal(api.stop(), 0)
        for text, says in (("read-write short\n", "line 1"), ("", "no key"), ("write x\n", "line 1"),
                           (f"read-only {KEY_RO}\nread-write a b\n", "line 2")):
            path = pathlib.Path(folder) / "wrong"
            path.write_text(text)
            refused(["--keys", path], says)
    shutil.rmtree(folder)


def refused(options, says, env=None, code=None):
    """serve does not begin, and says why."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([roxanne, "serve", f"{folder}/x.rox", "--create", *map(str, options)],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})
    assert done.returncode != 0 and says in done.stderr, (options, done)
    if code is not None:
        equal(done.returncode, code)


def test_only_the_machine_itself_without_being_told():
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        refused(["--listen", address], "--allow-insecure", code=2)
    refused(["--listen", "nowhere"], "listen:", code=2)
    refused(["--listen", "127.0.0.1:99999"], "listen:", code=2)
    refused(["--tls-cert", "x"], "go together", code=2)
    refused(["--tls-cert", "x", "--tls-key", "y"], "tls-cert x")
    refused(["--keys", "/nowhere"], "/nowhere", code=3)
    with Api("--listen", "0.0.0.0:0", "--allow-insecure") as api:
        api.alive()


def test_flags_then_environment_then_file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "serve.toml"
        path.write_text('scroll-points-max = 1\nsearch-k-max = 11\nwrite-queue-max = 5\n'
                        'log-level = "debug"\nallow-insecure = true\n')
        env = {**os.environ, "ROXANNE_SEARCH_K_MAX": "22", "ROXANNE_SCROLL_POINTS_MAX": "2"}
        with Api("--config", path, "--scroll-points-max", 3, env=env) as api:
            api.create(dim=1)
            api.problem("POST", "/v1/collections/default/scroll", {"limit": 9}, says="1..3")
            api.problem("POST", "/v1/collections/default/search", {"vector": [1], "k": 99}, says="1..22")
            assert '"level":"debug"' in api.log()
        for text, says in (("scrol-points-max = 1\n", "scroll-points-max"), ("io-threads = x\n", "x"),
                           ("search-k-max = 0\n", "search-k-max")):
            path.write_text(text)
            refused(["--config", path], says, code=2)
        refused([], "x", env={"ROXANNE_IO_THREADS": "x"}, code=2)


def test_only_its_own_names_without_keys():
    def status(api, host, path="/v1/collections", key=None):
        headers = {"Host": host, **(bearer(key) if key else {})}
        reply = api.call("GET", path, headers=headers, status=None)
        if reply.status == 421:
            equal(reply.code(), "misdirected")
            assert "--allowed-hosts" in reply.json()["detail"], reply
        return reply.status

    own = ("localhost", "LocalHost:1", "127.0.0.1", "127.9.9.9:8642", "[::1]", "[::1]:80")
    foreign = ("evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example",
               "10.0.0.1", "[2001:db8::1]", "127.1", "localhost:x", "::1", "127.0.0.1, localhost", "[",
               "\"<b>\"")
    with Api() as api:
        for host in own:
            equal((host, status(api, host)), (host, 200))
        for host in foreign:
            equal((host, status(api, host)), (host, 421))
            equal((host, status(api, host, "/nowhere")), (host, 421))
            equal((host, status(api, host, "/readyz")), (host, 200))
        equal(api.raw(b"GET /v1/collections HTTP/1.0\r\n\r\n")[0].status, 200)
        # Nothing of a body is taken from there.
        reply, = api.raw(b"PUT /v1/collections/x HTTP/1.1\r\nHost: evil.example\r\n"
                         b"Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n")
        equal((reply.status, reply.headers["connection"]), (421, "close"))
    with Api("--allowed-hosts", "Db.example,proxy,[2001:db8::1]") as api:
        for host in (*own, "db.example", "DB.example:443", "proxy", "[2001:DB8::1]:1"):
            equal((host, status(api, host)), (host, 200))
        equal(status(api, "evil.example"), 421)
    with tempfile.TemporaryDirectory() as folder:
        keys = write_keys(folder)
        with Api("--keys", keys) as api:
            equal(status(api, "evil.example"), 401)
            equal(status(api, "evil.example", key=KEY_RO), 200)
        with Api("--keys", keys, "--allowed-hosts", "db.example") as api:
            equal(status(api, "evil.example", key=KEY_RO), 421)
            equal(status(api, "db.example", key=KEY_RO), 200)
    with Api("--listen", "0.0.0.0:0", "--allow-insecure") as api:
        equal(status(api, "evil.example"), 200)
    for wrong in ("http://x", "x:80", "x, y", ",", "*", "[::g]"):
        refused(["--allowed-hosts", wrong], "allowed-hosts", code=2)


def test_request_ids_and_traces_are_logged():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Api("--log-level", "debug") as api:
        reply = api.call("GET", "/healthz", headers={"X-Request-Id": "abc-1", "traceparent": trace})
        equal(reply.headers["x-request-id"], "abc-1")
        other = api.call("GET", "/healthz", headers={"X-Request-Id": "a\"b"})
        assert other.headers["x-request-id"] not in ('a"b', ""), other
        lines = [json.loads(line) for line in api.log().splitlines() if line.startswith("{")]
        line, = [line for line in lines if line.get("request_id") == "abc-1"]
        equal((line["traceparent"], line["route"], line["status"]), (trace, "/healthz", 200))


def test_nobody_reads_the_log():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([roxanne, "serve", f"{folder}/x.rox", "--create", "--listen",
                                    "127.0.0.1:0", "--log-level", "debug"], stderr=subprocess.PIPE)
        for line in process.stderr:
            if b'"event":"ready"' in line:
                address = json.loads(line)["address"]
                break
        process.stderr.close()
        for _ in range(3):
            with urllib.request.urlopen(f"http://{address}/healthz", timeout=60) as reply:
                equal(reply.status, 200)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(60), 0)


def need(program):
    if shutil.which(program) is None:
        raise Skipped(f"there is no {program} here")


def test_tls():
    need("openssl")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="roxanne_tls_"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    with Api("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem") as api:
        trust = ssl.create_default_context(cafile=folder / "cert.pem")
        connection = http.client.HTTPSConnection(*api.address, context=trust, timeout=30)
        for i in range(3):
            connection.request("GET", "/v1/collections")
            equal(connection.getresponse().read(), b'{"collections":[]}')
        connection.request("PUT", "/v1/collections/default", '{"dim":300}', JSON)
        equal(connection.getresponse().read()[:8], b'{"name":')
        body = json.dumps({"points": [{"key": i, "vector": [i] * 300} for i in range(900)]})
        connection.request("PUT", "/v1/collections/default/points", body, JSON)
        equal(connection.getresponse().read(), b'{"inserted":900,"replaced":0,"skipped":0}')
        connection.request("POST", "/v1/collections/default/scroll",
                           '{"limit":900,"with":["vector"]}', JSON)
        equal(len(json.loads(connection.getresponse().read())["points"]), 900)
        connection.close()
        with trust.wrap_socket(api.connect(), server_hostname="127.0.0.1") as waiting:
            expect_continue(waiting)
        # Whoever still sends is told why not.
        with trust.wrap_socket(api.connect(), server_hostname="127.0.0.1") as sending:
            sending.sendall(b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
                            b"Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(30):
                sending.sendall(100_000 * b"x")
            with sending.makefile("rb") as stream:
                equal(read_reply(stream).status, 413)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")  # else it is this side that refuses
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        for context in (old, None):  # too old, and none at all
            with api.connect() as plain:
                try:
                    if context is None:
                        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        assert b"HTTP/1.1 2" not in plain.recv(1000)
                    else:
                        context.wrap_socket(plain)
                        raise AssertionError("TLS 1.1 was taken")
                except ConnectionError:
                    equal(context, None)
                except ssl.SSLError as error:
                    assert context is not None and "alert protocol version" in str(error), error
        equal(api.stop(), 0)
    shutil.rmtree(folder)


def test_sigterm_answers_what_is_under_way():
    with Api("--shutdown-delay-ms", 500) as api:
        api.create(dim=64)
        acknowledged, errors = [], []

        def write(first):
            connection = http.client.HTTPConnection(*api.address, timeout=30)
            try:
                for key in range(first, first + 10**6):
                    body = json.dumps({"points": [{"key": key, "vector": [1] * 64}]})
                    connection.request("PUT", "/v1/collections/default/points", body, JSON)
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status != 200:
                        errors.append(reply.status)
                        return
                    acknowledged.append(key)
                    if reply.headers["Connection"] == "close":
                        return
            except (ConnectionError, http.client.HTTPException):
                pass  # between two requests
            finally:
                connection.close()

        threads = [threading.Thread(target=write, args=(i * 10**6,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        idle = api.connect()
        api.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        equal(api.problem("GET", "/readyz", None, 503, "shutting_down").headers["retry-after"], "1")
        equal(api.call("GET", "/livez").status, 200)
        equal(api.process.wait(30), 0)
        idle.close()
        for thread in threads:
            thread.join()
        equal(errors, [])
        assert len(acknowledged) > 20, acknowledged
        told = subprocess.run([roxanne, "info", api.path, "--json"], check=True, capture_output=True)
        info = json.loads(told.stdout)
        equal(info["redo_bytes"], 0)
        points = info["collections"][0]["points"]
        assert len(acknowledged) <= points <= len(acknowledged) + 4, (len(acknowledged), points)


def test_a_second_signal_hastens():
    with Api("--shutdown-delay-ms", 60000) as api:
        api.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        api.alive()
        begin = time.monotonic()
        equal(api.stop(), 0)
        assert time.monotonic() - begin < 20


def test_read_only_serves_beside_a_writer():
    with Api() as writer:
        writer.create(dim=1)
        put_points(writer, [{"key": 1, "vector": [1]}])
        second = subprocess.run([roxanne, "serve", writer.path, "--listen", "127.0.0.1:0"],
                                capture_output=True, text=True, timeout=60, check=False)
        equal(second.returncode, 4)
        reader = Api("--read-only", folder=writer.folder, create=False)
        reader.log_path = writer.folder / "reader.log"
        with reader as api:
            equal(search(api, vector=[1])["neighbors"][0]["key"], 1)
            api.problem("PUT", "/v1/collections/default/points",
                        {"points": [{"key": 2, "vector": [1]}]}, 403, "read_only")


def rounded(answer):
    """Kernels of other instruction sets add in another order."""
    return [(n["key"], round(n["distance"], 5), n["payload"]) for n in answer["neighbors"]]


def contract_check_problem(problem):
    if contract is not None:
        contract.check("/components/schemas/Problem", problem)
    equal(problem["code"], "invalid_argument")


def test_the_documents_examples():
    """Every sh and python block of docs/http_api.md, in their order, against one server."""
    try:
        import numpy  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        raise Skipped(f"pip install numpy requests ({error})") from error
    need("curl")
    document = SAMPLE.parent / "docs" / "http_api.md"
    blocks = re.findall(r"^```(sh|python|json)\n(.*?)^```", document.read_text(), re.M | re.S)
    assert len(blocks) > 8, blocks
    outputs = []
    with Api() as api:
        for language, text in blocks:
            if language == "json":
                # What the block before it answered, or an example of a problem.
                if "neighbors" in json.loads(text):
                    equal(rounded(json.loads(outputs[-1])), rounded(json.loads(text)))
                else:
                    contract_check_problem(json.loads(text))
                continue
            text = text.replace("127.0.0.1:8642", f"127.0.0.1:{api.address[1]}")
            command = ["bash", "-ec", text] if language == "sh" else [sys.executable, "-c", text]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, (text, done)
            outputs.append(done.stdout.strip())
        assert "alien 0.006" in outputs[-2], outputs


def test_openapi_has_been_seen_whole():
    """Last: all that the document promises was answered by some test before it."""
    if serve_contract.MISSING is not None:
        raise Skipped(serve_contract.MISSING)
    if not all_tests_run:
        raise Skipped("not all other tests ran")
    equal(contract.unseen(), [])


def main():
    global roxanne, all_tests_run
    parser = argparse.ArgumentParser(description="Tests the HTTP server end to end.")
    parser.add_argument("binary")
    parser.add_argument("names", nargs="*", help="only tests whose names contain one of these")
    arguments = parser.parse_args()
    roxanne = os.path.abspath(arguments.binary)
    all_tests_run = not arguments.names
    return run_tests(globals(), arguments.names)


if __name__ == "__main__":
    sys.exit(main())
