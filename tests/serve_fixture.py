"""A running "roxanne serve", and requests to it: JSON through http.client, bytes through sockets."""
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_S = 60
TIMEOUT_S = 60
JSON = {"Content-Type": "application/json"}


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        """Of a problem body, which it has to be."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status, self
        assert problem["detail"] and problem["title"] and problem["type"], self
        return problem["code"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r}"


def read_reply(stream):
    """The next response of a raw connection; None where it ended."""
    line = stream.readline()
    if not line:
        return None
    version, status = line.split(b" ")[:2]
    assert version == b"HTTP/1.1", line
    headers = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    if int(status) == 100:
        return read_reply(stream)
    body = stream.read(int(headers.get("content-length", 0)))
    return Reply(int(status), headers, body)


class Server:
    """In a folder of its own; gone with it at the end of a `with`."""

    def __init__(self, binary, *options, folder=None, env=None, create=True):
        self.binary, self.options, self.env = binary, list(map(str, options)), env
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="roxanne_serve_"))
        self.owns_folder = folder is None
        self.path = self.folder / "served.rox"
        self.log_path = self.folder / "serve.log"
        self.mode = ["--create"] if create else []
        self.process = None

    def start(self):
        listen = [] if "--listen" in self.options else ["--listen", "127.0.0.1:0"]
        with self.log_path.open("ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                [self.binary, "serve", str(self.path), *self.mode, *listen, *self.options],
                stderr=log, stdout=log, stdin=subprocess.DEVNULL, env=self.env)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            for line in self.log_path.read_bytes()[begin:].decode().splitlines():
                if '"event":"ready"' in line:
                    host, port = json.loads(line)["address"].rsplit(":", 1)
                    self.address = (host.strip("[]"), int(port))
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError("the server did not start:\n" + self.log())

    def log(self):
        return self.log_path.read_text()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.owns_folder:
            shutil.rmtree(self.folder)

    def stop(self):
        """In good order; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)

    def call(self, method, path, body=None, headers=None, status=200):
        """A request on a connection of its own. Dicts and lists are sent as JSON."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {**JSON, **headers}
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            reply = Reply(response.status,
                          {name.lower(): value for name, value in response.getheaders()},
                          response.read())
        finally:
            connection.close()
        assert status is None or reply.status == status, \
            f"{method} {path}: expected {status}, got {reply}\n{self.log()[-2000:]}"
        return reply

    def connect(self):
        connection = socket.create_connection(self.address, timeout=TIMEOUT_S)
        return connection

    def raw(self, data, replies=1, half_close=False):
        """Sends bytes as they are; the responses, and whether the connection ended after them."""
        with self.connect() as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            stream = connection.makefile("rb")
            found = []
            for _ in range(replies):
                reply = read_reply(stream)
                if reply is None:
                    break
                found.append(reply)
            return found

    def alive(self):
        assert self.process.poll() is None, f"the server ended: {self.process.poll()}\n{self.log()}"
        assert self.call("GET", "/healthz").json() == {"status": "ok"}
