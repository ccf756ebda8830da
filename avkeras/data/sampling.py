"""Class-balanced sampling of training clips (2019, section 3.2.2)."""

import numpy as np

BALANCES = ("heard", "drawn", "none")


class BalancedSampler:
    """Draws class labels non-uniformly, then clips that hold them, so that no class is heard far more than another.

    As in the prior work that the paper cites, a label is drawn in proportion to min(count // clips_per_repeat + 1,
    max_ratio). A drawn clip brings its other labels along; with the published rule alone they take the ratio of
    DCASE 2017 to 8.8. So the shares of the most common classes are lowered until *all* labels of the drawn clips keep
    to `max_ratio`. Clips without any label count as one more class. `balance` says otherwise where the published rule
    itself is wanted, or none.

    A batch is a pure function of (seed, step): a resumed run sees what an uninterrupted one would have seen. Every
    clip of a class is drawn once before any is drawn again.

    Args:
        labels: `(clips, classes)` of 0 and 1.
        batch_size: clips per batch.
        max_ratio: most common class to rarest, at most.
        clips_per_repeat: clips per additional share of a class.
        balance: `"heard"`: all labels of the drawn clips keep to `max_ratio`; `"drawn"`: the labels that are drawn do,
            as the cited work has it; `"none"`: clips are shuffled, whatever their labels.
        seed: of the draws.

    Raises:
        ValueError: there are no clips, or `balance` is none of these.

    Example:
        >>> labels = np.repeat(np.eye(2), [90, 10], axis=0)
        >>> sampler = BalancedSampler(labels, batch_size=40)
        >>> labels[sampler.batches(0, 1)[0]].sum(axis=0).tolist()
        [20.0, 20.0]
    """

    def __init__(
        self,
        labels,
        *,
        batch_size: int = 40,
        max_ratio: float = 5.0,
        clips_per_repeat: int = 1000,
        balance: str = "heard",
        seed: int = 0,
    ) -> None:
        if balance not in BALANCES:
            raise ValueError(f"balance must be one of {', '.join(BALANCES)}, not '{balance}'")
        labels = np.asarray(labels, bool)
        if balance == "none":
            labels = labels[:, :0]
        unlabelled = ~labels.any(axis=1, keepdims=True)
        groups = np.concatenate([labels, unlabelled], axis=1)
        groups = groups[:, groups.any(axis=0)]
        if groups.size == 0:
            raise ValueError("labels holds no clips: there is nothing to draw from")
        self.batch_size = batch_size
        self.seed = seed
        self.clips = [np.flatnonzero(group) for group in groups.T]
        counts = groups.sum(axis=0)
        together = _meetings(groups) / counts[:, None]
        # Without balance there is one class, and what is drawn is what is heard.
        limit = max_ratio if balance == "heard" else np.inf
        self.shares, self.ratio = _shares(counts, together, max_ratio, clips_per_repeat, limit=limit)
        self._cycle = np.repeat(np.arange(len(self.shares)), self.shares)

    def batches(self, first: int, stop: int) -> np.ndarray:
        """Returns the indices of the clips of batches `first` to `stop`, `(stop - first, batch_size)`."""
        begin, end = first * self.batch_size, stop * self.batch_size
        rounds = range(begin // len(self._cycle), -(-end // len(self._cycle)))
        orders = [np.random.default_rng((self.seed, 0, number)).permutation(self._cycle) for number in rounds]
        groups = np.concatenate(orders) if orders else self._cycle[:0]
        chosen = np.empty(len(groups), np.int64)
        for group, share in enumerate(self.shares):
            places = np.flatnonzero(groups == group)
            chosen[places] = self._draws(group, rounds.start * int(share), len(places))
        start = begin - rounds.start * len(self._cycle)
        return chosen[start : start + end - begin].reshape(-1, self.batch_size)

    def _draws(self, group: int, first: int, count: int) -> np.ndarray:
        """Returns draws from a class: a fresh permutation of its clips each time that they are used up."""
        clips = self.clips[group]
        times = range(first // len(clips), -(-(first + count) // len(clips)))
        orders = [np.random.default_rng((self.seed, 1, group, number)).permutation(clips) for number in times]
        start = first - times.start * len(clips)
        return np.concatenate([clips[:0], *orders])[start : start + count]


def _meetings(groups: np.ndarray) -> np.ndarray:
    """Returns in how many clips two classes meet, `(classes, classes)`; a clip holds few of many classes."""
    from scipy.sparse import csr_array

    held = csr_array(groups, dtype=np.int32)
    return (held.T @ held).toarray()


def _shares(counts, together, max_ratio, clips_per_repeat, *, limit) -> tuple[np.ndarray, float]:
    """Returns the draws per class and round, in tenths of the published rule's, and the ratio that they give."""
    shares = 10 * np.minimum(counts // clips_per_repeat + 1, int(max_ratio))
    while True:
        heard = shares @ together
        ratio = heard.max() / heard.min()
        most = int(np.argmax(heard))
        if ratio <= limit or shares[most] == 1:
            return shares, float(ratio)
        shares[most] -= 1
