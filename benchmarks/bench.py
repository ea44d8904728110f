"""Speed, as ratios measured side by side: `make bench` (needs MNIST in $ORACLECHECK_DATA, half an idle hour, 2 cores).

Every figure is the median of three repeats; what is compared runs in turn, so that a machine whose speed drifts
drifts for both.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import loading
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
REPEATS = 3
EPOCHS = 2
SWEEP_RUNS = 6
WHOLE_SWEEP_RUNS = 24
WHOLE = f"s a sweep of {WHOLE_SWEEP_RUNS}, all included"
BOUNDS = {
    "--help, s": "< 2",
    "beyond training, CPU s a combination": "< 0.1",
    "worker's peak memory on MNIST, GB": "< 1",
    "10,000 records, s to load": "< 5",
}


def call(*arguments: object, cwd: Path | None = None) -> str:
    """Run Python with these arguments; its stdout."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"{arguments} failed:\n{done.stderr}")
    return done.stdout


def baseline(way: str, where: Path, **options: int) -> float:
    flags = [text for name, value in options.items() for text in (f"--{name}", value)]
    return json.loads(call(HERE / "baselines.py", way, where, *flags))["seconds"]


def mnist(out: Path, root: Path, *arguments: str) -> list[str]:
    """An oraclecheck command line on MNIST with few epochs."""
    quick = ["pretrain.epochs=1", "pretrain.lr='0: 1e-2'", f"retrain.epochs={EPOCHS}", "retrain.lr='0: 1e-3'"]
    multirun = ["-m"] if any("range" in argument for argument in arguments) else []
    return ["-m", "oraclecheck", *multirun, "data=mnist", f"data.root={root}", f"paths.out={out}", *quick, *arguments]


def records(out: Path) -> list[dict]:
    return [
        {**json.loads(path.read_text()), "finished": path.stat().st_mtime}
        for path in out.glob("lenet*/*/*/record.json")
    ]


def ours(out: Path, root: Path, engine: str, repeat: int) -> float:
    """Seconds an epoch of one retraining."""
    call(*mnist(out, root, f"engine={engine}", f"repeat={repeat}", "logger=none"))
    (record,) = [record for record in records(out) if (record["engine"], record["repeat"]) == (engine, repeat)]
    return record["duration_retrain"] / EPOCHS


