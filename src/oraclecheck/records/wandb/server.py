"""W&B's server and client: whether they can be used, and used without noise."""

import os
from typing import Any

from oraclecheck.errors import first_line

PROBE_SECONDS = 3.0
SERVER_SECONDS = 20.0  # by default W&B waits for a dying server without end


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


def _key_in_netrc(url: str) -> bool:
    import netrc
    from urllib.parse import urlsplit

    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).netloc) is not None
    except (OSError, netrc.NetrcParseError):
        return False
