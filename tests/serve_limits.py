"""Limits: each has its status, and time is one of them."""
import json
import re
import socket
import struct
import time

from serve_api import BINARY, Api, equal, put_points, refused, search
from serve_fixture import JSON, read_reply


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


class Gauge:
    """One whole number of /metrics."""

    def __init__(self, api, name):
        self._api = api
        self._line = re.compile(rf"^{name} (\d+)$", re.M)

    def value(self):
        return int(self._line.search(self._api.call("GET", "/metrics").body.decode())[1])

    def wait_until(self, condition):
        until = time.monotonic() + 30
        while not condition(self.value()):
            assert time.monotonic() < until, self.value()
            time.sleep(0.05)


def test_bodies_together_are_bounded():
    with Api("--body-bytes-max", 2000, "--body-bytes-in-flight-max", 3000) as api:
        api.create(dim=1)
        begun = (b"PUT /v1/collections/default/points HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 1600\r\n\r\n")
        part = b'{"points":[' + b" " * 1580
        in_flight = Gauge(api, "roxanne_body_bytes_in_flight")
        with api.connect() as first, api.connect() as second, api.connect() as third:
            # What is only promised keeps nobody out.
            second.sendall(begun)
            third.sendall(begun)
            first.sendall(begun + part)
            in_flight.wait_until(lambda held: held == len(part))
            for _ in range(20):
                reply, = api.raw(begun + part)
                equal((reply.status, reply.code()), (503, "overloaded"))
                equal(in_flight.value(), len(part))  # whoever was refused holds nothing any more
            first.sendall(b" " * 7 + b"]}")
            equal(read_reply(first.makefile("rb")).status, 200)
        put_points(api, [{"key": 1, "vector": [1]}])


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

        wait_until = Gauge(api, "roxanne_answer_bytes_in_flight").wait_until
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
