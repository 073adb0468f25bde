"""Starts what must not be started twice: sent once, looked up where it is unclear what happened."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
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

logger = logging.getLogger(__name__)

#: What can be found again: both kinds have a uuid.
Found = TypeVar("Found", RemoteTask, OutputAsset)

#: Pauses before the looks that follow an unclear failure, in seconds. Together they are the time
#: that the server has to list what it has taken.
_LOOK_UPS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)

#: How long failures of the list are borne: before, it is only needed if something goes wrong.
_BEFORE: Final = RetryPolicy(attempts=2)
_AFTER: Final = RetryPolicy(budget=60.0)

#: How often something is sent at the most.
_MOST_SENDS: Final = 3

#: How many of its own submissions a connection remembers.
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Submission(Generic[Found]):
    """Something to send once.

    Attributes:
        kind: What comes of it: a remote task or a file.
        what: What it is, for messages, such as `POST files/…/publish/`.
        send: Sends it, and returns what came of it.
        newest: Reads what it would be among if it was carried out: the newest of its kind. Told
            how long to bear failures.
        is_likely: Whether something that is newly there looks like what would come of it. What is
            newly there and does not is never taken over, but keeps the submission from being sent
            again.
        notify: Told in a sentence where something was adopted or sent again.
        alike: What it has in common with all that it cannot be told from in a list, once somebody
            else looks for it; those of another kind apart.
    """

    kind: Literal["task", "file"]
    what: str
    send: Callable[[], Awaitable[Found]]
    newest: Callable[[RetryPolicy], Awaitable[list[Found]]]
    is_likely: Callable[[Found], bool]
    notify: Callable[[str], None] = logger.warning
    alike: str = ""


class Submissions:
    """The submissions of one connection. Lives on the I/O thread.

    While one of them is looked up no other is sent, so that what is newly there is not another
    one's. What was answered for is remembered and never taken for something else's.

    Args:
        clock: Sleeps between looks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sending = 0
        self._is_looking = False
        self._changed = asyncio.Condition()
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._own: deque[str] = deque(maxlen=_REMEMBERED)
        self._taken_over: set[str] = set()
        # Submissions of which it is not known at present what came of them, and what may have come
        # of one that could not be told from another.
        self._unclear: list[Submission[Any]] = []
        self._contested: set[str] = set()

    def is_taken_over(self, uuid: str) -> bool:
        """Whether this was found after an unclear failure, and could be somebody else's."""
        return uuid in self._taken_over

    def turn(self, submission: Submission[Any]) -> asyncio.Lock:
        """Held by one at a time of those that cannot be told apart afterwards.

        For who records its submissions: of those that a crash leaves unrecorded, one at the most
        has been sent, and what is newly there came of that.
        """
        return self._turns[submission.kind, submission.alike]

    async def before(self, submission: Submission[Found]) -> frozenset[str] | None:
        """What is there already and cannot have come of a submission that is still to be sent.

        None where that cannot be read: it is only needed if the sending fails.
        """
        try:
            return frozenset(item.uuid for item in await submission.newest(_BEFORE))
        except Exception:  # noqa: BLE001 - no reason not to try
            return None

    async def find(
        self, submission: Submission[Found], before: frozenset[str], *, is_alone: bool = True
    ) -> Found | None:
        """Finds what came of a submission whose sender is gone; None where nothing came of it.

        Args:
            submission: What was to be sent.
            before: What was there before that, or is known to have come of something else.
            is_alone: Whether nothing else of its kind was about to be sent when its sender ended.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
        """
        async with self._as_only_one():
            return await self._look_up(submission, before, "its sender ended", is_alone=is_alone)

    async def submit(
        self, submission: Submission[Found], before: frozenset[str] | None = None
    ) -> Found:
        """Sends a submission so that it is carried out at most once.

        Args:
            submission: What to send.
            before: What `before` has returned; read here where it is not given.

        Raises:
            AmbiguousSubmissionError: It may have been carried out, and the server cannot tell.
            GeoboxError: It was not carried out.
        """
        before = await self.before(submission) if before is None else before
        sends = 0
        while True:
            sends += 1
            try:
                async with self._as_sender():
                    sent = await submission.send()
                    self._own.append(sent.uuid)
                    if isinstance(sent, RemoteTask):
                        self._own.extend(sent.companions)
                    return sent
            except GeoboxError as error:
                if not is_unclear(error):
                    raise
                failure = error
            if before is None:
                raise AmbiguousSubmissionError(
                    f"{submission.what} failed, and it is not known whether the server acted on "
                    f"it, as its list could not be read before. Look there before you send it "
                    f"again. The failure: {failure}"
                ) from None
            self._unclear.append(submission)
            try:
                async with self._as_only_one():
                    found = await self._look_up(submission, before, str(failure))
            finally:
                self._unclear.remove(submission)
            if found is not None:
                return found
            if sends >= _MOST_SENDS or not _is_lost(failure):
                raise failure
            submission.notify(
                f"{submission.what} failed, and nothing came of it; sending it again. {failure}"
            )

    async def _look_up(
        self,
        submission: Submission[Found],
        before: frozenset[str],
        failure: str,
        *,
        is_alone: bool = True,
    ) -> Found | None:
        new: list[Found] = []
        likely: list[Found] = []
        for pause in _LOOK_UPS:
            await self._clock.sleep(pause)
            new = await self._new_ones(submission, before, failure)
            likely = [item for item in new if submission.is_likely(item)]
            is_sure = is_alone and len(likely) == 1
            if is_sure and not self._is_contested(submission, likely[0]):
                self._own.append(likely[0].uuid)
                self._taken_over.add(likely[0].uuid)
                submission.notify(
                    f"{submission.what} failed, but {likely[0].uuid} came of it and is taken over. "
                    f"{failure}"
                )
                return likely[0]
            if likely:
                break
        if not new:
            return None
        # What two submissions lay claim to is neither's, also for the one that looks later.
        self._contested |= {item.uuid for item in likely}
        raise AmbiguousSubmissionError(
            f"{submission.what} failed, and any of these may have come of it. Find out which, and "
            f"go on with its uuid. The failure: {failure}",
            new,
        )

    def _is_contested(self, submission: Submission[Found], item: Found) -> bool:
        rivals = [
            other
            for other in self._unclear
            if other is not submission and other.kind == submission.kind and other.is_likely(item)
        ]
        return item.uuid in self._contested or bool(rivals)

    async def _new_ones(
        self, submission: Submission[Found], before: frozenset[str], failure: str
    ) -> list[Found]:
        try:
            newest = await submission.newest(_AFTER)
        except GeoboxError as error:
            raise AmbiguousSubmissionError(
                f"{submission.what} failed, and it could not be looked up whether the server acted "
                f"on it. Look there before you send it again. The failure: {failure} The look-up: "
                f"{error}"
            ) from None
        known = before | frozenset(self._own)
        return [item for item in newest if item.uuid not in known]

    @asynccontextmanager
    async def _as_sender(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_looking)
            self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1
            await self._tell()

    @asynccontextmanager
    async def _as_only_one(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_looking and self._sending == 0)
            self._is_looking = True
        try:
            yield
        finally:
            self._is_looking = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def is_unclear(error: GeoboxError) -> bool:
    """Whether a failed write may have been carried out all the same."""
    if not error.is_sent:
        return False
    if isinstance(error, GeoboxConnectionError):
        return error.reached
    if isinstance(error, ApiRequestError):
        return error.status_code in (500, 502, 504)
    return isinstance(error, InvalidResponseError)


def _is_lost(error: GeoboxError) -> bool:
    """Whether a failure leaves no doubt but whether the request arrived.

    An answer of the server itself, such as a 500 or a 200 that makes no sense, may stand for work
    that leaves no trace in a list.
    """
    if isinstance(error, GeoboxConnectionError):
        return True
    return isinstance(error, ApiRequestError) and error.status_code in (502, 504)
