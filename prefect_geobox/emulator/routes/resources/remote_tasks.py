"""`tasks/`: remote tasks listed, read and aborted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_geobox.client.model.tasks import TaskState
from prefect_geobox.emulator.http.errors import ApiError, not_found
from prefect_geobox.emulator.http.list_query import ListQuery
from prefect_geobox.emulator.http.parameters import boolean, choice
from prefect_geobox.emulator.state.emulator_state import EmulatorState, state_of
from prefect_geobox.emulator.state.remote_tasks import EmulatedTask

if TYPE_CHECKING:
    from starlette.requests import Request

_FIELDS = ("id", "uuid", "name", "state", "accepted_at", "started_at", "finished_at")
_STATES = tuple(state.value for state in TaskState if state is not TaskState.UNKNOWN)
_DEFAULT_LIMIT = 10
# The emulator has one user; any other user has no tasks.
_USER_ID = "1"


async def list_tasks(request: Request) -> Response:
    """`GET tasks/`."""
    state, params = state_of(request), request.query_params
    wanted = params.get("state")
    if wanted:
        choice(wanted, "query", "state", _STATES)
    query = ListQuery.read(params, _FIELDS, _DEFAULT_LIMIT)
    tasks = _candidates(state, query)
    if boolean(params.get("shared")) or params.get("user_id", _USER_ID) not in {"", _USER_ID}:
        tasks = []
    matching = [task for task in tasks if not wanted or task.state == wanted]
    return state.list_response(query.select(matching, EmulatedTask.view), EmulatedTask.read)


async def get_task(request: Request) -> Response:
    """`GET tasks/{task}/`."""
    return JSONResponse(_requested_task(request).read())


async def get_progress(request: Request) -> Response:
    """`GET tasks/{task}/status/`."""
    return JSONResponse(_requested_task(request).progress())


async def abort_task(request: Request) -> Response:
    """`POST tasks/{task}/abort/`."""
    task = _requested_task(request)
    if not state_of(request).tasks.abort(task):
        # What the API answers about a task that has ended is not known; 409 is a guess.
        detail = {"msg": f"the task has ended: {task.state}", "type": "geobox.TaskFinishedError"}
        raise ApiError(409, detail)
    # No client reads this answer; a guess.
    return JSONResponse({"uuid": task.uuid, "state": task.state})


def _candidates(state: EmulatorState, query: ListQuery) -> list[EmulatedTask]:
    if query.q is None or query.q.uuids is None:
        return list(state.tasks.all())
    found = [state.tasks.find(uuid) for uuid in query.q.uuids]
    return sorted((task for task in found if task), key=lambda task: task.id, reverse=True)


def _requested_task(request: Request) -> EmulatedTask:
    key = request.path_params["task"]
    task = state_of(request).tasks.find(key)
    if task is None:
        raise not_found("task", key)
    return task


ROUTES = [
    Route("/v1/tasks", list_tasks),
    Route("/v1/tasks/{task}", get_task),
    Route("/v1/tasks/{task}/status", get_progress),
    Route("/v1/tasks/{task}/abort", abort_task, methods=["POST"]),
]
