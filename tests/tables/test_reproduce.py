"""Runs of a table in real processes: killed, gone on with, and one that fails among others that do not."""

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from avkeras.data.manifest import Clip, read_manifest, write_manifest
from avkeras.data.records import RecordWriter
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import AudioTagging
from avkeras.runs.locks import locked_folder
from avkeras.runs.results_file import ResultsFile
from avkeras.tables.paper_tables import paper_table

SCRIPT = textwrap.dedent(
    """
    import dataclasses
    import json
    import sys
    from pathlib import Path
    from avkeras.data.manifest import read_manifest
    from avkeras.tables.cells import Cell
    from avkeras.tables.paper_tables import paper_table
    from avkeras.experiments.inputs import Features
    from avkeras.features.write_clips import Summary
    from avkeras.tables.reproduce import table_values
    from avkeras.runs.results_file import ResultsFile
    from avkeras.tables.run_tasks import run_tasks

    if __name__ == "__main__":
        root, jobs, wanted = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
        values = dataclasses.replace(
            table_values("tagging", "demo"), data=root / "manifest.tsv", out=root, dim=8, epochs=2, steps_per_epoch=2
        )
        cells = {cell.key: cell for cell in paper_table("2019-table1").cells}
        results = ResultsFile(root / "results.jsonl")
        done = results.runs()
        values_of_none = {**next(iter(cells.values())).values, "first": "smell"}
        missing = {
            cells.get(key) or Cell(key, values_of_none): [seed for seed in seeds if (key, seed) not in done]
            for key, seeds in wanted.items()
        }
        features = Features({name: root / name for name in ("audio", "video")}, {}, Summary())
        failed = run_tasks(
            {cell: seeds for cell, seeds in missing.items() if seeds},
            values,
            features=dict.fromkeys(missing, features),
            results=results,
            notes={"preset": "test", "clips_sha256": read_manifest(values.data).digest()},
            jobs=jobs,
        )
        print(json.dumps(failed))
    """
)
AUDIO, VIDEO = "audio, audio, no positions, mean, softmax", "video, video, no positions, max, sigmoid"


