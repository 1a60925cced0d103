"""An engine's server as a program: what it is told to do wrong comes from FAKE_ENGINE, its words are kept.

FAKE_ENGINE: FAULT[:after requests] of openai_server, deadly[:after requests], dies (at once), or mute (its
port stays closed).
"""

import json
import os
import sys
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

from openai_server import Behaviour, _Handler


class Handler(_Handler):
    """The faulty server, that may die of a request."""

    deadly = False

    def do_POST(self):  # noqa: N802
        if self.deadly and len(self.behaviour.seen) >= self.behaviour.after:
            os.write(2, b"RuntimeError: engine core is gone\n")
            os._exit(7)
        super().do_POST()


def main():
    words = sys.argv[1:]
    if os.environ.get("FAKE_ENGINE_WORDS"):
        Path(os.environ["FAKE_ENGINE_WORDS"]).write_text(json.dumps(words))
    fault, _, after = os.environ.get("FAKE_ENGINE", "").partition(":")
    if fault == "dies":
        os.write(2, b"torch.OutOfMemoryError: no room for weights\n")
        sys.exit(3)
    if fault == "mute":
        time.sleep(60)
    Handler.deadly = fault == "deadly"
    fault = "" if Handler.deadly else fault
    model = words[words.index("--served-model-name") + 1] if "--served-model-name" in words else "tiny"
    Handler.behaviour = Behaviour(fault=fault, after=int(after or 0), model=model)
    port = int(words[words.index("--port") + 1])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
