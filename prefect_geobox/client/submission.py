"""Sends what must not be carried out twice: once, and looked up where the result is unclear."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

from prefect_geobox.client.http.clock import Clock
from prefect_geobox.client.http.retry import RetryPolicy
from prefect_geobox.client.model.assets import OutputAsset
from prefect_geobox.client.model.errors import (
    ApiRequestError,
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
)
from prefect_geobox.client.model.task_errors import AmbiguousSubmissionError
from prefect_geobox.client.model.tasks import RemoteTask
from prefect_geobox.client.read_once import ReadOnce
from prefect_geobox.client.shared_lock import SharedLock

logger = logging.getLogger(__name__)

#: What a submission makes and what a look-up can find: both have a uuid.
Found = TypeVar("Found", RemoteTask, OutputAsset)

#: Seconds before each of the look-ups that follow an unclear failure. Their sum is the time that
#: the server has to list what it has accepted.
_LOOK_UP_PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 4.0)

#: How long failures of the list are tolerated: beforehand, it is only needed if the sending fails.
_BEFORE: Final = RetryPolicy(attempts=2)
_AFTER: Final = RetryPolicy(budget=60.0)

#: Seconds for which submissions share what they have read of a list beforehand.
_SHARED_SECONDS: Final = 0.5

#: How often a submission is sent at most.
_MAX_SENDS: Final = 3

#: How many results of its own submissions a connection remembers.
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Submission(Generic[Found]):
    """A request to be carried out once.

    Attributes:
        kind: What it makes: a remote task or a file.
        title: What it is, for messages, such as `POST files/…/publish/`.
        send: Sends it, and returns its result.
        newest: Reads the newest items of its kind, among which its result would be. Takes how long
            to tolerate failures.
        is_likely: Whether a new item looks like its result. A new item that does not is never
            adopted, but keeps the submission from being sent again.
        notify: Called with a sentence where an item was adopted or the submission sent again.
        similarity_key: Equal for all submissions of a kind whose results cannot be distinguished;
            empty where nothing distinguishes them from any other of the kind.
        output_name: What its output will be called, if that is known.
        name_of_output: Reads what the output of an item is called, once the item has ended; None
            where it has failed, empty where that is not known.
    """

    kind: Literal["task", "file"]
    title: str
    send: Callable[[], Awaitable[Found]]
    newest: Callable[[RetryPolicy], Awaitable[list[Found]]]
    is_likely: Callable[[Found], bool]
    notify: Callable[[str], None] = logger.warning
    similarity_key: str = ""
    output_name: str = ""
    name_of_output: Callable[[Found], Awaitable[str | None]] | None = None


class Submissions:
    """The submissions of one connection. Lives on the I/O thread.

    While one of them is looked up no other is sent, so that a new item is not the result of another
    one. Known results are remembered and never adopted by another submission.

    Args:
        clock: Sleeps between look-ups.
        note: Called with the identifiers of new results, which may not be visible at once.
    """

    def __init__(self, clock: Clock, note: Callable[..., None]) -> None:
        self._clock = clock
        self._note = note
        self._sending = 0
        self._is_looking_up = False
        self._finding = 0
        self._changed = asyncio.Condition()
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns: defaultdict[str, SharedLock] = defaultdict(SharedLock)
        self._existing: dict[str, tuple[float, asyncio.Task[frozenset[str] | None]]] = {}
        self._output_names: ReadOnce[str, str | None] = ReadOnce(_REMEMBERED)
        self._known: deque[str] = deque(maxlen=_REMEMBERED)
        self._adopted: set[str] = set()
        # Submissions whose result is not known at present, and items that may be the result of more
        # than one of them.
        self._unclear: list[Submission[Any]] = []
        self._contested: set[str] = set()

    def is_adopted(self, uuid: str) -> bool:
        """Whether this was found after an unclear failure, and may belong to another submission."""
        return uuid in self._adopted

    @asynccontextmanager
    async def exclusive(self, submission: Submission[Any]) -> AsyncIterator[None]:
        """Keeps apart in time the submissions whose results cannot be distinguished.

        For callers that record their submissions: those that a crash leaves without a result are
        distinguished by their key, or only one has been sent, and a new item is its result.
        """
        turns = self._turns[submission.kind]
        turn = turns.shared() if submission.similarity_key else turns.alone()
        async with self._locks[submission.kind, submission.similarity_key], turn:
            yield

    async def existing(self, submission: Submission[Found]) -> frozenset[str] | None:
        """The uuids that exist before a submission is sent, and so cannot be its result.

        None where they cannot be read: they are only needed if the sending fails. Those whose
        outputs tell them apart share one read of the list for half a second.
        """
        if submission.name_of_output is None:
            return await _read_existing(submission)
        read_at, reading = self._existing.get(submission.kind, (0.0, None))
        now = self._clock.monotonic()
        if reading is None or now - read_at > _SHARED_SECONDS:
            reading = asyncio.get_running_loop().create_task(_read_existing(submission))
            self._existing[submission.kind] = (now, reading)
        return await asyncio.shield(reading)

    async def find(
        self,
        submission: Submission[Found],
        existing: frozenset[str],
        *,
        is_alone: bool = True,
        rivals: Collection[str] = (),
    ) -> Found | None:
        """Finds the result of a submission whose sender has ended; None where there is none.

        Args:
            submission: The submission, which may have been sent.
            existing: The uuids that existed before, or are known results of others.
            is_alone: Whether no other with its similarity key was about to be sent when its sender
                ended.
            rivals: The similarity keys of others of its kind that were, besides its own.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
        """
        failure = "its sender ended"
        async with self._as_finder():
            found, candidates = await self._look_up(
                submission, existing, failure, is_sure=is_alone and not rivals
            )
        if candidates and not is_alone:
            raise _ambiguous(submission, failure, candidates)
        return found or await self._find_by_output(submission, candidates, failure, rivals)

    async def submit(
        self, submission: Submission[Found], existing: frozenset[str] | None = None
    ) -> Found:
        """Sends a submission so that it is carried out at most once.

        Args:
            submission: What to send.
            existing: As `existing` returns it; read first where it is not given.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
            GeoboxError: It was not carried out.
        """
        existing = await self.existing(submission) if existing is None else existing
        sends = 0
        while True:
            sends += 1
            try:
                async with self._as_sender():
                    sent = await submission.send()
                    made = [sent.uuid]
                    if isinstance(sent, RemoteTask):
                        made.extend(sent.companions)
                    self._known.extend(made)
                    self._note(*made)
                    return sent
            except GeoboxError as error:
                if not is_unclear(error):
                    raise
                failure = error
            if existing is None:
                raise AmbiguousSubmissionError(
                    f"{submission.title} failed, and it is not known whether the server acted on "
                    f"it, as its list could not be read before. Check the list before you send "
                    f"it again. The failure: {failure}"
                ) from None
            self._unclear.append(submission)
            try:
                async with self._as_only_look_up():
                    found, candidates = await self._look_up(submission, existing, str(failure))
                others = [other for other in self._unclear if other is not submission]
                rivals = [other.similarity_key for other in others]
                found = found or await self._find_by_output(
                    submission, candidates, str(failure), rivals
                )
            finally:
                self._unclear.remove(submission)
            if found is not None:
                return found
            if sends >= _MAX_SENDS or not _is_lost(failure):
                raise failure
            submission.notify(
                f"{submission.title} failed and had no effect; sending it again. {failure}"
            )

    async def _look_up(
        self,
        submission: Submission[Found],
        existing: frozenset[str],
        failure: str,
        *,
        is_sure: bool = True,
    ) -> tuple[Found | None, list[Found]]:
        """The result of a submission, or else the items that may be its result."""
        new: list[Found] = []
        likely: list[Found] = []
        for pause in _LOOK_UP_PAUSES:
            await self._clock.sleep(pause)
            new = await self._new_ones(submission, existing, failure)
            likely = [item for item in new if submission.is_likely(item)]
            if is_sure and len(likely) == 1 and not self._is_contested(submission, likely[0]):
                return self._adopt(submission, likely[0], failure), []
            if likely:
                break
        # What may be the result of two submissions is not adopted by the look of it later on.
        self._contested |= {item.uuid for item in likely}
        if new and not likely:
            raise _ambiguous(submission, failure, new)
        return None, likely

    async def _find_by_output(
        self,
        submission: Submission[Found],
        candidates: list[Found],
        failure: str,
        rivals: Collection[str],
    ) -> Found | None:
        """The one of several items whose output has the name that was asked for.

        An item that has failed counts for none: what it was to do may be started again.
        """
        name_of_output = submission.name_of_output
        if not candidates:
            return None
        if name_of_output is None:
            raise _ambiguous(submission, failure, candidates)
        named: list[tuple[Found, str]] = []
        for item in candidates:
            try:
                name = await self._output_names.get(item.uuid, partial(name_of_output, item))
            except GeoboxError:
                raise _ambiguous(submission, failure, candidates) from None
            if name is not None:
                named.append((item, name))
        mine = [item for item, name in named if name == submission.output_name]
        if len(mine) == 1 and mine[0].uuid not in self._known:
            return self._adopt(submission, mine[0], failure)
        # One may have no name, or a longer one since its name was taken.
        others = [name for _, name in named if name not in rivals]
        if mine or any(not name or name.startswith(submission.output_name) for name in others):
            raise _ambiguous(submission, failure, candidates)
        return None

    def _adopt(self, submission: Submission[Found], item: Found, failure: str) -> Found:
        self._known.append(item.uuid)
        self._note(item.uuid)
        self._adopted.add(item.uuid)
        submission.notify(
            f"{submission.title} failed, but {item.uuid} is its result and was adopted. {failure}"
        )
        return item

    def _is_contested(self, submission: Submission[Found], item: Found) -> bool:
        rivals = [
            other
            for other in self._unclear
            if other is not submission and other.kind == submission.kind and other.is_likely(item)
        ]
        return item.uuid in self._contested or bool(rivals)

    async def _new_ones(
        self, submission: Submission[Found], existing: frozenset[str], failure: str
    ) -> list[Found]:
        try:
            newest = await submission.newest(_AFTER)
        except GeoboxError as error:
            raise AmbiguousSubmissionError(
                f"{submission.title} failed, and it could not be looked up whether the server "
                f"acted on it. Check the list before you send it again. The failure: {failure} "
                f"The look-up: {error}"
            ) from None
        known = existing | frozenset(self._known)
        return [item for item in newest if item.uuid not in known]

    @asynccontextmanager
    async def _as_sender(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_looking_up and not self._finding)
            self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1
            await self._notify_all()

    @asynccontextmanager
    async def _as_only_look_up(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(
                lambda: not (self._is_looking_up or self._finding or self._sending)
            )
            self._is_looking_up = True
        try:
            yield
        finally:
            self._is_looking_up = False
            await self._notify_all()

    @asynccontextmanager
    async def _as_finder(self) -> AsyncIterator[None]:
        # Together with others: what they look for was sent by processes or attempts that ended.
        async with self._changed:
            await self._changed.wait_for(lambda: not (self._is_looking_up or self._sending))
            self._finding += 1
        try:
            yield
        finally:
            self._finding -= 1
            await self._notify_all()

    async def _notify_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _read_existing(submission: Submission[Any]) -> frozenset[str] | None:
    try:
        return frozenset(item.uuid for item in await submission.newest(_BEFORE))
    except Exception:  # noqa: BLE001 - the sending does not depend on it
        return None


def _ambiguous(
    submission: Submission[Any], failure: str, candidates: Sequence[Any]
) -> AmbiguousSubmissionError:
    return AmbiguousSubmissionError(
        f"{submission.title} failed, and any of these may be its result. Find out which, and go on "
        f"with its uuid. The failure: {failure}",
        candidates,
    )


def is_unclear(error: GeoboxError) -> bool:
    """Whether a failed write may have been carried out nevertheless."""
    if not error.is_sent:
        return False
    if isinstance(error, GeoboxConnectionError):
        return error.reached
    if isinstance(error, ApiRequestError):
        return error.status_code in (500, 502, 504)
    return isinstance(error, InvalidResponseError)


def _is_lost(error: GeoboxError) -> bool:
    """Whether only the connection failed, so that it is open whether the request has arrived.

    An answer of the server itself, such as a 500 or a 200 without valid JSON, may mean that it has
    done work which leaves no trace in a list.
    """
    if isinstance(error, GeoboxConnectionError):
        return True
    return isinstance(error, ApiRequestError) and error.status_code in (502, 504)
