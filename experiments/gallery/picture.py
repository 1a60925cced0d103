"""The README's picture of a report: docs/pictures/report.png, by headless Chromium.

make demo && simkit report out/llama-70b -o out/report && python experiments/gallery/picture.py out/report
"""

import shutil
import subprocess
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "report.png"
SIZE = "1280,1010"


def main() -> None:
    """Take it of the folder that is named."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or len(sys.argv) != 2:
        raise SystemExit("usage: picture.py FOLDER, with chromium on the path")
    page = (Path(sys.argv[1]) / "report.html").resolve()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
    subprocess.run([chromium, *switches, f"--screenshot={OUT}", page.as_uri()], check=True, timeout=120)
    print(OUT)


if __name__ == "__main__":
    main()