@pytest.fixture
def root(tmp_path):
    """A script, a manifest and stores of 60 clips; every fifth has no video."""
    generator = np.random.default_rng(0)
    splits = ("train", "train", "validation", "test")
    clips = []
    for n in range(60):
        (tmp_path / f"{n}.wav").touch()
        clips.append(Clip(str(n), tmp_path / f"{n}.wav", None, splits[n % 4], ("Bus" if n % 3 else "Car",)))
    write_manifest(tmp_path / "manifest.tsv", clips, classes=["Bus", "Car"])
    for modality, dim in (("audio", 4), ("video", 6)):
        with RecordWriter(tmp_path / modality, {"dim": dim}) as store:
            for n, clip in enumerate(clips):
                frames = 0 if modality == "video" and n % 5 == 0 else 3
                store.write(clip.id, "m", generator.normal(size=(frames, dim)) + bool(n % 3))
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def start(root, jobs, wanted):
    command = [sys.executable, root / "script.py", str(root), str(jobs), json.dumps(wanted)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def children(process):
    found = subprocess.run(["pgrep", "-g", str(process.pid)], stdout=subprocess.PIPE, text=True, check=False)
    return {int(line) for line in found.stdout.split()} - {process.pid}


def three_clips(folder):
    (folder / "a.wav").touch()
    clips = [Clip(split, folder / "a.wav", None, split, ("Car",)) for split in ("train", "validation", "test")]
    return write_manifest(folder / "manifest.tsv", clips, classes=["Bus", "Car"])


def test_a_second_table_in_one_folder_is_refused_and_deletes_nothing(tmp_path):
    from avkeras.tables import reproduce

    running = tmp_path / "out" / "runs" / "a-seed0"
    running.mkdir(parents=True)
    line = "another process is making a table in this folder; wait for it, or give another --out"
    with locked_folder(tmp_path / "out", "making a table in this folder"), pytest.raises(AvkerasError, match=line):
        reproduce.reproduce("2019-table1", data=three_clips(tmp_path).path, out=tmp_path / "out", preset="demo")
    assert running.is_dir()


@pytest.mark.parametrize("made_on", ["data_sha256", "clips_sha256"])
def test_runs_on_other_data_are_refused_before_any_work(tmp_path, monkeypatch, made_on):
    from avkeras.tables import reproduce

    class Extraction(Exception):
        pass

    def extract(*arguments):
        raise Extraction

    monkeypatch.setattr(reproduce, "_features", extract)
    manifest = three_clips(tmp_path)
    now = {
        "data_sha256": hashlib.sha256(manifest.path.read_bytes()).hexdigest()[:16],
        "clips_sha256": manifest.digest(),
    }
    results = ResultsFile(tmp_path / "out" / "results.jsonl")
    cell = paper_table("2019-table1").of_rows([1]).cells[0].key
    results.add({"cell": cell, "seed": 0, **now})
    results.add({"cell": cell, "seed": 1, **now, made_on: "0123456789abcdef"})
    options = {"data": manifest.path, "out": tmp_path / "out", "preset": "demo", "rows": [1]}
    with pytest.raises(Extraction):  # the table takes no other run than the first
        reproduce.reproduce("2019-table1", **options, runs=1)
    refusal = (
        f"results.jsonl: {cell} was made on other data ({made_on} 0123456789abcdef, now {now[made_on]}); "
        "give another --out"
    )
    with pytest.raises(AvkerasError, match=re.escape(refusal)):
        reproduce.reproduce("2019-table1", **options, runs=2)


@pytest.mark.slow
def test_a_killed_table_goes_on_and_repeats_no_finished_run(root):
    wanted = {AUDIO: [0, 1]}
    results = ResultsFile(root / "results.jsonl")
    with start(root, 1, wanted) as process:
        while not results.runs():
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while children(process):  # what it began ends with it
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = results.path.read_bytes()
    assert before.endswith(b"\n")
    with start(root, 1, {**wanted, "smell": [0]}) as process:
        failed = json.loads(process.communicate()[0])
    assert [cell for cell, _ in failed] == ["smell"]
    after = results.path.read_bytes()
    assert after.startswith(before)
    lines = [json.loads(line) for line in after.splitlines()]
    assert sorted((line["cell"], line["seed"]) for line in lines) == [(AUDIO, 0), (AUDIO, 1)]
    by_run = results.runs()
    assert by_run[AUDIO, 0]["test_clips"] == 12  # three of the 15 have no video
    assert len(list((root / "runs").iterdir())) <= 1  # what is in the lines needs no folders; the kill may leave one
    assert all(line["epochs"] == 2 and line["preset"] == "test" for line in lines)
    assert by_run[AUDIO, 0]["threshold"] != by_run[AUDIO, 1]["threshold"]


def workers(process):
    """Returns the processes that run tasks: not the one that began them, nor Python's tracker of resources."""
    found = subprocess.run(["pgrep", "-g", str(process.pid), "-f", "spawn_main"], stdout=subprocess.PIPE, check=False)
    return {int(line) for line in found.stdout.split()} - {process.pid}


@pytest.mark.slow
def test_a_killed_process_costs_its_own_cell_only(root):
    results = ResultsFile(root / "results.jsonl")
    # The first cell has many runs to go when its process is killed, as one that has no memory left is.
    with start(root, 1, {VIDEO: list(range(500)), AUDIO: [0]}) as process:
        while not results.runs():
            assert process.poll() is None
            time.sleep(0.05)
        for worker in workers(process):
            os.kill(worker, signal.SIGKILL)
        failed = json.loads(process.communicate()[0])
    assert [cell for cell, _ in failed] == [VIDEO]
    assert "killed" in failed[0][1]
    assert (AUDIO, 0) in results.runs()


def test_what_a_cluster_terminates_leaves_nothing_behind(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from avkeras.cli import main\n"
        "from avkeras.tables import reproduce, run_tasks\n"
        "if __name__ == '__main__':\n"
        "    work = lambda *_, **__: run_tasks._on_this_machine([(time.sleep, 60)], 1, 0, [], lambda: None)\n"
        "    reproduce.reproduce = work\n"
        "    main(['reproduce', '2019-table1'])\n"
    )
    command = [sys.executable, script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not workers(process):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        told = process.communicate()[1]  # up to the end of the last process that has this pipe
    assert process.returncode == 128 + signal.SIGTERM
    line = "terminated; what a folder holds is kept, and the same command goes on from there"
    assert told.split("\n") == ["", line, ""]  # the first ends the progress bar's


@pytest.mark.parametrize("of", ["tagging", "detection"])
def test_a_manifest_that_changes_while_a_table_is_made_ends_its_runs(tmp_path, of):
    from avkeras.experiments.inputs import Features
    from avkeras.features.write_clips import Summary
    from avkeras.tables.detection_cells import DetectionTask, run_detection_task
    from avkeras.tables.reproduce import table_values
    from avkeras.tables.tagging_cells import TaggingTask, run_tagging_task

    manifest = three_clips(tmp_path)
    values = dataclasses.replace(table_values(of, "demo"), data=manifest.path, out=tmp_path / "out")
    cell = paper_table({"tagging": "2019-table1", "detection": "2022-table5"}[of]).cells[0]
    features, notes = Features({}, {}, Summary()), {"clips_sha256": manifest.digest()}
    manifest.path.write_text(manifest.path.read_text().replace("Car", "Bus"))
    line = f"{manifest.path}: was changed while the table was made; put it back, or give another --out"
    results = tmp_path / "results.jsonl"
    run, task = {
        "tagging": (run_tagging_task, TaggingTask(cell, [0], values, features, results, None, notes)),
        "detection": (run_detection_task, DetectionTask(cell, [0], values, features, results, notes)),
    }[of]
    with pytest.raises(AvkerasError, match=f"^{re.escape(line)}$"):
        run(task)
    assert not results.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_on_a_cluster(root, monkeypatch):
    utils = pytest.importorskip("ray.cluster_utils")
    from avkeras.experiments.inputs import Features
    from avkeras.features.write_clips import Summary
    from avkeras.tables.reproduce import table_values
    from avkeras.tables.run_tasks import run_tasks

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    demo = table_values("tagging", "demo")
    values = dataclasses.replace(demo, data=root / "manifest.tsv", out=root, dim=8, epochs=2, steps_per_epoch=2)
    cells = {cell.key: cell for cell in paper_table("2019-table1").cells}
    results = ResultsFile(root / "results.jsonl")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        features = Features({name: root / name for name in ("audio", "video")}, {}, Summary())
        failed = run_tasks(
            {cells[AUDIO]: [0, 1], cells[VIDEO]: [0]},
            values,
            features=dict.fromkeys(cells.values(), features),
            results=results,
            notes={"clips_sha256": read_manifest(values.data).digest()},
            cluster=cluster.address,
        )
    finally:
        cluster.shutdown()
    assert not failed
    assert sorted(results.runs()) == [(AUDIO, 0), (AUDIO, 1), (VIDEO, 0)]


def test_paths_of_a_task_for_a_cluster_are_meant_from_here(tmp_path, monkeypatch):
    from avkeras.features import cluster
    from avkeras.tables import run_tasks

    here, node = tmp_path / "here", tmp_path / "node"
    for folder in (here, node):
        folder.mkdir()

    class Call:
        def __init__(self, call):
            self.result = call

    class Pool:  # of nodes that work elsewhere
        def __init__(self, address):
            pass

        def submit(self, function, *args):
            def call():
                os.chdir(node)
                function(*args)

            return Call(call)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            os.chdir(here)

    class Task:
        cell = paper_table("2019-table1").cells[0]

        def __init__(self, out):
            self.values = AudioTagging(data=out / "manifest.tsv", out=out)
            self.results = out / "results.jsonl"

        def without(self, done):
            return self

    def work(task):
        (task.values.out / "line").touch()

    monkeypatch.setattr(cluster, "ClusterPool", Pool)
    monkeypatch.chdir(here)
    assert run_tasks._on_cluster([(work, Task(Path()))], "address") == []
    assert (here / "line").exists()
    monkeypatch.setattr(os, "getcwd", lambda: str(tmp_path / "not there"))
    ((_, reason),) = run_tasks._on_cluster([(work, Task(Path()))], "address")
    assert reason.startswith(f"{tmp_path}/not there: cannot be entered on node ")
    assert list(node.iterdir()) == []
    assert run_tasks._on_cluster([(work, Task(node))], "address") == []  # which needs no folder
    assert (node / "line").exists()


def test_a_task_that_ray_repeats_leaves_out_the_runs_that_are_in_the_results(tmp_path, monkeypatch):
    from avkeras.tables.run_tasks import run_in_folder
    from avkeras.tables.tagging_cells import TaggingTask

    monkeypatch.chdir(tmp_path)
    cell = paper_table("2019-table1").cells[0]
    ResultsFile("results.jsonl").add({"cell": cell.key, "seed": 0})
    ran = []
    task = TaggingTask(cell, [0, 1], AudioTagging(), None, Path("results.jsonl"), False, {})
    run_in_folder(str(tmp_path), lambda task: ran.extend(task.seeds), task)
    assert ran == [1]


@pytest.mark.slow
def test_ways_of_fusion_are_trained_compared_and_drawn(tmp_path, monkeypatch, embedder_cache, embedders):
    from avkeras.tables import reproduce

    tiny = {
        "visual": (str(embedder_cache / "mean_colour"),),
        "visual_frames": 4,
        "filters": (2, 2, 2, 2, 2, 2, 8),
        "dim": 8,
    }
    tiny |= {"epochs": 1, "steps_per_epoch": 2, "batch": (1, 1, 1), "demo_clips": (8, 4, 6)}
    demo = reproduce._CHANGES["fusion", "demo"]
    monkeypatch.setitem(reproduce._CHANGES, ("fusion", "demo"), demo | tiny)
    report = reproduce.reproduce("fusion", out=tmp_path / "runs" / "fusion", rows=[1, 8], runs=2)
    assert not report.failed
    assert (report.wanted, report.done) == (4, 4)
    markdown, *others = report.files
    assert [file.name for file in others] == ["fusion.csv", "fusion-CBF1.png", "fusion-EBF1.png"]
    titles = [line.split("|")[1].strip() for line in markdown.read_text().splitlines() if line.startswith("| a")]
    assert titles == ["audio only", *5 * ["all of them"]]  # the scores, then the gains of two metrics over two bases
    audio = [number.mean for number in report.numbers[:5]]
    assert len(set(audio)) == 1  # it loses nothing with the video
    again = reproduce.reproduce("fusion", out=tmp_path / "runs" / "fusion", rows=[1, 8], runs=2)
    assert again.found == 4
    assert again.files[0].read_text() == markdown.read_text()


@pytest.mark.slow
def test_published_systems_and_transformers_share_a_table(tmp_path, monkeypatch, embedder_cache, embedders):
    from avkeras.tables import reproduce

    tiny = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4}
    demo = reproduce._CHANGES["tagging", "demo"] | tiny | {"dim": 8, "demo_clips": (8, 6, 6)}
    demo |= {"embedders": ("vggish_stand_in", str(embedder_cache / "mean_colour"))}
    monkeypatch.setitem(reproduce._CHANGES, ("tagging", "demo"), demo)
    monkeypatch.setattr(reproduce, "DEMO", {"gccaps": {**tiny, "keep": 1, "options": ("filters=2", "capsules=2")}})
    out = tmp_path / "runs" / "reproduce-2019"
    report = reproduce.reproduce("2019-table2", out=out, rows=[2, 5], runs=2)
    assert not report.failed
    lines = ResultsFile(out / "results.jsonl").runs()
    assert {run["test_clips"] for run in lines.values()} == {6}  # all of them, also those without video
    assert {run["embedders"] for (cell, _), run in lines.items() if cell == "system gccaps"} == {"none"}
    assert [number.runs for number in report.numbers] == 4 * [2]  # two of them untrained
    assert not (out / "runs").exists()
    assert reproduce.reproduce("2019-table2", out=out, rows=[2, 5], runs=2).found == 8
    other = {"gccaps": {**tiny, "keep": 1, "options": ("filters=4", "capsules=2")}}
    monkeypatch.setattr(reproduce, "DEMO", other)
    with pytest.raises(AvkerasError, match="has runs of system gccaps with another options; give another out"):
        reproduce.reproduce("2019-table2", out=out, rows=[2, 5], runs=2)


@pytest.mark.slow
def test_systems_that_the_2022_paper_refers_to_are_scored_on_the_clips_of_its_own(
    tmp_path, monkeypatch, embedder_cache, embedders
):
    from avkeras.tables import reproduce

    tiny = {"epochs": 1, "steps_per_epoch": 2, "batch": (1, 1, 1)}
    demo = reproduce._CHANGES["detection", "demo"] | tiny | {"visual": (str(embedder_cache / "mean_colour"),)}
    demo |= {"visual_frames": 4, "filters": (2, 2, 2, 2, 2, 2, 8), "dim": 8, "demo_clips": (8, 4, 6), "weights": (0.5,)}
    monkeypatch.setitem(reproduce._CHANGES, ("detection", "demo"), demo)
    small = {**tiny, "options": ("filters=2", "units=4", "layers=1")}
    monkeypatch.setattr(reproduce, "DEMO", {"crnn_2020": small, "audiovisual_crnn": {**small, "visual_frames": 4}})
    out = tmp_path / "runs" / "reproduce-2022"
    # The paper's own with pictures, and the two recurrent networks, with and without video, and with it ignored.
    report = reproduce.reproduce("2022-table7", out=out, rows=[2, 13, 16, 20, 21], runs=1)
    assert not report.failed
    titles = dict.fromkeys(number.place.row for number in report.numbers)
    assert [title.partition(": ")[2].partition(" ")[0] for title in titles] == ["transformer,", *4 * ["reference"]]
    assert all(number.mean is not None for number in report.numbers)
    runs = ResultsFile(out / "results.jsonl").runs().values()
    assert len(runs) == 3
    assert len({(run["clips with video"], run["clips without video"]) for run in runs}) == 1
    assert sorted(run["embedders"] for run in runs) == [str(embedder_cache / "mean_colour"), "mean_colour", "none"]
