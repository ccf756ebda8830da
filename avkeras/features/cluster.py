"""A Ray cluster that reads clips, for an extraction on many machines."""

import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.features.clip_pipeline import ClipPipeline
from avkeras.features.clip_reading import ClipFeatures, ClipReader, failure_reason
from avkeras.media.decoding_process import PATIENCE
from avkeras.runs.machine_settings import kernel_settings

# Of a call whose node or process died; a clip that ends its process each time is no reason to go on for ever.
_RETRIES = 5
# Seconds between looks at whether the cluster is still there: Ray itself waits a minute, and then ends this process.
_LOOK = 5.0


class ClusterLost(AvkerasError):
    """The cluster is gone: no clip's fault."""


class ClusterPool:
    """Runs calls on the cores of a Ray cluster; what a node that died was at is run again elsewhere.

    Every node needs avkeras and the same files under the same paths: media and embedders.

    Args:
        address: of the cluster, `host:port`, or "auto" for the one on this machine.

    Raises:
        AvkerasError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError as error:
            raise AvkerasError("cluster: needs Ray; pip install 'avkeras[cluster]'") from error
        try:
            if found := re.fullmatch(r"\[?([^/\[\]]+)\]?:(\d+)", address):  # Ray itself tries for many minutes
                socket.create_connection((found[1], int(found[2])), timeout=_LOOK).close()
            # By the kernels that are set here: on like processors rows are then the same to the last bit.
            environment = {"env_vars": kernel_settings()}
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env=environment)
        except (OSError, OverflowError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise AvkerasError(f"cluster {address}: no Ray cluster can be reached there ({reason})") from error
        self._ray = ray
        self.address = address
        host, port = ray.get_runtime_context().gcs_address.rsplit(":", 1)
        self._head = host.strip("[]"), int(port)
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, function: Callable, *args: Any, **options: Any) -> "ClusterCall":
        """Begins a call on one core of the cluster."""
        task = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(function)
        return ClusterCall(self, task.remote(*args, **options))

    def check(self) -> None:
        """Makes sure that the cluster is still there.

        Raises:
            ClusterLost: its head cannot be reached, or none of its nodes has a core.
        """
        try:
            socket.create_connection(self._head, timeout=_LOOK).close()
        except OSError as error:
            raise self.lost(f"its head {self._head[0]}:{self._head[1]} does not answer: {error}") from error
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(resources.get("CPU") for resources in nodes):
            raise self.lost("none of its nodes with a core is left")

    def lost(self, reason: str) -> ClusterLost:
        """Returns the error that says that the cluster is gone, and what to do."""
        return ClusterLost(
            f"cluster {self.address}: the cluster was lost ({' '.join(reason.split())}); what was written stays, and "
            "no clip counts as failed for it: run the same command again for the rest, with a cluster or without"
        )

    def __enter__(self) -> "ClusterPool":
        return self

    def __exit__(self, *exception) -> None:
        self._ray.shutdown()


class ClusterCall:
    """A call under way, like `concurrent.futures.Future`."""

    def __init__(self, pool: ClusterPool, reference: Any) -> None:
        self._pool = pool
        self._reference = reference

    def result(self) -> Any:
        """Waits for the call; raises what it raised, without the wrapping by Ray.

        Raises:
            ClusterLost: the cluster is gone.
            ray.exceptions.WorkerCrashedError: the call ended its process, again and again.
        """
        import ray

        try:
            while not ray.wait([self._reference], timeout=_LOOK)[0]:
                self._pool.check()
            return ray.get(self._reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            raise
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise self._pool.lost(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


class ClusterPipeline:
    """Reads clips on a cluster, with the methods of `ClipPipeline`.

    Args:
        pool: of the cluster.
        reader: what is made of a clip; goes to the nodes.
        patience: as for `ClipPipeline`.
    """

    group = 8  # clips of a call: together they fill the networks' batches, and a node that dies repeats no more

    def __init__(self, pool: ClusterPool, reader: ClipReader, *, patience: float = PATIENCE) -> None:
        self.pool = pool
        self.reader = reader
        self.patience = patience

    def submit_all(self, media: Sequence[tuple[str | Path, str | Path | None]]) -> list["ClusterClip"]:
        """Begins clips, each a sound and a video; returns their features to come."""
        call = self.pool.submit(read_group, self.reader, media, patience=self.patience)
        return [ClusterClip(self, call, place, one) for place, one in enumerate(media)]

    def __enter__(self) -> "ClusterPipeline":
        return self

    def __exit__(self, *exception) -> None:
        pass


class ClusterClip:
    """One of the clips of a call under way, like `concurrent.futures.Future`."""

    def __init__(self, pipeline: ClusterPipeline, call: ClusterCall, place: int, media: tuple) -> None:
        self._pipeline = pipeline
        self._call = call
        self._place = place
        self._media = media

    def result(self) -> ClipFeatures:
        """Waits for the features; a clip that shared a process with one that ended it is read once more, alone.

        Raises:
            AvkerasError: why it has none; `ClusterLost`: the cluster is gone.
        """
        import ray

        try:
            found = self._call.result()[self._place]
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            pipeline = self._pipeline
            alone = pipeline.pool.submit(read_group, pipeline.reader, [self._media], patience=pipeline.patience)
            found = alone.result()[0]
        if isinstance(found, str):
            raise AvkerasError(found)
        return found


def read_group(
    reader: ClipReader, media: Sequence[tuple[str | Path, str | Path | None]], *, patience: float = PATIENCE
) -> list[ClipFeatures | str]:
    """Reads clips in one process on one core; in the place of one that fails stands the reason."""
    found = []
    with ClipPipeline(reader, workers=1, patience=patience) as pipeline:
        for (audio, _), features in zip(media, pipeline.submit_all(media), strict=True):
            try:
                found.append(features.result())
            except Exception as error:
                found.append(failure_reason(str(audio), error))
    return found
