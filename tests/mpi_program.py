"""Programs that tests start under mpiexec: `python mpi_program.py NAME ...`. Each prints what rank 0 finds."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import numpy as np
from rank_cases import begun, case, differences, parts, trained

import pwl
from pwl.runtime.ranks import share_of


def own(data):
    """This rank's part of the data, of unlike lengths, and the ranks."""
    comm = pwl.ranks()
    cuts = [0, *(share_of(len(data[0]), rank, comm.size)[0] // 2 + 3 for rank in range(1, comm.size))]
    return pwl.Patterns(*parts(data, cuts)[comm.rank], comm=comm)


def agree(forms):
    """The difference of each run (name, kind, batches) from that of one process, and whether all ranks have the same bits."""
    found = []
    for name, kind, batches in json.loads(forms):
        net, data, options = begun(name, kind, batches)
        patterns = own(data)
        run = trained(net, patterns, name, **options)
        bits = len({net.theta.tobytes() for net in patterns.comm.allgather(run[0])})
        if patterns.comm.rank == 0:
            found.append([differences(run, trained(net, data, name, **options)), bits])
    if pwl.ranks().rank == 0:
        print(json.dumps(found))


def resumed(path, iterations):
    """A run with a checkpoint goes on to so many iterations, and prints its errors."""
    net, data, _ = case("numbers")
    before = path if os.path.exists(path) else None
    _, record = trained(net, own(data), "scg", int(iterations), checkpoint=path, resume=before)
    if pwl.ranks().rank == 0:
        print(json.dumps([record["error"], record.settings["ranks"], record.settings["rows_a_rank"]]))


def killed(how):
    """Rank 1 goes away in the middle of a run, in one of several ways."""
    net, data, _ = case("numbers")

    def callback(net, record):
        if len(record) == 4 and pwl.ranks().rank == 1:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "raise":
                raise RuntimeError("the callback is broken")
            raise pwl.InputError("this row is wrong")

    trained(net, own(data), "adact", 10**6, callback=callback)


def interrupted(path):
    """A run without an end; Ctrl-C ends it. Each rank says in a file that it has come to iteration 3, and prints the end."""
    net, data, _ = case("numbers")
    comm = pwl.ranks()

    def callback(net, record):
        if len(record) == 4:
            open(f"{path}.{comm.rank}", "w").close()
        time.sleep(0.01)

    net, record = trained(net, own(data), "owo-bp", 10**6, callback=callback, checkpoint=path)
    lengths = comm.allgather((len(record), net.theta.tobytes()))
    if comm.rank == 0:
        print(json.dumps([record.stop_code, len(set(lengths)), bool(np.isfinite(net.theta).all())]))


def unequal(what):
    """Rank 1 comes with something else than rank 0."""
    net, data, _ = case("numbers")
    other = pwl.ranks().rank == 1
    if what == "start":
        net = net.with_theta(net.theta * (1.5 if other else 1))
    if what == "columns" and other:
        net, data = pwl.Network.mlp(2, 5, 2, seed=1), (data[0][:, :2], data[1])
    trained(net, own(data), "molf" if other and what == "algorithm" else "adact", 5 + (other and what == "iterations"))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
