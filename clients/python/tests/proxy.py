"""A proxy in front of the server."""

import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy:
    """
    `asked` holds each operation: (name, input). `breaks` is what happens to the next ones, by name: "refuse" (closed
    before it arrives), "lose" (the server has done it, the answer is lost), "hang" (no answer comes), a status, or a
    (status, body).
    """

    def __init__(self, url):
        self.asked = []
        self.headers = []
        self.breaks = {}
        self.released = threading.Event()
        target = urlsplit(url)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise each answer is two packets, and the second waits 40 ms for the first one's acknowledgement.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                name, variables = operation_of(body)
                proxy.asked.append((name, variables.get("input", variables)))
                proxy.headers.append(dict(self.headers))
                broken = proxy.breaks.get(name) or []
                how = broken.pop(0) if broken else None
                if how == "refuse":
                    self.close_connection = True
                    return
                if how == "hang":
                    self.close_connection = True
                    proxy.released.wait(60)
                    return
                if how is not None and how != "lose":
                    status, text = how if isinstance(how, tuple) else (how, "<html>a proxy's page</html>")
                    self.answer(status, text.encode(), {})
                    return
                link = http.client.HTTPConnection(target.hostname, target.port, timeout=30)
                kept = {key: self.headers[key] for key in ("content-type", "accept", "authorization") if self.headers[key]}
                link.request("POST", target.path, body, kept)
                reply = link.getresponse()
                text = reply.read()
                link.close()
                if how == "lose":
                    self.close_connection = True
                    return
                passed = {key: reply.headers[key] for key in ("x-request-id", "retry-after") if reply.headers[key]}
                self.answer(reply.status, text, passed)

            def answer(self, status, body, headers):
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{target.path}"

    def names(self):
        return [name for name, _ in self.asked]

    def saves(self):
        return [given for name, given in self.asked if name == "saveCheckpoint"]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def operation_of(body):
    request = json.loads(body)
    found = re.search(r"\bresult: (\w+)|\{\s*(?:\w+: )?(\w+)", request["query"])
    return found[1] or found[2], request.get("variables") or {}
