"""The processes that train one model together, one per device: which of them this one is, and how they meet.

They are started by `torchrun`, by Slurm's `srun`, or, on one machine, by the first of them. Each is a rank, counted
from 0. Rank 0 alone talks and writes; the others follow what it decides.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import console, errors, tell_error
from static_gesture_classification.training.lightning import SLURMEnvironment, find_free_network_port

_Made = TypeVar("_Made")
_TORCHRUN = "TORCHELASTIC_RUN_ID"  # set by torchrun alone
_SRUN = "SLURM_STEP_NUM_TASKS"  # set by srun alone; a job's script has SLURM_NTASKS too
_TIMEOUT = timedelta(hours=6)  # of one wait for the others: rank 0 may compute embeddings of all crops meanwhile
_GRACE = 20.0  # seconds that the others have for their end


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Args:
        rank, world: this one's number, and how many there are.
        local_rank, local_world: the same on this machine.
        address, port: where rank 0 waits for the others; "" if they are not started yet.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    address: str = ""
    port: int = 0

    @classmethod
    def of(cls, devices: int, as_started: bool, environment: Mapping[str, str] = os.environ) -> Ranks:
        """The ranks that torchrun or Slurm started, or those of this machine that are still to be started.

        Args:
            devices: wanted on each machine.
            as_started: whether another number of processes that were started is as good.
            environment: variables of this process.

        Raises:
            UserError: another number of processes was started, or not as many on each machine.
        """
        if _TORCHRUN in environment:
            started = cls._of_torchrun(environment)
        elif int(environment.get(_SRUN, 1)) > 1:
            started = cls._of_slurm(environment)
        else:
            return cls(world=devices, local_world=devices)
        if not as_started and devices != started.local_world:
            raise UserError(
                f"{started.local_world} processes were started on this machine, trainer.devices takes {devices}; set "
                "trainer=ddp, which takes as many as there are"
            )
        return started

    @classmethod
    def _of_torchrun(cls, environment: Mapping[str, str]) -> Ranks:
        rank, world, local_rank, local_world = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
        return cls(rank, world, local_rank, local_world, environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))

    @classmethod
    def _of_slurm(cls, environment: Mapping[str, str]) -> Ranks:
        per_machine = environment.get("SLURM_STEP_TASKS_PER_NODE", "")  # such as 4, or 4(x2) on two machines
        even = re.fullmatch(r"(\d+)(\(x\d+\))?", per_machine)
        if even is None:
            raise UserError(
                f"Slurm started {per_machine} processes on the machines; say --nodes and --ntasks-per-node, so that "
                "each has as many"
            )
        rank, world, local_rank = (int(environment[name]) for name in ("SLURM_PROCID", _SRUN, "SLURM_LOCALID"))
        address = environment.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(
            environment["SLURM_STEP_NODELIST"]
        )
        # A port that all processes of the job know, and other jobs on the machine do not take.
        port = int(environment.get("MASTER_PORT") or 15_000 + int(environment["SLURM_JOB_ID"][-4:]))
        return cls(rank, world, local_rank, int(even[1]), address, port)

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which talks and writes."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        """How many machines take part."""
        return self.world // self.local_world

    def decide(self, make: Callable[[], _Made]) -> _Made:
        """What rank 0 makes, for all; the others wait."""
        made: list[Any] = [make() if self.is_first else None]
        if self.world > 1:
            dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
        found: _Made = made[0]
        return found

    @contextmanager
    def one_after_another(self) -> Iterator[None]:
        """Let rank 0 go first: the others begin when it has ended."""
        if not self.is_first:
            self.decide(lambda: None)
        yield
        if self.is_first:
            self.decide(lambda: None)

    @contextmanager
    def joined(self, beside: Callable[[Ranks], Any] | None = None) -> Iterator[None]:
        """Meet the others, after starting them if nobody has, and let them end with this one.

        Args:
            beside: what another rank of this machine does, if rank 0 has to start it: it meets this one by `joined`,
                and does the same. It is pickled.

        Raises:
            UserError: another rank ended before this one.
        """
        if self.world == 1:
            yield
            return
        own = self if self.address else replace(self, address="127.0.0.1", port=find_free_network_port())
        others = Others([] if self.address or beside is None else start_others(own, beside))
        with own._variables(), others.watched():
            dist.init_process_group(None if torch.cuda.is_available() else "gloo", timeout=_TIMEOUT)
            try:
                yield
            except RuntimeError as error:
                if self.is_first or "onnection" not in str(error):
                    raise
                sys.exit(1)  # rank 0 is gone, and has said why
            finally:
                dist.destroy_process_group()

    @contextmanager
    def _variables(self) -> Iterator[None]:
        """The environment variables of torchrun, which torch and Lightning read; and silence, but for rank 0."""
        before, quiet = dict(os.environ), (console.quiet, errors.quiet)
        values = {
            "RANK": self.rank,
            "WORLD_SIZE": self.world,
            "LOCAL_RANK": self.local_rank,
            "LOCAL_WORLD_SIZE": self.local_world,
            "GROUP_RANK": self.rank // self.local_world,
            "MASTER_ADDR": self.address,
            "MASTER_PORT": self.port,
        }
        os.environ.update({name: str(value) for name, value in values.items()})
        if not self.is_first:
            console.quiet = errors.quiet = True
        try:
            yield
        finally:
            console.quiet, errors.quiet = quiet
            for name in values:
                os.environ.pop(name)
            os.environ.update({name: before[name] for name in values if name in before})


def start_others(first: Ranks, beside: Callable[[Ranks], Any]) -> list[BaseProcess]:
    """Start all ranks of this machine but the first."""
    context = multiprocessing.get_context("spawn")
    ranks = [replace(first, rank=rank, local_rank=rank) for rank in range(1, first.world)]
    processes = [context.Process(target=_follow, args=(beside, each), daemon=True) for each in ranks]
    for process in processes:
        process.start()
    return list(processes)


class Others:
    """The processes that rank 0 started, in order of their rank."""

    def __init__(self, processes: list[BaseProcess]) -> None:
        self.processes = processes
        self.failed = ""  # which one ended too early, in words
        self._ending = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notice where one of them ends too early, which would let this process wait for ever; end them at last."""
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            yield
        except RuntimeError as error:  # what torch raises where a process is gone
            self._note_ends(_GRACE / 4)
            if self.failed:
                raise UserError(f"{self.failed}; the same command goes on after the last complete epoch") from error
            raise
        else:
            self._ending.set()
            for process in self.processes:
                process.join(_GRACE)
        finally:
            self._ending.set()
            for process in self.processes:
                process.terminate()

    def _watch(self) -> None:
        while self.processes and not self.failed and not self._ending.is_set():
            self._note_ends(1.0)
        if self.failed and not self._ending.wait(_GRACE):  # torch still waits for the one that is gone
            tell_error(f"{self.failed}; the same command goes on after the last complete epoch")
            os._exit(1)

    def _note_ends(self, seconds: float) -> None:
        running = [process.sentinel for process in self.processes if process.exitcode is None]
        if running:
            wait(running, timeout=seconds)
        else:
            self._ending.wait(seconds)
        for rank, process in enumerate(self.processes, start=1):
            if process.exitcode:
                self.failed = f"process {rank} of the training ended with status {process.exitcode}"


def _follow(beside: Callable[[Ranks], Any], ranks: Ranks) -> None:
    """Run another rank. Ctrl-C reaches all processes of a terminal: rank 0 hears it, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        beside(ranks)
    except UserError as error:
        tell_error(f"process {ranks.rank} of {ranks.world}: {error}")
        sys.exit(1)
