import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from avkeras.datasets.pace import Pace, Stopped


def test_starts_are_apart_whatever_the_number_of_threads():
    pace, starts, lock = Pace(sleep=0.05), [], threading.Lock()
    begin = time.monotonic()

    def start(_):
        pace.turn()
        with lock:
            starts.append(time.monotonic())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(6)))
    # A busy machine may wake a thread late, never early.
    assert all(start - begin >= 0.05 * number for number, start in enumerate(sorted(starts)))


def test_hold_stops_all_and_the_longest_counts():
    pace, begin = Pace(sleep=0.0), time.monotonic()
    pace.hold(0.2)
    pace.hold(0.05)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: pace.turn(), range(3)))
    assert time.monotonic() - begin >= 0.19


def test_stopping_ends_every_wait():
    pace, begin = Pace(sleep=0.0), time.monotonic()
    pace.hold(60)
    threading.Timer(0.05, pace.stopped.set).start()
    with pytest.raises(Stopped):
        pace.turn()
    with pytest.raises(Stopped):
        pace.wait()
    assert time.monotonic() - begin < 5
