"""Runs side by side, in processes of this machine or on a Ray cluster."""

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.experiments.configs import AudioTagging
from avkeras.experiments.inputs import Features
from avkeras.runs.results_file import ResultsFile
from avkeras.tables.cells import Cell
from avkeras.tables.detection_cells import DetectionTask, run_detection_task
from avkeras.tables.tagging_cells import TaggingTask, run_tagging_task

MEMORY = 3 * 2**30  # bytes that one process may come to use; TensorFlow alone takes 0.5 GB
_LOOK = 2.0  # seconds between looks at the results


def run_tasks(
    missing: Mapping[Cell, Sequence[int]],
    values: Any,
    *,
    features: Mapping[Cell, Features],
    results: ResultsFile,
    notes: Mapping[str, str],
    jobs: int | None = None,
    cluster: str | None = None,
    together: bool | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, str]]:
    """Runs what is missing of a table; each run adds its own line to the results as it ends.

    A process gets one core's threads: many small runs side by side use a machine better than the threads of one. On
    a machine with GPUs there is a process per GPU.

    Args:
        missing: seeds by cell.
        values: of the experiment.
        features: of the clips, by cell.
        results: where the lines go.
        notes: for each line.
        jobs: processes; None: as many as cores, or GPUs, and memory allow.
        cluster: address of a Ray cluster; None: this machine.
        together: see `avkeras.training.many_seeds`; None: on GPUs each process measures which way is faster; on CPUs
            runs go apart, which was measured to be faster for models of the paper's size, while 16 runs of a demo
            model are faster together (`benchmarks/many_seeds.py`).
        progress: called with (runs done, runs in all).

    Returns:
        Cell and reason of what failed; the rest is done all the same.
    """
    if not missing:
        return []
    gpus = _gpus()
    jobs = jobs or max(1, min(gpus or _cores(), _memory() // MEMORY, sum(map(len, missing.values()))))
    if together is None and not gpus:
        together = False
    calls = list(_calls(missing, values, features, results, dict(notes), jobs=jobs, together=together))
    if cluster:
        return _on_cluster(calls, cluster)
    before, total = len(results.runs()), sum(map(len, missing.values()))
    counted = (lambda: progress(len(results.runs()) - before, total)) if progress else (lambda: None)
    failed = []
    while calls:
        calls = _on_this_machine(calls, jobs, gpus, failed, counted)
        # A process was killed, perhaps for want of memory, and took the others along.
        jobs = max(1, jobs // 2)
        done = results.runs()
        calls = [(function, task.without(done)) for function, task in calls]
    return failed


def _on_this_machine(calls, jobs: int, gpus: int, failed: list, counted: Callable[[], None]) -> list:
    """Runs tasks in processes and notes what failed; returns those that are still to be done if a process died."""
    context = multiprocessing.get_context("spawn")
    devices = context.Queue()
    for number in range(jobs):
        devices.put(number % gpus if gpus else None)
    broken = []
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(devices,)) as pool:
        try:
            waiting = {pool.submit(function, task): (function, task) for function, task in calls}
            while waiting:
                for call in wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)[0]:
                    function, task = waiting.pop(call)
                    try:
                        call.result()
                    except BrokenProcessPool:
                        broken.append((function, task))
                    except Exception as error:  # one cell's surprise must not stop the others
                        failed.append((task.cell.key, _reason(error)))
                counted()
        except BaseException:
            # A run may last for hours, and what is finished is in the results.
            for process in multiprocessing.active_children():
                process.kill()
            raise
    broken.sort(key=calls.index)  # they come to their end together, in no order
    if broken and jobs == 1:  # it was the first one's process
        failed.append((broken.pop(0)[1].cell.key, "its process was killed, perhaps for want of memory"))
    return broken


def _calls(missing, values, features, results, notes, *, jobs, together):
    """Cuts the runs into tasks: a cell's runs share a program, unless there are processes to spare."""
    for cell, seeds in missing.items():
        parts = 1 if together is not False else max(1, min(len(seeds), jobs // len(missing)))
        if not isinstance(values, AudioTagging):
            parts = len(seeds)  # each takes long, and they have nothing in common
        for part in range(parts):
            some = tuple(seeds[part::parts])
            if isinstance(values, AudioTagging):
                yield (
                    run_tagging_task,
                    TaggingTask(cell, some, values, features[cell], results.path, together, notes),
                )
            else:
                yield run_detection_task, DetectionTask(cell, some, values, features[cell], results.path, notes)


def _reason(error: Exception) -> str:
    """Returns in one line why a task failed."""
    text = str(error) if isinstance(error, AvkerasError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _on_cluster(calls, address: str) -> list[tuple[str, str]]:
    from avkeras.features.cluster import ClusterLost, ClusterPool

    failed = []
    with ClusterPool(address) as pool:
        here = os.getcwd()
        for task, call in [(task, pool.submit(run_in_folder, here, function, task)) for function, task in calls]:
            try:
                call.result()
            except ClusterLost:
                raise
            except Exception as error:
                failed.append((task.cell.key, _reason(error)))
    return failed


def run_in_folder(folder: str, function: Callable, task: TaggingTask | DetectionTask) -> None:
    """Runs a task on a node, whose working folder is another, in the folder that its relative paths are meant from.

    What is in the results already is not run again.

    Raises:
        AvkerasError: the node does not have that folder, and the task needs it.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        if not (task.values.data.is_absolute() and task.values.out.is_absolute()):
            raise AvkerasError(
                f"{folder}: cannot be entered on node {socket.gethostname()} ({error.strerror}); give data and out as "
                "absolute paths that every node has"
            ) from None
    function(task.without(ResultsFile(task.results).runs()))  # Ray repeats a task whose process died


def _prepare(devices) -> None:
    """Sets up a process before TensorFlow is there; it ends with the one that began it, however that ends."""
    device = devices.get()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device is None:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(device)
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _gpus() -> int:
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
