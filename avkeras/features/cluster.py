"""A Ray cluster with the interface of a pool of threads, for an extraction on many machines."""

from collections.abc import Callable
from typing import Any

from avkeras.errors import AvkerasError

# Of a clip whose node or process died; a clip that ends its process each time is no reason to go on for ever.
_RETRIES = 5


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
            raise AvkerasError("--cluster: needs Ray; pip install 'avkeras[cluster]'") from error
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise AvkerasError(f"--cluster {address}: no Ray cluster can be reached there ({reason})") from error
        self._ray = ray
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, function: Callable, *args: Any, **options: Any) -> "ClusterCall":
        """Begins a call on one core of the cluster."""
        task = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(function)
        return ClusterCall(task.remote(*args, **options))

    def __enter__(self) -> "ClusterPool":
        return self

    def __exit__(self, *exception) -> None:
        self._ray.shutdown()


class ClusterCall:
    """A call under way, like `concurrent.futures.Future`."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def result(self) -> Any:
        """Waits for the call; raises what it raised, without the wrapping by Ray."""
        import ray

        try:
            return ray.get(self._reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
