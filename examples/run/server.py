"""A small web server for the examples: server.py PORT. GET any path: 200 and "ok"; GET /N: N octets; PUT: how many came.

Says each request on standard output, as `GET /`."""
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        print(self.command, self.path, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        size = self.path.lstrip("/")
        self.answer(b"x" * int(size) if size.isdigit() else b"ok\n")

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left and (part := self.rfile.read(min(left, 65536))):
            left -= len(part)
        if left == 0:
            self.answer(b"all of it\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):  # who was cut off has no answer to wait for
        pass


with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    server.serve_forever()
