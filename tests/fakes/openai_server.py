"""An OpenAI-compatible server in this process, well-behaved or faulty in one chosen way."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does. fault is a key of `FAULTS`, or empty; it comes after `after` requests."""

    ttft_s: float = 0.01
    itl_s: float = 0.001
    fault: str = ""
    after: int = 0
    model: str = "tiny"
    page_fault: str = ""  # a fault of the pages instead
    health: int = 200  # the status of every page but the list of models
    key: str = ""  # what every request must carry
    seen: list = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    release: threading.Event = field(default_factory=threading.Event)


def answer_500(handler, request):
    handler.send_response(500)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def garbage(handler, request):
    handler.begin_stream()
    handler.chunk(b"\x00\x01 this is no event stream\n")
    handler.chunk(b"")


def not_json(handler, request):
    handler.begin_stream()
    handler.chunk(b"data: {half\n\n")
    handler.chunk(b"")


def no_token(handler, request):
    handler.begin_stream()
    handler.chunk(b"data: [DONE]\n\n")
    handler.chunk(b"")


def cut_off(handler, request):
    handler.begin_stream()
    handler.token("x")
    handler.close_connection = True


def stall(handler, request):
    handler.begin_stream()
    handler.token("x")
    handler.behaviour.release.wait(30)
    handler.close_connection = True


def hang(handler, request):
    handler.behaviour.release.wait(30)
    handler.close_connection = True


