"""A real Kubernetes API server for tests: etcd, kube-apiserver, a controller manager where one is at hand.

Binaries: KUBEBUILDER_ASSETS where it is set, else built once from Debian's sources (build_apiserver.sh) into
the user's cache. Everything listens on loopback alone; state is in a temporary folder.
"""

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from filelock import FileLock

from simkit.io.tools import cache_dir

HERE = Path(__file__).resolve().parent
VERSION = "1.20.2"
USERS = {  # name: groups
    "admin": "system:masters",
    "simkit": "",  # gets the rights of deploy/cluster/rbac.yaml
    "stranger": "",  # has no rights
}
_ADMISSION = "ServiceAccount"  # pods need no service account, as nothing runs them
_CONTROLLERS = "namespace,garbagecollector,job,ttl-after-finished,resourcequota"
_READY_S, _BUILD_S = 240, 3600  # a busy machine starts a server slowly


class UnavailableError(RuntimeError):
    """No API server can be had here; the message says why."""


def binaries() -> Path:
    """The folder that holds kube-apiserver and etcd. Raises UnavailableError with the reason."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        folder = Path(given)
        missing = [name for name in ("kube-apiserver", "etcd") if not (folder / name).is_file()]
        if missing:
            raise UnavailableError(f"KUBEBUILDER_ASSETS={given} lacks {', '.join(missing)}")
        return folder
    folder = cache_dir() / f"kubernetes-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / ".finished").is_file():
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-source"):
        raise UnavailableError("neither KUBEBUILDER_ASSETS nor Debian's apt-get and dpkg-source are here")
    command = ["nice", "-n", "10", str(HERE / "build_apiserver.sh"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_S)
    if done.returncode:
        raise UnavailableError(f"kube-apiserver could not be built: {(done.stdout + done.stderr)[-800:]}")


@dataclass
class Server:
    """One API server; ports and tokens stay the same when it is started again."""

    folder: Path
    programs: Path
    port: int = 0
    etcd_port: int = 0
    tokens: dict = field(default_factory=dict)
    processes: dict = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """etcd, then the API server, then the controllers; returns when it is ready."""
        self.port, self.etcd_port, peer = free_ports(3)
        self._keys()
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        self._run("etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", etcd,
                  "--advertise-client-urls", etcd, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                  "--unsafe-no-fsync")  # fmt: skip
        self.start_apiserver()
        if (self.programs / "kube-controller-manager").is_file():
            self._run("kube-controller-manager", "--kubeconfig", self.kubeconfig("admin"),
                      f"--controllers={_CONTROLLERS}", "--leader-elect=false", "--port=0", "--secure-port=0",
                      "--cert-dir", self.folder / "manager", "--concurrent-gc-syncs=2")  # fmt: skip

    def beside(self) -> "Server":
        """Another API server over the same store, which may be killed without harm to other tests."""
        other = Server(Path(tempfile.mkdtemp(prefix="simkit-k8s-")), self.programs, free_ports(1)[0],
                       self.etcd_port)  # fmt: skip
        other._keys()
        other.start_apiserver()
        return other

    def start_apiserver(self) -> None:
        key = self.folder / "service.key"
        self._run("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                  "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                  *(["--insecure-port=0"] if self._is_old() else []),
                  f"--cert-dir={self.folder / 'certs'}", "--authorization-mode=RBAC",
                  f"--token-auth-file={self.folder / 'tokens.csv'}",
                  "--service-account-issuer=https://kubernetes.default.svc",
                  f"--service-account-signing-key-file={key}", f"--service-account-key-file={key}",
                  "--service-cluster-ip-range=10.0.0.0/24", f"--disable-admission-plugins={_ADMISSION}",
                  "--endpoint-reconciler-type=none", "--watch-cache=true")  # fmt: skip
        self.wait()

    def kill_apiserver(self) -> None:
        """As when a machine dies."""
        process = self.processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def stop(self) -> None:
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            process = self.processes.pop(name, None)
            if process is not None:
                process.kill()  # nothing of it is kept, and an orderly end takes ten seconds
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self) -> None:
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            with suppress(OSError):
                if self._get("/readyz") == b"ok":
                    return
            if self.processes["kube-apiserver"].poll() is not None:
                break
            time.sleep(0.2)
        said = (self.folder / "kube-apiserver.log").read_text(errors="replace")[-1500:]
        raise UnavailableError(f"kube-apiserver does not get ready: {said}")

    def kubeconfig(self, user: str, *, token: str | None = None) -> Path:
        """A kubeconfig for one of USERS, or with a token of its own."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.folder / "certs" / "apiserver.crt")}
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token or self.tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        }  # fmt: skip
        part = self.folder / f"{user}.{os.getpid()}.{threading.get_ident()}"  # others may be reading it
        part.write_text(yaml.safe_dump(document))
        part.rename(path)
        return path

    def _keys(self) -> None:
        self.tokens = {user: secrets.token_hex(16) for user in USERS}
        lines = [f'{self.tokens[user]},{user},{user},"{groups}"' for user, groups in USERS.items()]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        key = ["openssl", "genrsa", "-out", str(self.folder / "service.key"), "2048"]
        subprocess.run(key, check=True, capture_output=True)

    def _is_old(self) -> bool:
        """Whether the server still has a port without TLS that must be switched off."""
        said = subprocess.run([self.programs / "kube-apiserver", "--version"], capture_output=True, text=True,
                              check=True)  # fmt: skip
        return tuple(map(int, said.stdout.split("v")[1].split(".")[:2])) < (1, 24)

    def _get(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=self.folder / "certs" / "apiserver.crt")
        with urllib.request.urlopen(f"{self.url}{path}", context=context, timeout=2) as answer:  # noqa: S310
            return answer.read()

    def _run(self, program: str, *words: object) -> None:
        command = [str(self.programs / program), *map(str, words)]
        log = (self.folder / f"{program}.log").open("ab")
        self.processes[program] = subprocess.Popen(command, stdout=log, stderr=log)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


