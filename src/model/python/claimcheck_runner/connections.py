"""The HTTP server of a replica: pings and invocations, on a Unix socket."""

import selectors
import threading
from time import sleep

from .invocation import Call
from .protocol import BUSY_HEADER

_ACCEPT_PAUSE = 0.05
"""Seconds before a connection is accepted that could not be."""


def response(status, body, *headers):
    """Returns the bytes of an HTTP response; each header is a tuple of its name and its value."""
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name}: {value}" for name, value in headers),
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """A connection of the server's: one request at a time.

    The end of the connection is the end of the call that it waits for.
    """

    read_size = 256 * 1024

    def __init__(self, peer, workers):
        self.peer = peer
        self.workers = workers
        self.buffer = bytearray()
        self.request = None
        self.call = None
        self.is_gone = False
        self.lock = threading.Lock()

    def receive(self):
        """Reads the bytes that are there; returns False once the connection is of no more use."""
        try:
            some = self.peer.recv(self.read_size)
        except OSError:
            return False
        self.buffer += some
        return len(some) > 0 and self.advance()

    def advance(self):
        """Handles the request if it is complete; returns False as receive() does."""
        if self.request is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end == -1:
                return True
            request_line, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            fields = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            # The server always knows how long a body is.
            if "transfer-encoding" in headers:
                return False
            size = int(headers.get("content-length", 0))
            self.request = request_line.rpartition(" ")[0], headers, size
            del self.buffer[: end + 4]
        target, headers, size = self.request
        if len(self.buffer) < size:
            return True
        body = bytes(self.buffer) if len(self.buffer) == size else bytes(self.buffer[:size])
        del self.buffer[:size]
        self.request = None
        return self.handle(target, headers, body)

    def handle(self, target, headers, body):
        """Answers a request, or gives it to the workers."""
        if target == "POST /invocations":
            self.call = Call(self, headers, body, self.workers)
            self.workers.hand(self.call)
            return True
        if target == "GET /ping":
            busy = str(len(self.workers.open))
            return self.send(response("200 OK", b"", (BUSY_HEADER, busy)))
        return self.send(response("404 Not Found", b""))

    def finish(self, data):
        """Answers the call, from the thread that worked on it."""
        with self.lock:
            self.call = None
            is_gone = self.is_gone
        if is_gone:
            self.peer.close()
        else:
            self.send(data)

    def hang_up(self):
        """Cancels the call: the other side has closed the connection."""
        with self.lock:
            self.is_gone = True
            call = self.call
        if call is None:
            self.peer.close()
        else:
            call.context.signal.set()

    def send(self, data):
        """Sends bytes; returns False where nobody is left to read them."""
        try:
            self.peer.sendall(data)
            return True
        except OSError:
            # The reading side hears of it too.
            return False


def listen(listener, workers):
    """Accepts and reads connections, for ever."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            connection = key.data
            if connection is None:
                _accept(listener, workers, selector)
            elif not connection.receive():
                selector.unregister(connection.peer)
                connection.hang_up()


def _accept(listener, workers, selector):
    try:
        peer, _ = listener.accept()
    except OSError:
        # The model has opened as many files as it may. The connection waits until it has closed
        # some.
        sleep(_ACCEPT_PAUSE)
        return
    # The model may have set a limit for all sockets.
    peer.settimeout(None)
    selector.register(peer, selectors.EVENT_READ, Connection(peer, workers))
