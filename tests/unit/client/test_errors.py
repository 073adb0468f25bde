"""The errors: one class per status, and all of them survive pickle."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from prefect_geobox.client import (
    AmbiguousSubmissionError,
    ApiRequestError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConflictError,
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
    LocalFileError,
    LostContactError,
    NameLookupError,
    NotFoundError,
    RateLimitError,
    RemoteTask,
    ServerError,
    TaskAbortedError,
    TaskFailedError,
    TaskTimeoutError,
    TransferTimeoutError,
    ValidationError,
)
from prefect_geobox.client.model import errors, task_errors
from prefect_geobox.client.model.errors import InvalidArgumentError, error_for_status
from tests.kit.payloads import OTHER, TASK, task

SEEN = RemoteTask.from_payload(task("FAILURE", result={"detail": {"msg": "x"}}))
SECOND = RemoteTask.from_payload(task("ABORTED", OTHER))


def advised() -> AuthenticationError:
    """An error with more on it than its arguments."""
    error = AuthenticationError(401, "expired", "GET", "tasks/")
    error.add_advice("Rejected credential: the API key.")
    error.retry_after = 3.0
    return error


EXAMPLES: list[GeoboxError] = [
    GeoboxError("root"),
    ConfigurationError("host must be a URL"),
    InvalidArgumentError("timeout must be a number"),
    LocalFileError("x.csv changed while it was uploaded"),
    NameLookupError("2 layers are named x", [TASK, OTHER]),
    TransferTimeoutError("the download of x had not ended"),
    GeoboxConnectionError("not reached", reached=False, transient=False),
    InvalidResponseError("no JSON"),
    advised(),
    ApiRequestError(418, "teapot", "GET", "tasks/"),
    AuthorizationError(403, "no", "GET", "tasks/"),
    NotFoundError(404, "none", "GET", "tasks/"),
    ConflictError(409, "taken", "POST", "files/"),
    ValidationError(422, "bad", "POST", "files/"),
    RateLimitError(429, "slow down", "GET", "tasks/"),
    ServerError(503, "later", "GET", "tasks/"),
    TransferTimeoutError("too slow"),
    AmbiguousSubmissionError("may or may not", [SEEN, SECOND]),
    AmbiguousSubmissionError("may or may not"),
    TaskFailedError("failed", SEEN),
    TaskFailedError("2 failed", SEEN, [SEEN, SECOND]),
    TaskAbortedError("aborted", SECOND),
    TaskTimeoutError("late", SEEN),
    LostContactError("lost", SEEN, 300.5),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickle_and_copy(error: GeoboxError) -> None:
    """Class, text, arguments and attributes of every error survive pickle and copy."""
    for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(back) is type(error)
        assert str(back) == str(error)
        assert back.args == error.args
        assert vars(back) == vars(error)
        assert (back.transient, back.retry_after) == (error.transient, error.retry_after)


def test_every_error_class_has_an_example_here() -> None:
    """No error class is left out of the pickle test."""
    classes = {
        found
        for found in (vars(errors) | vars(task_errors)).values()
        if isinstance(found, type) and issubclass(found, GeoboxError)
    }
    assert classes - {type(error) for error in EXAMPLES} == {task_errors.RemoteTaskError}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (402, ApiRequestError),
        (403, AuthorizationError),
        (404, NotFoundError),
        (405, ApiRequestError),
        (409, ConflictError),
        (418, ApiRequestError),
        (422, ValidationError),
        (429, RateLimitError),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[ApiRequestError]) -> None:
    """Each status has one error class, whose message has method, path, status and reason."""
    error = error_for_status(status, "the reason", "GET", "tasks/x/")
    assert type(error) is kind
    assert str(error).startswith(f"GET tasks/x/ was answered {status}: the reason")


TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


@pytest.mark.parametrize("status", [*sorted(TRANSIENT), 400, 401, 403, 404, 409, 422, 501])
def test_passing_statuses_are_marked_as_such(status: int) -> None:
    """Exactly the statuses that may pass are transient."""
    assert error_for_status(status, "", "GET", "x").transient == (status in TRANSIENT)


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (ConfigurationError("x"), ValueError),
        (InvalidArgumentError("x"), ValueError),
        (TaskTimeoutError("x", SEEN), TimeoutError),
    ],
)
def test_errors_can_be_caught_as_builtin(error: GeoboxError, caught: type[Exception]) -> None:
    """A wrong argument is a ValueError too, and a timeout a TimeoutError."""
    assert isinstance(error, caught)


def test_errors_about_a_task_carry_it() -> None:
    """Errors about a remote task carry it; a joint failure carries all that failed."""
    with_task: list[Any] = [
        error for error in EXAMPLES if isinstance(error, task_errors.RemoteTaskError)
    ]
    assert {error.task.uuid for error in with_task} == {TASK, OTHER}
    assert TaskFailedError("x", SEEN).tasks == (SEEN,)
    assert TaskFailedError("x", SEEN, [SEEN, SECOND]).tasks == (SEEN, SECOND)
    assert LostContactError("x", SEEN, 2.5).seconds == 2.5


def test_ambiguous_submission_lists_the_candidates() -> None:
    """The text of an ambiguous submission names each remote task that it could be."""
    error = AmbiguousSubmissionError("may or may not", [SEEN, SECOND])
    assert error.tasks == (SEEN, SECOND)
    assert TASK in str(error)
    assert OTHER in str(error)
