"""A relay on loopback between a server and programs whose answers nobody here sees: the aws command, other SDKs.

It passes requests and answers on unchanged but for the framing of the connection, so signatures (over the Host header
that the client sent) stay good, and notes each answer in the recorder of conformance.py.
"""
import http.client
import http.server
import threading

from conformance import RECORDER, operation_of

HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "trailer", "upgrade"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """trailers"""
        return b"".join(parts)

    def _pass_on(self):
        body = self._body()
        whole = "Content-Length" not in self.headers and (body or self.command in ("POST", "PUT"))
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=120)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    upstream.putheader(name, value)
            if whole:
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            fields, content = answer.getheaders(), answer.read()
        finally:
            upstream.close()
        operation = operation_of(self.command, self.path.split("?")[0], self.headers)
        RECORDER.note(operation, answer.status, dict(fields), content)
        self.send_response_only(answer.status)
        for name, value in fields:
            if name.lower() not in HOP:
                self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in fields):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _pass_on

    def log_message(self, *_):
        """The server's own log is what a failing test shows."""


class Relay:
    def __init__(self, address):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.upstream = address
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
