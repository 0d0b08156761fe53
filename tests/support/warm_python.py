"""A `python` that has its libraries loaded: processes of the pipeline that begin at once.

Half of what a small stage takes is importing torch and its like. Here a server imports them once and forks a process
for each command: its own memory, working directory, environment and streams, and of the project nothing that was
loaded before. `python` and `dvc` in `WarmPython.folder`, first in PATH, are such commands; what they run is what they
would run otherwise.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = "static_gesture_classification"
LIBRARIES = (
    f"{PACKAGE}.torchvision_operators", "pytorch_lightning", "torchmetrics.classification", "timm", "onnx",
    "pandas", "pyarrow.parquet", "sklearn.metrics", "scipy.optimize", "matplotlib.pyplot", "PIL.Image", "joblib",
    "hydra", "rich.console", "rich.table", "dvc.cli", "dvc.commands.repro", "dvc.commands.experiments.run",
    "dvc.repo", "dvc.repo.experiments", "dvc.stage.run",
)  # fmt: skip
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
streams = array.array("i", (0, 1, 2))
order = json.dumps([{command!r} + sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
server.sendmsg([len(order).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(order)
sys.exit(int(server.recv(16) or b"1"))
"""


class WarmPython:
    """The server, and the folder of its commands; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "socket"
        self.python = folder / "python"
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> WarmPython:
        code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from tests.support.warm_python import serve; serve()"
        self._server = subprocess.Popen(
            [sys.executable, "-c", code, self._path],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
            text=True,
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n", "no warm python"
        for name, command in (("python", []), ("dvc", ["-m", "dvc"])):
            client = self.folder / name
            client.write_text(CLIENT.format(python=shlex.quote(sys.executable), path=str(self._path), command=command))
            client.chmod(0o755)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()


def serve() -> None:
    """Load the libraries, then fork a process for each order until standard input ends."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    forget_the_project()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            supervise(connection)
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def forget_the_project() -> None:
    """Commands load the project from where they run."""
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, "tests")]:
        del sys.modules[name]
    sys.path.remove(str(PROJECT))


def supervise(connection: socket.socket) -> None:
    """Run an order in a process of its own and tell its exit status."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    left = int.from_bytes(size, "big")
    received = b""
    while len(received) < left:
        received += connection.recv(left - len(received))
    child = os.fork()
    if child == 0:
        connection.close()
        arguments, folder, environment = json.loads(received)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        end(run(arguments))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        connection.send(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def run(arguments: list[str]) -> int:
    """What `python` does with `-c CODE ...`, `-m MODULE ...` or `FILE ...`; returns the exit status."""
    sys.orig_argv = [sys.executable, *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    try:
        if arguments[0] == "-c":
            sys.argv = ["-c", *arguments[2:]]
            sys.path.insert(0, "")
            exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
        elif arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def end(status: int) -> None:
    """As an interpreter ends."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