def whole_sweep(out: Path, root: Path, engine: str, repeat: int) -> float:
    """Seconds that a command for a sweep on two workers takes, start to end; the dense network is trained before."""
    sweep = (f"combo=range({WHOLE_SWEEP_RUNS})", f"repeat={repeat}", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    return timed(call, *mnist(out, root, f"engine={engine}", "logger=none", *sweep))


def sweep_of_two(out: Path, root: Path, repeat: int, peaks: list[float]) -> float:
    """Seconds that two joblib workers take for a sweep, from the first run's start to the last record.

    The largest worker's peak memory in GB is added to `peaks`.
    """
    sweep = (f"combo=range({SWEEP_RUNS})", f"repeat={repeat}", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    process = subprocess.Popen([sys.executable, *mnist(out, root, *sweep)], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, worker_peak())
        time.sleep(0.5)
    assert process.returncode == 0
    peaks.append(peak)
    mine = [record for record in records(out) if record["repeat"] == repeat]
    return max(r["finished"] for r in mine) - min(r["finished"] - r["duration_total"] for r in mine)


def worker_peak() -> float:
    """GB that the largest joblib worker now alive has held at most."""
    peak = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if "LokyProcess" in (process / "cmdline").read_text():
                lines = (process / "status").read_text().splitlines()
                peak = max(peak, *(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM")))
    return peak


def two_bare(cache: Path) -> float:
    """Seconds that two independent bare processes take for the same work."""
    half = ["--epochs", str(EPOCHS), "--runs", str(SWEEP_RUNS // 2)]
    command = [sys.executable, str(HERE / "baselines.py"), "bare-runs", str(cache), *half]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return max(json.loads(process.communicate()[0])["seconds"] for process in both)


def overhead(out: Path) -> float:
    """CPU seconds of one more combination in a multirun whose training and evaluation cost nothing."""
    seconds = {}
    for n in (10, 50):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        call(HERE / "without_training.py", f"paths.out={out / str(n)}", f"combo=range({n})")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds[n] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (seconds[50] - seconds[10]) / 40


def timed(function, *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    root = Path(os.environ.get("ORACLECHECK_DATA", "data")).absolute()
    if not (root / "MNIST/raw").is_dir():
        sys.exit(f"ORACLECHECK_DATA must name the folder above MNIST/raw; got {root}")
    console = Console()
    with tempfile.TemporaryDirectory() as folder, console.status("preparing") as status:
        out = Path(folder)
        call(*mnist(out, root, "stage=pretrain"))
        cache = next(out.glob(".cache/*.pt"))
        study = loading.a_study(out)
        peaks: list[float] = []
        rows: dict[str, list[float]] = {"worker's peak memory on MNIST, GB": peaks}
        for repeat in range(REPEATS):
            measurements = {
                "usual way, s an epoch": lambda: baseline("usual", root),
                "oraclecheck, s an epoch": lambda r=repeat: ours(out, root, "lightning", r),
                "lanes, s an epoch": lambda r=repeat: ours(out, root, "lanes", r),
                "bare loop, s an epoch": lambda: baseline("bare", cache, epochs=EPOCHS),
                "2 joblib workers, s a sweep": lambda r=repeat: sweep_of_two(out, root, r + REPEATS, peaks),
                "2 bare processes, s a sweep": lambda: two_bare(cache),
                f"lightning, {WHOLE}": lambda r=repeat: whole_sweep(out, root, "lightning", r + 2 * REPEATS),
                f"lanes, {WHOLE}": lambda r=repeat: whole_sweep(out, root, "lanes", r + 2 * REPEATS),
                "--help, s": lambda: timed(call, "-m", "oraclecheck", "--help"),
                "beyond training, CPU s a combination": lambda r=repeat: overhead(out / f"overhead{r}"),
                "10,000 records, s to load": lambda: loading.seconds(study, cached=False),
                "10,000 records again, s to load": lambda: loading.seconds(study, cached=True),
            }
            for name, measure in measurements.items():
                status.update(f"repeat {repeat + 1} of {REPEATS}: {name}")
                rows.setdefault(name, []).append(measure())
    show(console, rows)
    console.print(call(HERE / "stacking.py"), highlight=False)
    console.print(call(HERE / "analysis.py"), highlight=False)


def show(console: Console, rows: dict[str, list[float]]) -> None:
    table = Table("measured", *(f"repeat {i + 1}" for i in range(REPEATS)), "median", "bound")
    for name, values in rows.items():
        table.add_row(name, *(f"{v:.3f}" for v in (*values, statistics.median(values))), BOUNDS.get(name, ""))
    for name, above, below, bound in (
        ("usual way / oraclecheck", "usual way, s an epoch", "oraclecheck, s an epoch", "≥ 4"),
        ("usual way / lanes", "usual way, s an epoch", "lanes, s an epoch", "≥ 10"),
        ("oraclecheck / lanes", "oraclecheck, s an epoch", "lanes, s an epoch", "≥ 4"),
        ("bare loop / lanes", "bare loop, s an epoch", "lanes, s an epoch", ""),
        ("oraclecheck / lanes, sweep", f"lightning, {WHOLE}", f"lanes, {WHOLE}", "≥ 3.5"),
        ("oraclecheck / bare loop", "oraclecheck, s an epoch", "bare loop, s an epoch", "≤ 1.1"),
        ("2 bare / 2 joblib workers", "2 bare processes, s a sweep", "2 joblib workers, s a sweep", "≥ 0.9"),
    ):
        ratios = [a / b for a, b in zip(rows[above], rows[below], strict=True)]
        table.add_row(name, *(f"{ratio:.2f}" for ratio in (*ratios, statistics.median(ratios))), bound)
    console.print(table)


if __name__ == "__main__":
    main()
