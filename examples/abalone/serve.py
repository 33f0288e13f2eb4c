"""The model of inference.py as a program.

It answers GET /ping and POST /invocations on $PORT, with Python's standard library alone.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inference import input_fn, model_fn, output_fn, predict_fn

WEIGHTS = model_fn(os.path.dirname(os.path.abspath(__file__)))


class Rings(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    """Keeps connections open.

    So the server needs a thread for each: a ping must not wait until the one before it is closed.
    """

    def do_GET(self):
        self.answer(200, "ready", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        content_type = self.headers["content-type"]
        try:
            rows = predict_fn(input_fn(body, content_type), WEIGHTS)
            self.answer(200, *output_fn(rows, self.headers.get("accept", content_type)))
        except (ValueError, KeyError) as error:
            self.answer(422, str(error), "text/plain")

    def answer(self, status, text, content_type):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of requests: prints of a program during a run are kept as the run's logs."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Rings).serve_forever()
