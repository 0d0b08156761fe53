"""A Slurm cluster of this machine alone, where two tasks run beside each other; it listens on 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from static_gesture_classification.training.lightning import find_free_network_port
from tests.support.waiting import until

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "sinfo")
# https://slurm.schedmd.com/slurm.conf.html: no cgroups, no accounting, two processors whether or not there are two.
CONFIGURATION = """
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start it with its files in a folder; yields the environment in which `srun` and `sbatch` find it."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]:
        pytest.skip(f"{missing[0]} is not installed (apt-get install slurm-wlm)")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host, names = socket.gethostname().partition(".")[0], ("key-file", "socket", "pid-file", "log-file", "seed-file")
    ends = dict(zip(names, ("key", "sock", "pid", "log", "seed"), strict=True))
    ports = find_free_network_port(), find_free_network_port()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(host=host, user=getpass.getuser(), folder=folder, controller=ports[0], node=ports[1])
    )
    environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(configuration)}
    with ExitStack() as ending:
        munge = [f"--{name}={folder}/munge.{end}" for name, end in ends.items()]
        for command in (
            ["munged", "--foreground", "--force", *munge],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-N", host],
        ):
            ending.enter_context(_running(command, environment, folder / f"{command[0]}.out"))
        until(lambda: _state(environment) == "idle")
        yield environment


def _path() -> str:
    """Where programs are looked for: Slurm's daemons lie where not every user looks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@contextmanager
def _running(command: list[str], environment: dict[str, str], said: Path) -> Iterator[None]:
    with said.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def _state(environment: dict[str, str]) -> str:
    asked = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True)
    return asked.stdout.strip()
