"""Early stopping and epoch-level ensembling (2019, sections 3.2.8 and 3.2.9), from files that a resumed run reads."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from avkeras.errors import AvkerasError
from avkeras.runs.files import read_json, read_rows, write_json, write_rows
from avkeras.training.weights_file import save_weights


def should_stop(losses: Sequence[float], *, patience: int = 7) -> bool:
    """Returns whether the last validation loss is higher than every one of the `patience` epochs before it.

    This is the 2019 paper's rule (section 3.2.8); it is not `EarlyStopping(patience=7)`, which compares with the best.
    With a patience of 0 training never stops early.

    Example:
        >>> should_stop([0.1, 0.2, 0.3, 0.4], patience=3), should_stop([0.9, 0.2, 0.3, 0.4], patience=3)
        (True, False)
    """
    if not patience or len(losses) <= patience:
        return False
    return losses[-1] > max(losses[-1 - patience : -1])


class MetricsFile(keras.callbacks.Callback):
    """Writes a row per epoch to a CSV file; rows of epochs that are run again are replaced.

    Args:
        path: the file; `epoch` counts from 1.

    Example:
        >>> import tempfile
        >>> file = MetricsFile(tempfile.mkdtemp() + "/metrics.csv")
        >>> file.on_epoch_end(0, {"loss": 0.5})
        >>> file.read("loss")
        [0.5]
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's row; the file is replaced as a whole."""
        rows = [row for row in self._rows() if int(row["epoch"]) <= epoch]
        values = {name: np.atleast_1d(np.asarray(value, np.float64)) for name, value in (logs or {}).items()}
        row = {"epoch": epoch + 1}
        for name, all_of_it in values.items():  # a metric of every class has a column of each
            names = [name] if len(all_of_it) == 1 else [f"{name}_{place}" for place in range(len(all_of_it))]
            row |= dict(zip(names, map(repr, all_of_it.tolist()), strict=True))
        rows.append(row)
        write_rows(self.path, rows)

    def read(self, name: str, *, epochs: int | None = None) -> list[float]:
        """Returns one column, of all epochs or of the first `epochs`."""
        return [float(row[name]) for row in self._rows() if epochs is None or int(row["epoch"]) <= epochs]

    def _rows(self) -> list[dict]:
        return read_rows(self.path) if self.path.exists() else []


class StopWhenWorse(keras.callbacks.Callback):
    """Stops training by `should_stop`.

    Args:
        metrics: the file of the run, from which earlier epochs are read; it must stand before this callback.
        patience: epochs to compare with.

    Example:
        >>> import tempfile
        >>> StopWhenWorse(MetricsFile(tempfile.mkdtemp() + "/metrics.csv")).patience
        7
    """

    def __init__(self, metrics: MetricsFile, *, patience: int = 7) -> None:
        super().__init__()
        self.metrics = metrics
        self.patience = patience

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the validation losses so far."""
        if "val_loss" not in (logs or {}):
            raise ValueError("StopWhenWorse compares validation losses: give fit its validation_data")
        if should_stop(self.metrics.read("val_loss", epochs=epoch + 1), patience=self.patience):
            self.model.stop_training = True


class LastEpochs(keras.callbacks.Callback):
    """Keeps the weights of the last epochs, for `avkeras.models.ensemble`.

    Args:
        folder: where `epoch-001.weights.h5`, ... are.
        keep: how many.

    Example:
        >>> import tempfile
        >>> LastEpochs(tempfile.mkdtemp()).files()
        []
    """

    def __init__(self, folder: str | Path, *, keep: int = 7) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        """Saves the weights, then deletes those that are too old or of epochs that are run again."""
        save_weights(self.model, self.folder / f"epoch-{epoch + 1:03d}.weights.h5")
        for left_by_a_kill in self.folder.glob(".partial-*"):
            left_by_a_kill.unlink()
        kept = {f"epoch-{number:03d}.weights.h5" for number in range(epoch + 2 - self.keep, epoch + 2)}
        for old in self.folder.glob("epoch-*.weights.h5"):
            if old.name not in kept:
                old.unlink()

    def files(self) -> list[Path]:
        """Returns the kept files, oldest first."""
        return sorted(self.folder.glob("epoch-*.weights.h5"), key=_epoch_of)

    def done(self) -> int:
        """Returns the number of the last whole epoch; 0: there is none."""
        files = self.files()
        return _epoch_of(files[-1]) if files else 0

    def ensemble_files(self) -> list[Path]:
        """Returns the files of the last `keep` epochs, oldest first; there may be fewer epochs.

        Raises:
            AvkerasError: one was deleted meanwhile.
        """
        done = self.done()
        numbers = range(max(1, done - self.keep + 1), done + 1)
        files = [self.folder / f"epoch-{number:03d}.weights.h5" for number in numbers]
        for file in files:
            if not file.exists():
                raise AvkerasError(
                    f"{file}: is missing, and the ensemble of the last {self.keep} epochs needs it; put it back, "
                    "or train again with another --out"
                )
        return files


def _epoch_of(file: Path) -> int:
    return int(file.name.split("-")[1].split(".")[0])


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best score, and stops training when it has not risen for long.

    A score that is NaN is worse than any number.

    Args:
        folder: where `best.weights.h5` and `best.json` are.
        score: called after each epoch; the higher the better, of equally good epochs the first.
        weights: model whose weights are kept; None: that which is trained.
        patience: epochs without a better score after which training stops; 0: it never does.

    Example:
        >>> import tempfile
        >>> BestEpoch(tempfile.mkdtemp(), lambda: 0.5).best()
        {}
    """

    def __init__(
        self,
        folder: str | Path,
        score: Callable[[], float],
        *,
        weights: keras.Model | None = None,
        patience: int = 0,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.score = score
        self.weights = weights
        self.patience = patience

    @property
    def file(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "best.weights.h5"

    def best(self) -> dict[str, float]:
        """Returns `epoch`, from 1, and `score` of the best; nothing: there is none yet."""
        facts = self.folder / "best.json"
        return read_json(facts) if facts.is_file() else {}

    def stopped(self, done: int) -> bool:
        """Returns whether so many epochs are enough."""
        best = self.best()
        return bool(self.patience and best and done - best["epoch"] >= self.patience)

    def on_epoch_end(self, epoch, logs=None):
        """Scores, keeps and perhaps stops."""
        best, score = self.best(), float(self.score())
        if best.get("epoch", 0) > epoch:  # of this epoch, which is run again
            best = {}
        if not best or score > best["score"] or math.isnan(best["score"]):
            save_weights(self.weights or self.model, self.file)
            write_json(self.folder / "best.json", {"epoch": epoch + 1, "score": score})
        elif self.stopped(epoch + 1):
            self.model.stop_training = True
