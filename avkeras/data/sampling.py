"""Class-balanced sampling of training clips (2019, section 3.2.2)."""

import numpy as np


class BalancedSampler:
    """Draws class labels non-uniformly, then clips that hold them, so that no class is heard far more than another.

    As in the prior work that the paper cites, a label is drawn in proportion to min(count // clips_per_repeat + 1,
    max_ratio). A drawn clip brings its other labels along; with the published rule alone they take the ratio of
    DCASE 2017 to 8.8. So the shares of the most common classes are lowered until *all* labels of the drawn clips keep
    to `max_ratio`. Clips without any label count as one more class.

    A batch is a pure function of (seed, step): a resumed run sees what an uninterrupted one would have seen. Every
    clip of a class is drawn once before any is drawn again.

    Args:
        labels: `(clips, classes)` of 0 and 1.
        batch_size: clips per batch.
        max_ratio: most common class to rarest, at most.
        clips_per_repeat: clips per additional share of a class.
        seed: of the draws.

    Example:
        >>> labels = np.repeat(np.eye(2), [90, 10], axis=0)
        >>> sampler = BalancedSampler(labels, batch_size=40)
        >>> labels[sampler.batch(0)].sum(axis=0).tolist()
        [20.0, 20.0]
    """

    def __init__(
        self, labels, *, batch_size: int = 40, max_ratio: float = 5.0, clips_per_repeat: int = 1000, seed: int = 0
    ) -> None:
        labels = np.asarray(labels, bool)
        unlabelled = ~labels.any(axis=1, keepdims=True)
        groups = np.concatenate([labels, unlabelled], axis=1)
        groups = groups[:, groups.any(axis=0)]
        if groups.size == 0:
            raise ValueError("labels holds no clips: there is nothing to draw from")
        self.batch_size = batch_size
        self.seed = seed
        self.clips = [np.flatnonzero(group) for group in groups.T]
        counts = groups.sum(axis=0)
        together = groups.T.astype(float) @ groups / counts[:, None]
        self.shares, self.ratio = _shares(counts, together, max_ratio, clips_per_repeat)
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self._cycle = np.repeat(np.arange(len(self.shares)), self.shares)

    def batch(self, step: int) -> np.ndarray:
        """Returns the indices of the clips of batch `step`, `(batch_size,)`."""
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        rounds, places = np.divmod(positions, len(self._cycle))
        chosen = np.empty(self.batch_size, np.int64)
        for number in np.unique(rounds):
            order = np.random.default_rng((self.seed, 0, number)).permutation(self._cycle)
            for index in np.flatnonzero(rounds == number):
                group = order[places[index]]
                earlier = np.count_nonzero(order[: places[index]] == group)
                chosen[index] = self._draw(group, int(number * self.shares[group] + earlier))
        return chosen

    def _draw(self, group: int, draw: int) -> int:
        """Returns the clip of the `draw`-th draw from a class: a fresh permutation each time that it is used up."""
        times, place = divmod(draw, len(self.clips[group]))
        known, order = self._orders.get(group, (None, None))
        if known != times:
            order = np.random.default_rng((self.seed, 1, group, times)).permutation(self.clips[group])
            self._orders[group] = (times, order)
        return order[place]


def _shares(counts, together, max_ratio, clips_per_repeat) -> tuple[np.ndarray, float]:
    """Returns the draws per class and round, in tenths of the published rule's, and the ratio that they give."""
    shares = 10 * np.minimum(counts // clips_per_repeat + 1, int(max_ratio))
    while True:
        heard = shares @ together
        ratio = heard.max() / heard.min()
        most = int(np.argmax(heard))
        if ratio <= max_ratio or shares[most] == 1:
            return shares, float(ratio)
        shares[most] -= 1
