"""W&B, a mirror: one run for each record. Its troubles cost a line on stderr, never a record."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from oraclecheck.records.record import Record, to_json

PROBE_SECONDS = 3.0
CONFIG_COLUMNS_END = "status"  # the columns before it say what a run is, the others what came of it


@dataclass(frozen=True)
class WandbSettings:
    """Where W&B runs go.

    Args:
        mode: "offline" or "online".
        project: W&B project.
        entity: W&B user or team; None for the account's default.
    """

    mode: str
    project: str
    entity: str | None


class WandbMirror:
    """One W&B run, opened now, fed each epoch, closed with the record.

    Args:
        settings: Where it goes; None mirrors nothing.
        identity: Record columns that say what the run is; they become W&B's config.
        folder: The study's folder; offline runs are kept in its `wandb/`.
        run_id: Deterministic, so that a run that is tried again replaces itself.
    """

    def __init__(self, settings: WandbSettings | None, identity: dict[str, Any], folder: Path, run_id: str) -> None:
        self._run: Any = None
        if settings is None:
            return
        mode = usable_mode(settings.mode)
        self._guard(lambda: self._open(settings, mode, identity, folder, run_id))
        if self._run is None and mode == "online":
            self._guard(lambda: self._open(settings, "offline", identity, folder, run_id))

    def log(self, entry: dict[str, float]) -> None:
        """Mirror an epoch's numbers."""
        if self._run is not None:
            self._guard(
                lambda: self._run.log({k: v for k, v in entry.items() if k != "epoch"}, step=int(entry["epoch"]))
            )

    def finish(self, record: Record) -> None:
        """Mirror the record and close the run."""
        if self._run is None:
            return
        columns = to_json(record)
        names = list(columns)
        outcome = {name: columns[name] for name in names[names.index(CONFIG_COLUMNS_END) :]}
        self._guard(lambda: self._run.summary.update({name: v for name, v in outcome.items() if v is not None}))
        run, self._run = self._run, None
        self._guard(lambda: run.finish(exit_code=0 if record.status == "ok" else 1))

    def _open(self, settings: WandbSettings, mode: str, identity: dict[str, Any], folder: Path, run_id: str) -> None:
        if mode == "disabled":
            return
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else every run starts telemetry threads
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        # 27 instead of 90 ms a run; `wandb.init` changes the object, so each run needs its own.
        lean = wandb.Settings(
            x_save_requirements=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            disable_git=True,
            disable_code=True,
            console="off",
            silent=True,
            init_timeout=20,
        )
        self._run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            mode=mode,  # type: ignore[arg-type]
            id=run_id,
            name=run_id,
            group=identity["study"],
            job_type="retrain",
            config=identity,
            dir=folder.absolute(),  # the service that writes it may have another working directory
            settings=lean,
        )

    def _guard(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            self._run = None
            _go_offline(f"W&B failed ({_first_line(error)}); records are kept on disk all the same")


@lru_cache(maxsize=2)
def usable_mode(mode: str) -> str:
    """The mode W&B can be used in: offline if online was asked for but the server or the key is missing.

    `wandb.init` would wait a minute and a half for a server that does not answer, and ask for a missing key.
    """
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):  # the user's, or found out by the launching process
        return os.environ["WANDB_MODE"]
    if mode == "online":
        trouble = _trouble()
        if trouble:
            _go_offline(f"W&B is not usable online: {trouble}; runs are kept offline, `wandb sync` uploads them later")
            return "offline"
    return mode


def _trouble() -> str | None:
    import urllib.error
    import urllib.request

    import wandb

    url = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
    try:
        urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        return f"{url} does not answer ({_first_line(error)})"
    if not (os.environ.get("WANDB_API_KEY") or wandb.Settings().api_key or _key_in_netrc(url)):
        return "there is no API key (`wandb login` stores one)"
    return None


def _key_in_netrc(url: str) -> bool:
    import netrc
    from urllib.parse import urlsplit

    try:
        return netrc.netrc().authenticators(urlsplit(url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _go_offline(reason: str) -> None:
    """Say so once and stay offline, here and in the processes started from here."""
    if os.environ.get("WANDB_MODE") != "offline":
        os.environ["WANDB_MODE"] = "offline"
        usable_mode.cache_clear()
        print(f"oraclecheck: {reason}", file=sys.stderr, flush=True)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