def too_short(handler, request):
    handler.stream({**request, "max_tokens": max(1, request["max_tokens"] // 2)})


def error_event(handler, request):
    handler.begin_stream()
    handler.token("x")
    handler.chunk(b'data: {"error": {"message": "engine died"}}\n\n')
    handler.chunk(b"")


def no_http(handler, request):
    handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n")
    handler.close_connection = True


def no_head(handler, request):
    handler.close_connection = True


def half_head(handler, request):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    handler.close_connection = True


def slow_head(handler, request):
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 4000)


def huge_head(handler, request):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 100_000 + b"\r\n\r\n")
    handler.close_connection = True


def redirect(handler, request):
    handler.send_response(307)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def slow_line(handler, request):
    handler.begin_stream(chunked=False)
    handler.drip(b"data: " + b"x" * 4000)


def comments(handler, request):
    handler.begin_stream()
    while not handler.behaviour.release.wait(0.05):
        handler.chunk(b": still here\n\n")
    handler.close_connection = True


def bad_chunk(handler, request):
    handler.begin_stream()
    handler.token("x")
    handler.wfile.write(b"zz\r\nnot a chunk\r\n")
    handler.close_connection = True


def not_utf8(handler, request):
    handler.begin_stream()
    handler.chunk(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n')
    handler.chunk(b"")


def deep_json(handler, request):
    handler.begin_stream()
    handler.chunk(b"data: " + b"[" * 50_000 + b"\n\n")
    handler.chunk(b"")


def odd_usage(handler, request):
    handler.begin_stream()
    handler.token("x")
    handler.chunk(b'data: {"choices": [], "usage": {"completion_tokens": {"a": "few"}}}\n\n')
    handler.chunk(b"")


def huge_line(handler, request):
    handler.begin_stream()
    for _ in range(100):
        handler.chunk(b"x" * 100_000)
    handler.chunk(b"")


def plain(body, status=200, **headers):
    """A whole answer of this status and body."""

    def answer(handler, request):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def events(*lines):
    """A stream of these events, and its proper end."""

    def answer(handler, request):
        handler.begin_stream()
        for line in lines:
            handler.chunk(b"data: " + line + b"\n\n")
        handler.chunk(b"data: [DONE]\n\n")
        handler.chunk(b"")

    return answer


def raw(head):
    """A stream whose chunks are not HTTP's."""

    def answer(handler, request):
        handler.begin_stream()
        handler.wfile.write(head)
        handler.close_connection = True

    return answer


def endless(handler, request):
    handler.begin_stream()
    while not handler.behaviour.release.is_set():
        handler.chunk(b"x" * 65_536)
    handler.close_connection = True


def half_page(handler, request):
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"data": [')
    handler.close_connection = True


def listed(*models):
    return plain(json.dumps({"data": list(models)}).encode())


CHUNK = {"id": "1", "object": "chat.completion.chunk", "model": "tiny"}  # AIPerf wants a name
TOKEN = b'{"choices": [{"delta": {"content": "a"}}]}'

FAULTS = {
    "500": (answer_500, "HTTP 500"),
    "garbage": (garbage, "garbage in the stream"),
    "not_json": (not_json, "garbage in the stream"),
    "no_token": (no_token, "held no token"),
    "cut_off": (cut_off, "connection lost|ended early"),
    "stall": (stall, "stalled"),
    "hang": (hang, "stalled"),
    "too_short": (too_short, "tokens of"),
    "error_event": (error_event, "engine died"),
    "no_http": (no_http, "no HTTP answer"),
    "no_head": (no_head, "connection lost"),
    "half_head": (half_head, "connection lost"),
    "slow_head": (slow_head, "stalled"),
    "huge_head": (huge_head, "no HTTP answer"),
    "redirect": (redirect, "HTTP 307"),
    "slow_line": (slow_line, "stalled"),
    "bad_chunk": (bad_chunk, "no HTTP answer|stalled"),  # aiohttp tells it only while it reads the head
    "not_utf8": (not_utf8, "garbage in the stream"),
    "deep_json": (deep_json, "garbage in the stream"),
    "odd_usage": (odd_usage, "garbage in the stream"),
    "huge_line": (huge_line, "too long"),
    "401": (plain(b"{}", 401), "HTTP 401"),
    "429": (plain(b"{}", 429), "HTTP 429"),
    "empty": (plain(b""), "ended early"),
    "html": (plain(b"<html>Welcome</html>"), "garbage in the stream"),
    "negative_counts": (events(TOKEN, b'{"usage": {"completion_tokens": -5}}'), "garbage in the stream"),
    "nan_usage": (events(TOKEN, b'{"usage": {"completion_tokens": NaN}}'), "garbage in the stream"),
    "huge_count": (events(TOKEN, b'{"usage": {"completion_tokens": 1e999}}'), "garbage in the stream"),
    "text_usage": (events(TOKEN, b'{"usage": {"completion_tokens": "x"}}'), "garbage in the stream"),
    "text_choice": (events(b'{"choices": ["x"]}'), "garbage in the stream|held no token"),
    "a_list": (events(b"[1, 2]"), "garbage in the stream"),
    "negative_chunk": (raw(b"-5\r\n"), "no HTTP answer|stalled"),
    "huge_chunk": (raw(b"fffffffffffffff\r\n" + b"x" * 70_000), "too long|no HTTP answer|connection lost"),
    "packed": (plain(b"\x1f\x8bnot gzip", **{"Content-Encoding": "gzip"}), "no HTTP answer|connection lost"),
    "endless": (endless, "too long"),
}

# Pages instead of the list of models, and what is then said.
PAGE_FAULTS = {
    "no_http": "does not speak HTTP",
    "no_head": "ends the connection",
    "half_head": "ends the connection",
    "half_page": "ends the connection|within",
    "slow_head": "within 5 s",
    "slow_line": "within 5 s",
    "hang": "within 5 s",
    "huge_head": "does not speak HTTP",
    "redirect": "redirects /v1/models to /v1/models",
    "500": "HTTP 500",
    "401": "HTTP 401; a key goes into",
    "404": "HTTP 404",
    "empty": "something else than a list",
    "html": "something else than a list",
    "packed": "ends the connection|does not speak HTTP",
    "deep_page": "something else than a list",
    "endless": "something else than a list|within 5 s",
    "no_models": "it lists none",
    "odd_models": "it lists none",
    "other_model": r"it lists \\x1b",
}
_PAGES = {
    "404": plain(b"", 404),
    "half_page": half_page,
    "deep_page": plain(b"[" * 1_000_000),
    "no_models": listed(),
    "odd_models": listed(1, None, "x", [], {"name": "x"}),
    "other_model": listed({"id": "\x1b[2J\x1b]0;pwn\x07<script>"}, {"id": ["x"]}),
}
_FAULTY = {"comments": comments} | _PAGES | {name: answer for name, (answer, _) in FAULTS.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def log_message(self, *_):
        pass

    def refused(self):
        """Whether a key is missing, which then has been said."""
        wrong = self.behaviour.key and self.headers["Authorization"] != self.behaviour.key
        if wrong:
            plain(b"{}", 401)(self, {})
        return wrong

    def do_GET(self):
        if self.refused():
            return
        if self.behaviour.page_fault:
            with suppress(BrokenPipeError, ConnectionResetError):
                _FAULTY[self.behaviour.page_fault](self, {})
            return
        listed = {"object": "list", "data": [{"id": self.behaviour.model}]}
        body = json.dumps(listed if self.path == "/v1/models" else {"status": "healthy"}).encode()
        self.send_response(200 if self.path == "/v1/models" else self.behaviour.health)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request.setdefault("max_tokens", request.get("max_completion_tokens"))  # AIPerf's name
        if self.refused():
            return
        with self.behaviour.lock:
            self.behaviour.seen.append(request)
            number = len(self.behaviour.seen)
            self.behaviour.in_flight += 1
            self.behaviour.most_in_flight = max(self.behaviour.most_in_flight, self.behaviour.in_flight)
        self.inside = True
        try:
            faulty = self.behaviour.fault and number > self.behaviour.after
            with suppress(BrokenPipeError, ConnectionResetError):
                (_FAULTY[self.behaviour.fault] if faulty else _Handler.stream)(self, request)
        finally:
            self.leave()

    def leave(self):
        """The request is no longer in flight: once, however it ended."""
        if self.inside:
            self.inside = False
            with self.behaviour.lock:
                self.behaviour.in_flight -= 1

    def stream(self, request):
        self.begin_stream()
        time.sleep(self.behaviour.ttft_s)
        for index in range(request["max_tokens"]):
            if index:
                time.sleep(self.behaviour.itl_s)
            self.token("7")
        prompt = sum(len(message["content"]) for message in request["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": request["max_tokens"]}
        self.chunk(f"data: {json.dumps(CHUNK | {'choices': [], 'usage': usage})}\n\n".encode())
        self.leave()  # the client may send its next request before this thread runs again
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def begin_stream(self, chunked=True):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def drip(self, content):
        """Byte by byte, each well within the client's patience, until the test is over."""
        self.close_connection = True
        for place in range(len(content)):
            if self.behaviour.release.wait(0.02):
                return
            self.wfile.write(content[place : place + 1])
            self.wfile.flush()

    def token(self, text):
        self.chunk(f"data: {json.dumps(CHUNK | {'choices': [{'delta': {'content': text}}]})}\n\n".encode())

    def chunk(self, content):
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # with the usual 5, connections opened at once wait for seconds


@contextmanager
def openai_server(**behaviour):
    """Give (url, behaviour); the port is free again afterwards."""
    state = Behaviour(**behaviour)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"behaviour": state}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
