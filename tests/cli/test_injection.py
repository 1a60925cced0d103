"""Names, notes and annotations that a shell, a browser, a spreadsheet or a terminal would act on."""

import csv
import html.parser
import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from simkit.core.harmless import cell, json_line, shown_line
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import profile_command

FIELD = Path(__file__).resolve().parents[1] / "fixtures" / "field"
HOSTILE = {
    "line break": "a\nb: c\n- d",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "eight-bit escape": "\x9b31m",
    "direction": "\u202efedoc\u2066",
    "script": "<script>window.hurt=1<!--\"'>",
    "substitution": "$(touch pwned)`touch pwned`",
    "quotes": 'it\'s "q" \\ ; touch pwned #',
    "formula": "=cmd|' -C calc'!A0",
    "at": "@SUM(1+1)*cmd",
    "plus": "+1-1",
    "yaml": "*a &b !!python%object: {x: [1",
    "template": "{{ 7*7 }} {% raw %} ${HOME} %s",
}
ASKED = (
    "--gpu",
    "h200_sxm",
    "--total-gpus",
    "1",
    "--backend",
    "vllm",
    "--isl",
    "500",
    "--osl",
    "50",
    "--concurrency",
    "4",
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Tags(html.parser.HTMLParser):
    """Every tag of a page, and the texts of its scripts."""

    def __init__(self):
        super().__init__()
        self.found, self.events = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.events += [name for name, _ in attrs if name.startswith("on")]


def tags(text):
    parser = Tags()
    parser.feed(text)
    return parser


def recommended(folder, name, simkit):
    """What is said of a recommendation for a model folder of that name, and its files; none where refused."""
    place = folder / "models" / name
    place.mkdir(parents=True)
    shutil.copy(FIELD / "m43_gptq8.json", place / "config.json")
    done = simkit("recommend", "--model", place, *ASKED, "-o", folder / "out")
    found = (folder / "out").iterdir() if (folder / "out").is_dir() else ()
    return done, {path.name: path.read_text() for path in found if path.is_file()}


@pytest.fixture
def plain_tags(tmp_path_factory, simkit):
    """Tags of the same page with a harmless name."""
    return tags(recommended(tmp_path_factory.mktemp("plain"), "plain", simkit)[1]["report.html"])


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_model_does_nothing_anywhere(tmp_path, name, plain_tags, simkit):
    done, files = recommended(tmp_path, name, simkit)
    assert not CONTROL.search(done.out + done.err)
    if done.status == 2:
        assert done.err.count("\n") == 1
        assert not files
        return
    model = str(tmp_path / "models" / name)
    assert tags(files["report.html"]).found == plain_tags.found
    assert not tags(files["report.html"]).events
    assert "<script>window" not in files["report.md"]
    words = shlex.split(files["benchmark.sh"], comments=True)
    assert model in words
    for text in files.values():
        assert not CONTROL.search(text.replace("\r", ""))
    documents = list(yaml.safe_load_all(files["dgd.yaml"]))
    assert model in json.dumps(documents, ensure_ascii=False).replace("\\\\", "\\").replace('\\"', '"')
    rows = list(csv.DictReader(io.StringIO(files["candidates.csv"])))
    assert rows
    assert not any(
        value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values() if not number(value)
    )


def number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_served_names_and_urls_are_words_of_the_command(tmp_path, text):
    command = profile_command(
        Workload(concurrency=2), model=f"m{text}", url=f"http://x/{text}", slo=None, options=None
    )
    quoted = shlex.join(command)
    script = f"aiperf() {{ printf '%s\\n' \"$#\"; }}; {quoted}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(command) - 1}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_table_writes_harmless_cells(tmp_path, text, simkit):
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run_id", "model", "gpu", "backend", "isl_tokens", "osl_tokens", "concurrency"])
        writer.writerow([text, text, "h200_sxm", "vllm", 100, 10, 4])
    done = simkit("predict", tmp_path / "runs.csv", "-o", tmp_path / "out.csv")
    assert done.status == 0
    assert not CONTROL.search(done.out + done.err)
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["error"]
    assert row["run_id"].removeprefix("'") == text
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_annotations_overrides_and_files_of_that_name_are_shown_on_a_line(tmp_path, text, simkit):
    document = {
        "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment",
        "metadata": {"name": "x", "annotations": {"simkit.io/asked": text, text: text}},
        "spec": {"components": [{"name": text, "type": "worker"}]},
    }  # fmt: skip
    path = tmp_path / f"{text.replace('/', '')}.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    for words in (
        ("validate", path),
        ("estimate", path, "--gpu", "h200_sxm"),
        ("recommend", "--model", "Qwen/Qwen3-8B", *ASKED, "--set", f"metadata.annotations.{text}={text}"),
        ("recommend", "--model", text, *ASKED),
        ("recommend", path, "--format", "json"),
        ("benchmark", "--url", text, "--served-model-name", text, "-o", tmp_path / "b"),
    ):
        done = simkit(*words)
        assert done.status in (0, 1, 2, 3)
        assert not CONTROL.search(done.out + done.err), words[0]


def test_what_makes_texts_harmless():
    assert shown_line("a\x1b[1m\nb\u202e") == "a\\x1b[1m\nb\\u202e"
    assert json.loads(json_line(json.dumps("a\x9b\u202eé", ensure_ascii=False))) == "a\x9b\u202eé"
    assert [cell(text) for text in ("=1", "a=1", "-x", "")] == ["'=1", "a=1", "'-x", ""]
