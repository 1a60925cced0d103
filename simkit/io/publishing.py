"""A set of files put in place as a set: the folder holds the set that was there, or the new one, or none.

The set is written aside first. A folder that is not there yet is renamed into place. One that is there
changes places with the new one in a single step, after what lies in it besides the set has been linked into
the new one. Where that cannot be (a mount point, the folder that one stands in, somebody else's, one with a
great many other files, another system than Linux), the files are renamed into place one after the other, all
of them written before the first.
"""

import ctypes
import glob
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from simkit.core.errors import InputError
from simkit.io.paths import unwritable

_AT_FDCWD, _EXCHANGE = -100, 2
_MOST_OTHERS = 1_000  # files that are linked into the new folder
_PUBLIC, _PRIVATE, _PROGRAM = 0o666, 0o600, 0o777


def write_set(
    folder: Path,
    texts: Mapping[str, str | bytes],
    *,
    programs: Sequence[str] = (),
    private: Sequence[str] = (),
    stale: Sequence[str] = (),
) -> list[Path]:
    """Write all of them or none; names may have folders in them.

    programs may be executed, private ones read by their owner alone; what matches a pattern of `stale` and is
    not in the set was of an earlier set and goes. Raises InputError, or ExternalError where the disk refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder with -o")
    place = Path(os.path.realpath(folder))
    aside: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        within = place.is_dir() and not _exchangeable(place)
        within_or_beside = place if within else place.parent
        _forget_killed(within_or_beside, place.name)
        aside = Path(tempfile.mkdtemp(prefix=f"{_mark(place.name)}{os.getpid()}.", dir=within_or_beside))
        _fill(aside, texts, _modes(texts, programs, private))
        if within:
            _put_each(aside, place, texts, stale)
        else:
            _put_whole(aside, place, texts, stale)
    except OSError as error:
        raise unwritable(folder, error, "give another folder with -o") from error
    finally:  # also when a signal ends the process here
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return [folder / name for name in texts]


def _mark(name: str) -> str:
    return f".{name}.{os.uname().nodename}."


def _forget_killed(folder: Path, name: str) -> None:
    """Remove what writers that are no more have left aside."""
    for left in folder.glob(f"{glob.escape(_mark(name))}*"):
        pid = left.name.removeprefix(_mark(name)).partition(".")[0]
        if pid.isdecimal() and not _runs(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _modes(texts: Mapping[str, object], programs: Sequence[str], private: Sequence[str]) -> dict[str, int]:
    mask = os.umask(0)
    os.umask(mask)
    kinds = {**dict.fromkeys(programs, _PROGRAM), **dict.fromkeys(private, _PRIVATE)}
    return {name: kinds.get(name, _PUBLIC) & ~mask for name in texts}


def _fill(aside: Path, texts: Mapping[str, str | bytes], modes: Mapping[str, int]) -> None:
    for name, text in texts.items():
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as handle:
            handle.write(text.encode() if isinstance(text, str) else text)
            handle.flush()
            os.fsync(handle.fileno())  # a name without its content is what a power cut would leave
        target.chmod(modes[name])


def _exchangeable(place: Path) -> bool:
    """Whether a folder may become another one: nobody stands in it as far as we know, nothing is mounted."""
    here = Path.cwd()
    stood_in = place == here or place in here.parents
    ours = place.stat().st_uid == os.geteuid() and os.access(place.parent, os.W_OK)
    few = sum(1 for _ in islice(place.rglob("*"), _MOST_OTHERS + 1)) <= _MOST_OTHERS
    at_work = (place / ".lock").exists()  # a run writes into it by the names it has now
    free = ours and few and not stood_in and not at_work and not place.is_mount()
    return free and _renameat2() is not None


def _put_whole(aside: Path, place: Path, texts: Mapping[str, object], stale: Sequence[str]) -> None:
    mask = os.umask(0)
    os.umask(mask)
    if not place.exists():
        aside.chmod(0o777 & ~mask)
        aside.rename(place)
        return
    aside.chmod(place.stat().st_mode & 0o7777)
    if _linked(place, aside, texts, stale) and _exchanged(aside, place):
        return
    _put_each(aside, place, texts, stale)


def _linked(place: Path, aside: Path, texts: Mapping[str, object], stale: Sequence[str]) -> bool:
    """What else lies in the folder, linked beside the new set; False where the disk has no links."""
    try:
        for path in sorted(place.rglob("*")):
            name = str(path.relative_to(place))
            target = aside / name
            if path.is_dir() and not path.is_symlink():
                target.mkdir(exist_ok=True)
                target.chmod(path.stat().st_mode & 0o7777)
            elif name not in texts and not _is_stale(name, stale):
                os.link(path, target, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_stale(name: str, stale: Sequence[str]) -> bool:
    top = name.split(os.sep, maxsplit=1)[0]
    return any(fnmatch(top, pattern) for pattern in stale)


def _put_each(aside: Path, place: Path, texts: Mapping[str, object], stale: Sequence[str]) -> None:
    for name in texts:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (aside / name).replace(target)
    for path in sorted(place.rglob("*"), reverse=True):
        name = str(path.relative_to(place))
        if name not in texts and _is_stale(name, stale) and not path.is_dir():
            path.unlink()


def _renameat2() -> "ctypes._NamedFuncPointer | None":
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    except OSError:
        return None


def _exchanged(one: Path, other: Path) -> bool:
    """The two change places in one step; False where the file system cannot."""
    call = _renameat2()
    names = os.fsencode(one), os.fsencode(other)
    return call is not None and call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0