# --- One server for a test session: a process of its own keeps it, and ends with the session.


_STARTING_S = 300


def shared(folder: Path, session: int) -> Server:
    """The session's server, started by whoever comes first; session is the process that it ends with."""
    note, failed = folder / "k8s.json", folder / "k8s.failed"
    with FileLock(folder / "k8s.lock"):
        if not note.is_file() and not failed.is_file():
            programs = binaries()
            command = [sys.executable, __file__, str(folder), str(session), str(programs)]
            keeper = subprocess.Popen(command, start_new_session=True)
            end = time.monotonic() + _STARTING_S
            while not note.is_file() and keeper.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
    if not note.is_file():
        raise UnavailableError(failed.read_text() if failed.is_file() else "kube-apiserver did not start")
    found = json.loads(note.read_text())
    return Server(Path(found["folder"]), Path(found["programs"]), found["port"], found["etcd_port"],
                  found["tokens"])  # fmt: skip


def keep(folder: Path, session: int, programs: Path) -> None:
    """Run a server until the session's process is gone."""
    server = Server(Path(tempfile.mkdtemp(prefix="simkit-k8s-")), programs)
    try:
        server.start()
        found = {"folder": str(server.folder), "programs": str(programs), "port": server.port,
                 "etcd_port": server.etcd_port, "tokens": server.tokens}  # fmt: skip
        (folder / "k8s.json.part").write_text(json.dumps(found))
        (folder / "k8s.json.part").rename(folder / "k8s.json")
        while is_alive(session):
            time.sleep(0.5)
    except UnavailableError as reason:
        (folder / "k8s.failed").write_text(str(reason))
    finally:
        server.stop()


def is_alive(process: int) -> bool:
    """Whether a process still runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
