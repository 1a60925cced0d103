"""What a person sees while a tool is installed: the step, and on a terminal the size so far."""

import sys
import time

from simkit.cli import installing


def test_lines_where_nobody_watches(capsys, tmp_path):
    with installing.shown_installing(tmp_path, quiet=False) as say:
        say("step 1 of 2: installing aiperf")
    assert capsys.readouterr().err == "step 1 of 2: installing aiperf\n"


def test_the_size_grows_on_a_terminal(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(installing, "_LOOK_S", 0.02)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "before").write_bytes(bytes(5_000_000))
    with installing.shown_installing(tmp_path, quiet=False) as say:
        say("step 1 of 2: installing aiperf")
        (tmp_path / "wheel").write_bytes(bytes(7_000_000))
        time.sleep(0.5)
    assert "installing aiperf: 7 MB so far" in capsys.readouterr().err
