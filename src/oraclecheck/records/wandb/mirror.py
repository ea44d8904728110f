"""W&B, a mirror: one run for each record. Its troubles cost a line on stderr, never a record."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oraclecheck.errors import first_line
from oraclecheck.records.record import Record
from oraclecheck.records.wandb.columns import JOB_TYPE, to_config, to_summary

PROBE_SECONDS = 3.0
SERVER_SECONDS = 20.0  # by default W&B waits for a dying server without end


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
        self._guard(lambda: self._run.summary.update(to_summary(record)))
        if self._run is not None:
            self._guard(lambda: self._run.finish(exit_code=1 if record.status == "failed" else 0))

    def _open(self, settings: WandbSettings, mode: str, identity: dict[str, Any], folder: Path, run_id: str) -> None:
        if mode == "disabled":
            return
        quiet_environment()
        import wandb

        self._run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            mode=mode,  # type: ignore[arg-type]
            id=run_id,
            name=run_id,
            group=identity["study"],
            job_type=JOB_TYPE,
            config=to_config(identity),
            dir=folder.absolute(),  # the service that writes it may have another working directory
            settings=lean_settings(),
        )

    def _guard(self, action: Callable[[], object]) -> None:
        """Run what W&B may fail at; after a failure this run is mirrored no further and later ones stay offline."""
        global _failure_said
        try:
            action()
        except Exception as error:
            os.environ["WANDB_MODE"] = "offline"
            if not _failure_said:
                _failure_said = True
                _say(f"W&B failed ({first_line(error)}); records are kept on disk all the same")
            run, self._run = self._run, None
            if run is not None:
                with suppress(Exception):  # left open, it would receive the next run's numbers
                    run.finish(exit_code=1)


_failure_said = False


def quiet_environment() -> None:
    """Keep W&B from telemetry threads and from talking on the terminal."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")


def lean_settings() -> Any:
    """W&B's settings for a run that only keeps what we give it: 27 instead of 90 ms.

    `wandb.init` changes the object, so each run needs its own.
    """
    import wandb

    return wandb.Settings(
        x_save_requirements=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        disable_git=True,
        disable_code=True,
        console="off",
        silent=True,
        init_timeout=SERVER_SECONDS,
        finish_timeout=SERVER_SECONDS,
        reinit="create_new",
    )


def usable_mode(mode: str) -> str:
    """The mode W&B can be used in: offline if online was asked for but the server or the key is missing.

    `wandb.init` would wait a minute and a half for a server that does not answer, and ask for a missing key. What was
    found out is kept in $WANDB_MODE, for this process and those it starts; a user's own $WANDB_MODE counts as well.
    """
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return os.environ["WANDB_MODE"]
    if mode == "online" and (trouble := _trouble()):
        os.environ["WANDB_MODE"] = "offline"
        _say(f"W&B is not usable online: {trouble}; runs are kept offline, `wandb sync` uploads them later")
        return "offline"
    return mode


def server_trouble() -> str | None:
    """Why W&B's server cannot be used: it does not answer, or there is no API key; None if it can."""
    try:
        return _server_trouble()
    except Exception as error:  # a W&B that cannot be imported, or settings that it refuses
        return first_line(error)


def _server_trouble() -> str | None:
    import urllib.error
    import urllib.request

    import wandb

    url = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
    try:
        urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except Exception as error:  # refused, timed out, not HTTP, not a URL: whatever it is, W&B would fail too
        return f"{url} does not answer ({first_line(error)})"
    if not (os.environ.get("WANDB_API_KEY") or wandb.Settings().api_key or _key_in_netrc(url)):
        return "there is no API key (`wandb login` stores one)"
    return None


_trouble = cache(server_trouble)  # once a process


def _key_in_netrc(url: str) -> bool:
    import netrc
    from urllib.parse import urlsplit

    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).netloc) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _say(sentence: str) -> None:
    print(f"oraclecheck: {sentence}", file=sys.stderr, flush=True)

