"""A stand-in for the archives on localhost that serves a folder, slowly or wrongly where it is told to.

In a process of its own: python -m tests.archive_server FOLDER [--port N] [--latency S] [--rate BYTES/S],
which prints its address.
"""

import argparse
import collections
import contextlib
import http.server
import socket
import struct
import threading
import time
import urllib.parse
from pathlib import Path

_CHUNK = 1 << 14


class ArchiveServer(http.server.ThreadingHTTPServer):
    """Serves files; `faults` says what goes wrong with the next requests of a path.

    Attributes
    ----------
    faults : dict
        Path -> list of faults, of which each request takes the first; a fault that is no list is for all
        requests.  Path "*" stands for every path that is not named.  A fault is the name of a method
        ``_fault_NAME`` of the handler, or a tuple of the name and its argument.
    answers : dict
        Path (without query) -> bytes, or a function of the request's fields that gives them.
    requests, times : list
        Paths asked for, in order, and when, in seconds of a steady clock.
    busiest : int
        Most requests that waited for their answers at once.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, folder, *, port=0, latency=0.0, rate=0.0):
        """Listen on `port`, or a free one."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.folder, self.latency, self.rate = Path(folder), latency, rate
        self.faults, self.answers, self.requests, self.times = {}, {}, [], []
        self.busy = self.busiest = 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self._free = 0.0

    @property
    def url(self):
        """Its address, without a last slash."""
        return f"http://127.0.0.1:{self.server_port}"

    def counts(self):
        """How often each path was asked for."""
        return collections.Counter(self.requests)

    def next_fault(self, path):
        """What goes wrong with this request, or None."""
        with self.lock:
            faults = self.faults.get(path, self.faults.get("*"))
            if isinstance(faults, list):
                return faults.pop(0) if faults else None
            return faults

    def wait_for_turn(self, size):
        """Sleep as long as `size` bytes take where all connections share the rate."""
        if self.rate:
            with self.lock:
                self._free = max(self._free, time.monotonic()) + size / self.rate
                wait = self._free - time.monotonic()
            time.sleep(max(0.0, wait))

    def handle_error(self, request, client_address):
        """Clients that go away are part of the play."""

    @contextlib.contextmanager
    def running(self):
        """Serve while the block runs."""
        thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in few packets, without waiting for each other.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self):
        server, path = self.server, urllib.parse.unquote(self.path)
        with server.lock:
            server.requests.append(path)
            server.times.append(time.monotonic())
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        time.sleep(server.latency)
        if server.ended.is_set():
            # Connections outlive the socket that accepted them.
            self._hang_up()
            return
        length = int(self.headers.get("Content-Length", 0))
        self.form = self.rfile.read(length).decode()
        fault = server.next_fault(path)
        # The client may ask for more before this thread has noticed that it sent its last byte.
        with server.lock:
            server.busy -= 1
        name, *arguments = fault if isinstance(fault, tuple) else (fault,)
        if name:
            getattr(self, f"_fault_{name}")(*arguments)
        else:
            self._send(self._find(path))

    do_POST = do_GET

    def log_message(self, *_):
        """Quiet."""

    def _find(self, path):
        path, _, query = path.partition("?")
        answer = self.server.answers.get(path)
        if answer is not None:
            return answer(self.form or query) if callable(answer) else answer
        file = self.server.folder / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def _send(self, content, *, status=200, headers=(), length=None, sent=None, close=False):
        """Answer; `length` is what the header claims, `sent` how many bytes follow."""
        if content is None:
            status, content = 404, b"<html>Not Found</html>"
        self.send_response(status)
        if length is None or length >= 0:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        for key, value in headers:
            self.send_header(key, value)
        if close or (length or 0) < 0:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        content = content[:sent]
        for start in range(0, len(content), _CHUNK):
            chunk = content[start : start + _CHUNK]
            self.server.wait_for_turn(len(chunk))
            self.wfile.write(chunk)
        self.wfile.flush()

    def _hang_up(self):
        # Lingering for no time at all makes closing a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _file(self):
        return self._find(urllib.parse.unquote(self.path))

    def _fault_reset(self):
        content = self._file()
        self._send(content, sent=len(content) // 2)
        self._hang_up()

    def _fault_truncated(self):
        content = self._file()
        self._send(content, sent=len(content) // 2, length=len(content), close=True)

    def _fault_truncated_silently(self):
        content = self._file()
        self._send(content, sent=len(content) // 2, length=-1)

    def _fault_claims_more(self):
        content = self._file()
        self._send(content, length=len(content) + 1000, close=True)

    def _fault_claims_less(self):
        content = self._file()
        self._send(content, length=len(content) // 2)

    def _fault_html(self):
        self._send(b"<!DOCTYPE html><html><body>We are sorry</body></html>")

    def _fault_status(self, status, retry_after=None):
        headers = () if retry_after is None else [("Retry-After", str(retry_after))]
        self._send(b"busy", status=status, headers=headers)

    def _fault_stall(self, seconds, sent=1000):
        content = self._file()
        self._send(content, sent=sent, length=len(content), close=True)
        self.server.ended.wait(seconds)

    def _fault_silence(self, seconds):
        self.close_connection = True
        self.server.ended.wait(seconds)

    def _fault_drip(self, pause):
        content = self._file()
        self._send(content, sent=0, length=len(content), close=True)
        for byte in content:
            if self.server.ended.wait(pause):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def _fault_other(self, content):
        self._send(content)

    def _fault_redirect(self, location):
        self._send(b"", status=302, headers=[("Location", location)])

    def _fault_long_redirect(self, location):
        """With a body that never comes to its end."""
        self._send(b"", status=302, headers=[("Location", location)], length=1 << 40)

    def _fault_loop(self):
        self._fault_redirect(self.path)

    def _fault_endless(self):
        self._send(b"", length=-1)
        block = bytes(1 << 16)
        with contextlib.suppress(OSError):
            while not self.server.ended.is_set():
                self.wfile.write(block)

    def _fault_claims_huge(self):
        self._send(b"SIMPLE  =", length=1 << 40, close=True)

    def _fault_die(self):
        """The whole server stops answering, at once."""
        self.server.ended.set()
        threading.Thread(target=self.server.shutdown).start()
        self.server.socket.close()
        self._hang_up()


def main():
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    options = vars(parser.parse_args())
    server = ArchiveServer(options.pop("folder"), **options)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
