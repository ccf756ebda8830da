"""An HTTP server on loopback that serves real media files, and misbehaves by the name that is asked for."""

import http.server
import re
import threading
import time


class MediaServer(http.server.ThreadingHTTPServer):
    """Serves `/NAME` from `files`; names in `behaviours` are answered otherwise. `with` starts and stops it.

    Args:
        files: content by name; all are sent as `video/mp4`.
        behaviours: by name: a status; `(status, times, headers)`, then as usual; "stall", "cut", "no ranges", "text",
            "trickle": a half, then a byte every 0.05 s, for 3 s.
    """

    daemon_threads = True

    def __init__(self, files, behaviours=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.behaviours = dict(behaviours or {})
        self.requests = []  # (seconds, name, range or None)
        self.sent = 0
        self.delay = 0.0
        self.leaving = threading.Event()
        self.lock = threading.Lock()

    @property
    def template(self):
        return f"http://127.0.0.1:{self.server_port}/{{id}}.mp4"

    def asked(self, name):
        return [request for request in self.requests if request[1] == name]

    def handle_error(self, request, client_address):
        """Clients that hang up early are no news."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.leaving.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *message):
        pass

    def do_GET(self):
        server, name = self.server, self.path.strip("/").removesuffix(".mp4")
        asked = self.headers.get("Range")
        with server.lock:
            server.requests.append((time.monotonic(), name, asked))
            behaviour = server.behaviours.get(name)
            if isinstance(behaviour, tuple):
                status, times, headers = behaviour
                server.behaviours[name] = (status, times - 1, headers) if times > 1 else None
                return self._refuse(status, headers)
        time.sleep(server.delay)
        if isinstance(behaviour, int):
            return self._refuse(behaviour, {})
        if behaviour == "stall":
            server.leaving.wait(20)
            return None
        if behaviour == "text":
            return self._send(200, b"<html><title>Sorry</title><p>Not here</p></html>", kind="text/html")
        if name not in server.files:
            return self._refuse(404, {})
        content = server.files[name]
        if behaviour == "no ranges" or asked is None:
            return self._send(200, content)
        begin, end = re.fullmatch(r"bytes=(\d+)-(\d+)", asked).groups()
        begin, end = int(begin), min(int(end), len(content) - 1)
        part = content[begin : end + 1]
        lost = len(part) // 2 if behaviour == "cut" else 0
        place, trickle = f"bytes {begin}-{end}/{len(content)}", behaviour == "trickle"
        return self._send(206, part, lost=lost, place=place, trickle=trickle)

    def _refuse(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status, content, *, kind="video/mp4", lost=0, place=None, trickle=False):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if place:
            self.send_header("Content-Range", place)
        self.end_headers()
        if trickle:
            self.wfile.write(content[: len(content) // 2])
            for _ in range(60):
                self.wfile.write(b".")
                if self.server.leaving.wait(0.05):
                    break
            self.close_connection = True
            return
        content = content[: len(content) - lost]
        self.wfile.write(content)
        self.server.sent += len(content)
        if lost:
            self.close_connection = True
