"""A server that answers what W&B's public API asks for, over HTTP on this machine, and counts what it was asked."""

import json
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RUN_FIELDS = {"tags": [], "user": {"username": "somebody", "name": "Somebody"}, "systemMetrics": "{}"}


class Server(AbstractContextManager):
    """Projects of runs.

    Attributes:
        projects: "entity/project" -> its runs, as `node` makes them.
        requests: The names of the GraphQL operations asked for; "GET" for what is not GraphQL.
        refusals: Answers that come before the right ones, first of all: HTTP status, headers.
    """

    def __init__(self, projects: dict[str, list[dict[str, Any]]]) -> None:
        self.projects = projects
        self.requests: list[str] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append("GET")
                self.answer(200, {}, b"{}")

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = asked["query"].split("query", 1)[-1].split("(")[0].split("{")[0].strip()
                server.requests.append(operation)
                if operation == "Runs" and server.refusals:
                    status, headers = server.refusals.pop(0)
                    self.answer(status, headers, b"{}")
                else:
                    content = {"data": server.data(operation, asked.get("variables") or {})}
                    self.answer(200, {}, json.dumps(content).encode())

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def data(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        if operation == "Viewer":
            return {
                "viewer": {"id": "1", "username": "somebody", "entity": "entity", "flags": "{}", "teams": {"edges": []}}
            }
        if operation != "Runs":
            return {}
        runs = self.projects.get(f"{variables['entity']}/{variables['project']}")
        if runs is None:
            return {"project": None}
        filters = json.loads(variables["filters"] or "{}")
        assert set(filters) <= {"group"}, filters
        runs = [run for run in runs if run["group"] == filters.get("group", run["group"])]
        start = int(variables.get("cursor") or 0)
        page = runs[start : start + variables["perPage"]]
        edges = [{"node": run, "cursor": str(start + i + 1)} for i, run in enumerate(page)]
        more = start + len(page) < len(runs)
        page_info = {"endCursor": str(start + len(page)), "hasNextPage": more}
        found = {"internalId": "1", "runCount": len(runs), "readOnly": False}
        return {"project": {**found, "runs": {"edges": edges, "pageInfo": page_info}}}


def node(
    run_id: str, config: dict[str, Any], summary: dict[str, Any] | None, group: str = "", job_type: str = "retrain"
) -> dict[str, Any]:
    """A run as W&B's server describes it; its summary is None where it has none."""
    wrapped = {"_wandb": {"value": {}}, **{name: {"desc": None, "value": value} for name, value in config.items()}}
    return {
        **RUN_FIELDS,
        "id": f"internal-{run_id}", "name": run_id, "displayName": run_id, "projectId": "1", "sweepName": None,
        "state": "finished" if summary and "status" in summary else "crashed", "group": group, "jobType": job_type,
        "commit": None, "readOnly": False, "createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": "2026-01-01T00:00:00Z",
        "description": "", "notes": None, "historyLineCount": 2, "config": json.dumps(wrapped),
        "summaryMetrics": None if summary is None else json.dumps(summary),
    }  # fmt: skip
