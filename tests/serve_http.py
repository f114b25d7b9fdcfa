"""HTTP itself: what passes, and what two readers could read differently."""
import gzip
import http.client
import json
import pathlib
import random
import shutil
import socket
import ssl
import struct
import tempfile
import time
import zlib

from serve_api import BINARY, Api, equal, need, search
from serve_fixture import JSON, openssl, read_reply


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
                         b"Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n{" + b" " * 800_000)
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
    # Within little memory bodies are smaller, and what may come may be packed, too.
    with Api("--memory-limit", "64MiB") as api:
        api.create(dim=8)
        api.call("PUT", points, gzip.compress(exact.ljust(2 << 20)), packed)
        api.problem("PUT", points, exact.ljust((2 << 20) + 1), 413, "body_too_large")
    with Api("--memory-limit", "64MiB", "--body-bytes-max", 20_000_000) as api:
        api.create(dim=8)
        api.call("PUT", points, gzip.compress(exact.ljust(20_000_000)), packed)


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
