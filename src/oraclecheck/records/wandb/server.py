"""W&B's server and client: whether they can be used, and used without noise."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oraclecheck.errors import first_line

PROBE_SECONDS = 3.0
SERVER_SECONDS = 20.0  # by default W&B waits for a dying server without end


@dataclass(frozen=True)
class WandbSettings:
    """Where W&B runs go: online or offline, to which project of which user or team (None: the account's default)."""

    mode: str
    project: str
    entity: str | None


def begin_run(settings: WandbSettings, folder: Path, **described: Any) -> Any:
    """A W&B run that only keeps what we give it, begun in 27 instead of 90 ms; W&B may raise anything.

    Args:
        settings: Where it goes.
        folder: W&B keeps its own files in `wandb/` there.
        **described: What else `wandb.init` is told of it.
    """
    wandb = quiet_wandb()
    lean = wandb.Settings(
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
    where: dict[str, Any] = {"project": settings.project, "entity": settings.entity, "mode": settings.mode}
    # the service that writes it may have another working directory
    return wandb.init(**where, dir=folder.absolute(), settings=lean, **described)


def quiet_wandb() -> Any:
    """W&B's client, kept from telemetry threads and from talking on the terminal; it takes half a second to import."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    return wandb


def server_trouble() -> str | None:
    """Why W&B's server cannot be used: it does not answer, or there is no API key; None if it can."""
    import urllib.error
    import urllib.request

    try:
        wandb = quiet_wandb()
        url = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
        try:
            urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # it answers
        except Exception as error:  # refused, timed out, not HTTP, not a URL: whatever it is, W&B would fail too
            return f"{url} does not answer ({first_line(error)})"
        if not (os.environ.get("WANDB_API_KEY") or wandb.Settings().api_key or _key_in_netrc(url)):
            return "there is no API key (`wandb login` stores one)"
    except Exception as error:  # a W&B that cannot be imported, or settings that it refuses
        return first_line(error)
    return None


def _key_in_netrc(url: str) -> bool:
    import netrc
    from urllib.parse import urlsplit

    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).netloc) is not None
    except (OSError, netrc.NetrcParseError):
        return False
