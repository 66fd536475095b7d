"""Killed at any moment, on a pool or on a cluster: the corpus ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ktube_motion.construct import build_corpus, pair_sources
from ktube_motion.errors import KtubeError
from ktube_motion.samples import make_speaker

KILLS = int(os.environ.get("KTUBE_KILLS", "8"))

# One process imports everything, then forks builders and kills each after a while: many kills in little time.
BUILDER = """
import os, signal, sys, time
from concurrent.futures import ThreadPoolExecutor
import torch
from ktube_motion.construct import build_corpus, pair_sources
from ktube_motion.text import tag_korean

torch.set_num_threads(1)
tag_korean("안녕")
folder, root, kills = sys.argv[1], sys.argv[2], [float(wait) for wait in sys.argv[3:]]

def build():
    with ThreadPoolExecutor(1) as here:
        build_corpus(pair_sources(folder, folder)[0], root, executor=here, progress=False)

def count(pattern):
    import pathlib
    return len(list(pathlib.Path(root).glob(pattern)))

for wait in kills:
    child = os.fork()
    if child == 0:
        try:
            build()
        finally:
            os._exit(0)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(os.WIFSIGNALED(status), count(".build/*.json"), count("texts/*.txt"), count("manifest.json"), flush=True)
"""

POOL = """
import sys
from ktube_motion.construct import build_corpus, pair_sources

if __name__ == "__main__":
    build_corpus(pair_sources(sys.argv[1], sys.argv[1])[0], sys.argv[2], progress=False)
"""


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed in range(4):
        make_speaker(folder, seed=seed, num_utterances=3, faults=True, name=f"video{seed}")
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """Give what a build that nobody disturbs ends with, and how long it took."""
    root = tmp_path_factory.mktemp("whole") / "K"
    with ThreadPoolExecutor(1) as here:
        began = time.perf_counter()
        build_corpus(pair_sources(folder, folder)[0], root, executor=here, progress=False)
    return files_of(root), time.perf_counter() - began


def run(script, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments_it_ends_the_same(folder, expected, tmp_path):
    wanted, seconds = expected
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    waits = np.sort(rng.uniform(0.01, min(seconds, 2.0), KILLS)) / 2
    process = run(BUILDER, folder, tmp_path / "K", *waits)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    rounds = [line.split() for line in out.split("\n") if line]
    assert len(rounds) == KILLS
    assert any(killed == "True" for killed, *_ in rounds)
    before = files_of(tmp_path / "K")
    with ThreadPoolExecutor(1) as here:
        build_corpus(pair_sources(folder, folder)[0], tmp_path / "K", executor=here, progress=False)
    found = files_of(tmp_path / "K")
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert before.keys() <= found.keys() | {name for name in before if ".writing-" in name}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_killed_pool_leaves_no_workers_and_goes_on(folder, expected, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(POOL)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(tmp_path / "K")], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    limit = time.time() + 60
    while len(list((tmp_path / "K").glob(".build/*.json"))) < 2 and process.poll() is None and time.time() < limit:
        time.sleep(0.01)  # until the pool has made two of four videos
    workers = _children(process.pid)
    assert workers
    process.send_signal(signal.SIGKILL)
    process.wait()
    limit = time.time() + 10
    while any(_alive(worker) for worker in workers) and time.time() < limit:
        time.sleep(0.05)
    assert not any(_alive(worker) for worker in workers)
    assert list((tmp_path / "K").glob("texts/*.txt"))
    with ThreadPoolExecutor(1) as here:
        build_corpus(pair_sources(folder, folder)[0], tmp_path / "K", executor=here, progress=False)
    assert files_of(tmp_path / "K") == expected[0]


def _children(pid):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        if int(status[1]) == pid:
            found.append(int(entry.name))
    return found


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


@pytest.mark.filterwarnings("default")  # what dask and its event loop warn of is their own business
def test_dask_cluster_builds_the_same_corpus(folder, expected, tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        report = build_corpus(
            pair_sources(folder, folder)[0], tmp_path / "K", executor=client.get_executor(), progress=False
        )
        processes = client.run(os.getpid)
    assert report.clips == 12
    assert os.getpid() not in processes.values()
    assert files_of(tmp_path / "K") == expected[0]


def _first_record(root):
    limit = time.time() + 300
    while not list(root.glob(".build/*.json")) and time.time() < limit:
        time.sleep(0.02)


@pytest.mark.filterwarnings("default")
def test_dask_workers_come_and_go(folder, expected, tmp_path):
    """A worker is killed in the middle of its video, another one comes."""
    distributed = pytest.importorskip("dask.distributed")
    root = tmp_path / "K"
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
        ThreadPoolExecutor(1) as here,
    ):
        (worker,) = client.run(os.getpid).values()
        sources = pair_sources(folder, folder)[0]
        build = here.submit(build_corpus, sources, root, executor=client.get_executor(), progress=False)
        _first_record(root)
        assert len(list(root.glob(".build/*.json"))) < 4
        os.kill(worker, signal.SIGKILL)
        cluster.scale(2)
        assert build.result(timeout=600).clips == 12
        assert worker not in client.run(os.getpid).values()
    assert files_of(root) == expected[0]


@pytest.mark.filterwarnings("default")
def test_dask_scheduler_is_restarted(folder, expected, tmp_path):
    """The build says so, and goes on with another cluster where it was."""
    distributed = pytest.importorskip("dask.distributed")
    root, sources = tmp_path / "K", pair_sources(folder, folder)[0]
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "local_directory": str(tmp_path)}
    with ThreadPoolExecutor(1) as here:
        with distributed.LocalCluster(n_workers=1, **options) as cluster, distributed.Client(cluster) as client:
            build = here.submit(build_corpus, sources, root, executor=client.get_executor(), progress=False)
            _first_record(root)
            client.restart(timeout=120)
            with pytest.raises(KtubeError, match="Start the build again"):
                build.result(timeout=600)
        kept = {path.name: path.stat().st_mtime_ns for path in root.glob(".build/*.json")}
        assert 0 < len(kept) < 4
        with distributed.LocalCluster(n_workers=2, **options) as cluster, distributed.Client(cluster) as client:
            build_corpus(sources, root, executor=client.get_executor(), progress=False)
    assert all((root / ".build" / name).stat().st_mtime_ns == time for name, time in kept.items())
    assert files_of(root) == expected[0]
