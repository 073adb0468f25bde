"""One connection to one server: single attempts, their classification, and retries of reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import anyio
import httpx

from prefect_geobox.client.http.auth import (
    LOGIN_PATH,
    Authenticator,
    PreencodedUrl,
    SigningTransport,
    log_in,
)
from prefect_geobox.client.http.clock import SYSTEM_CLOCK, Clock
from prefect_geobox.client.http.encoding import Form, Params, encoded_body, encoded_query
from prefect_geobox.client.http.failures import (
    EARLY_ANSWER_TIME,
    MakeUpload,
    ObservedUpload,
    failure_without_answer,
    was_not_carried_out,
)
from prefect_geobox.client.http.rate_limit import IN_FLIGHT, HostRateLimits
from prefect_geobox.client.http.recent_names import RecentNames
from prefect_geobox.client.http.responses import ResponseReader
from prefect_geobox.client.http.retry import RetryPolicy, retry_read
from prefect_geobox.client.http.settings import ConnectionSettings
from prefect_geobox.client.http.tls_and_proxy import http_transport
from prefect_geobox.client.model.errors import (
    GeoboxConnectionError,
    GeoboxError,
    InvalidResponseError,
    NotFoundError,
)

T = TypeVar("T")

#: Downloads at once, in addition to other requests.
STREAMS: Final = 4

#: Seconds that a server may take to answer once an upload has been sent.
UPLOAD_ANSWER_TIME: Final = 300.0

#: Reads the body of an answer while it arrives.
ReadBody = Callable[[httpx.Response], Awaitable[None]]
#: Makes headers and content for one sending of a request.
MakeBody = Callable[[], tuple[Mapping[str, str], bytes | httpx.AsyncByteStream | None]]


class Transport:
    """Talks to one base URL with one credential. Lives on the I/O thread.

    Args:
        settings: The server and the credential.
        clock: Measures budgets and sleeps.
        limits: The rate limits of the host; those of this connection alone by default.

    Attributes:
        recent_names: What the server has made a moment ago: a 404 for it is transient.

    Raises:
        ConfigurationError: The CA file or the proxy of the environment cannot be used.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        clock: Clock = SYSTEM_CLOCK,
        limits: HostRateLimits | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.requests = 0
        self.recent_names = RecentNames(clock)
        self._limits = limits or HostRateLimits(settings.requests_per_second)
        # Downloads take long; they must not delay polls.
        self._streams = asyncio.Semaphore(STREAMS)
        self._authenticator = Authenticator(settings.credential, self._log_in)
        self._responses = ResponseReader(settings.credential, self._authenticator.redact)
        self._client = httpx.AsyncClient(
            base_url=settings.base_url,
            transport=SigningTransport(
                http_transport(
                    settings,
                    httpx.Limits(
                        max_connections=2 * IN_FLIGHT, max_keepalive_connections=IN_FLIGHT
                    ),
                ),
                httpx.URL(settings.base_url),
                self._authenticator,
            ),
            headers={"Accept": "application/json"},
            timeout=httpx.Timeout(settings.timeout),
        )

    @property
    def is_refused(self) -> bool:
        """Whether the server has refused the password, so that no further request can succeed."""
        return self._authenticator.is_refused

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def read(
        self,
        path: str,
        parse: Callable[[Any], T],
        *,
        params: Params = (),
        retry: RetryPolicy | None = None,
    ) -> T:
        """Reads and parses, with retries.

        Args:
            path: Below the base URL.
            parse: Makes the value; raises `InvalidResponseError` for what it cannot use.
            params: The query.
            retry: How long to tolerate failures; 30 s by default.

        Raises:
            GeoboxError: The last failure.
        """
        return await retry_read(
            lambda: self.attempt_json("GET", path, parse, params=params),
            retry or RetryPolicy(),
            self.clock,
        )

    async def repeat(self, path: str, *, seconds: float, method: str = "POST") -> None:
        """Sends a request without a body that is safe to repeat, with the retries of a read.

        Args:
            path: Below the base URL.
            seconds: Seconds for all attempts.
            method: The HTTP method. A `DELETE` has succeeded also where a 404 follows an attempt
                whose answer was lost.
        """
        deadline = self.clock.monotonic() + seconds
        is_deletion, is_unclear = method == "DELETE", False

        async def attempt() -> None:
            nonlocal is_unclear
            try:
                await self._attempt(
                    method, path, within=max(0.0, deadline - self.clock.monotonic())
                )
            except GeoboxError as error:
                if is_deletion and is_unclear and isinstance(error, NotFoundError):
                    return
                is_unclear = is_unclear or not was_not_carried_out(error)
                raise

        await retry_read(attempt, RetryPolicy(budget=seconds), self.clock, deadline=deadline)
        if is_deletion:
            self.recent_names.forget(path)

    async def write(
        self,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        params: Params = (),
        form: Form | None = None,
        json_body: Any = None,
    ) -> T:
        """Sends a write that must not be carried out twice; repeats it only if it provably was not.

        Raises:
            GeoboxError: The last failure. Unless `was_not_carried_out` is true for it, the server
                may have acted nevertheless.
        """

        async def attempt() -> T:
            try:
                return await self.attempt_json(
                    method, path, parse, params=params, form=form, json_body=json_body
                )
            except GeoboxError as error:
                error.transient = was_not_carried_out(error)
                raise

        return await retry_read(attempt, RetryPolicy(), self.clock)

    async def attempt_json(
        self,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        params: Params = (),
        form: Form | None = None,
        json_body: Any = None,
        within: float | None = None,
    ) -> T:
        """Makes one attempt and parses the JSON of its answer.

        Args:
            method: The HTTP method.
            path: Below the base URL.
            parse: Makes the value from the decoded JSON.
            params: The query.
            form: A form body; booleans are sent as `True` and `False`, None is left out.
            json_body: A JSON body.
            within: Seconds for all of it, including the wait for a free connection; by default
                each part has the request timeout.

        Raises:
            GeoboxError: One failure, classified.
        """
        body = encoded_body(form, json_body)
        response = await self._attempt(
            method, path, params=params, make_body=lambda: body, within=within
        )
        return self._responses.parse(response, parse, method, path)

    async def get_bytes(self, path: str, *, limit: int) -> bytes:
        """Reads a small binary, such as a thumbnail, with retries.

        Raises:
            InvalidResponseError: It is larger than `limit` bytes.
        """

        async def attempt() -> bytes:
            response = await self._attempt("GET", path)
            if len(response.content) > limit:
                raise InvalidResponseError(f"GET {path} sent more than {limit} bytes")
            return response.content

        return await retry_read(attempt, RetryPolicy(), self.clock)

    async def upload(self, path: str, parse: Callable[[Any], T], make_body: MakeUpload) -> T:
        """POSTs a streamed body; sends it again only if the server provably did not accept it.

        Args:
            path: Below the base URL.
            parse: Makes the value from the answer.
            make_body: Makes headers and stream for each attempt.
        """
        upload = ObservedUpload(make_body)

        async def attempt() -> T:
            try:
                async with self._limits.in_flight:
                    answer = await self._signed(lambda: self._send_upload(path, upload))
                response = self._require_success(answer, "POST", path)
                return self._responses.parse(response, parse, "POST", path)
            except GeoboxError as error:
                error.transient = was_not_carried_out(error)
                raise

        try:
            return await retry_read(attempt, RetryPolicy(), self.clock)
        finally:
            await upload.aclose()

    async def _send_upload(self, path: str, upload: ObservedUpload) -> httpx.Response | GeoboxError:
        """Sends an upload; returns also a refusal that came before all of it was sent."""
        logins = self._authenticator.logins
        answer = await self._send("POST", path, (), *upload.whole())
        if isinstance(answer, httpx.Response) or not upload.is_cut_off(answer):
            return answer
        if self._authenticator.logins != logins:
            # Another request has replaced the token meanwhile, which was refused most likely.
            return await self._send_upload(path, upload)
        with anyio.move_on_after(EARLY_ANSWER_TIME):
            early = await self._send("POST", path, (), *upload.beginning())
            if isinstance(early, httpx.Response) and not early.is_success:
                return early
        return answer

    async def attempt_stream(
        self, path: str, headers: Mapping[str, str], read_body: ReadBody
    ) -> None:
        """Makes one attempt to GET a body that is too large for memory.

        Args:
            path: Below the base URL.
            headers: Further headers, such as a range.
            read_body: Called with the answer, where it is a success, before its body has arrived.

        Raises:
            GeoboxError: One failure, classified; the body may have broken off halfway.
        """
        async with self._streams:
            answer = await self._signed(
                lambda: self._send("GET", path, (), headers, None, read_body=read_body)
            )
        self._require_success(answer, "GET", path)

    async def _attempt(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        make_body: MakeBody = lambda: ({}, None),
        within: float | None = None,
    ) -> httpx.Response:
        with anyio.move_on_after(within):
            async with self._limits.in_flight:
                answer = await self._signed(lambda: self._send(method, path, params, *make_body()))
            return self._require_success(answer, method, path)
        raise GeoboxConnectionError(
            f"{self.settings.host} did not answer {method} {path} in the time that was left."
        )

    async def _signed(
        self, send: Callable[[], Awaitable[httpx.Response | GeoboxError]]
    ) -> httpx.Response | GeoboxError:
        """The answer to a request, which is sent once more after a renewed login."""
        await self._authenticator.ensure_token()
        logins = self._authenticator.logins
        answer = await send()
        if _is_unauthorized(answer) and self._authenticator.can_log_in:
            await self._authenticator.renew(logins)
            answer = await send()
        return answer

    def _require_success(
        self, answer: httpx.Response | GeoboxError, method: str, path: str
    ) -> httpx.Response:
        if isinstance(answer, GeoboxError):
            raise answer
        if answer.is_success:
            return answer
        error = self._responses.to_error(answer, method, path)
        if isinstance(error, NotFoundError):
            request = answer.request
            content = request.content if isinstance(request.stream, httpx.ByteStream) else b""
            error.transient = self.recent_names.are_in(path, content)
        raise error

    async def _send(
        self,
        method: str,
        path: str,
        params: Params,
        headers: Mapping[str, str],
        content: bytes | httpx.AsyncByteStream | None,
        *,
        unsigned: bool = False,
        read_body: ReadBody | None = None,
    ) -> httpx.Response | GeoboxError:
        """Sends one request. Returns failures, so that no chained exception holds its URL."""
        streamed = not (content is None or isinstance(content, bytes))
        self.requests += 1
        try:
            request = self._client.build_request(
                method,
                path,
                content=content,
                headers=headers,
                timeout=self._timeout(is_streamed=streamed),
                extensions={"geobox_unsigned": unsigned},
            )
            request.url = PreencodedUrl(request.url, encoded_query(params))
            # httpx limits only the pauses within an answer, not the time for all of it.
            if read_body is not None:
                return await self._send_streaming(request, read_body)
            with anyio.fail_after(None if streamed else self.settings.timeout):
                return await self._client.send(request)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            return failure_without_answer(error, self.settings, method, path)

    async def _send_streaming(self, request: httpx.Request, read_body: ReadBody) -> httpx.Response:
        response = await self._client.send(request, stream=True)
        try:
            if response.is_success:
                await read_body(response)
            else:
                with anyio.fail_after(self.settings.timeout):
                    await response.aread()
        finally:
            await response.aclose()
        return response

    def _timeout(self, *, is_streamed: bool) -> httpx.Timeout:
        seconds = self.settings.timeout
        # A server examines an upload before it answers.
        read = max(seconds, UPLOAD_ANSWER_TIME) if is_streamed else seconds
        return httpx.Timeout(seconds, read=read)

    async def _log_in(self) -> str:
        def send(
            headers: Mapping[str, str], content: bytes | None
        ) -> Awaitable[httpx.Response | GeoboxError]:
            return self._send("POST", LOGIN_PATH, (), headers, content, unsigned=True)

        return await log_in(self.settings.credential, send, self._responses, self.clock)


def _is_unauthorized(answer: httpx.Response | GeoboxError) -> bool:
    return isinstance(answer, httpx.Response) and answer.status_code == 401
