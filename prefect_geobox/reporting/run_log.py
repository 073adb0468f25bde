"""What the log of a run says about an error of this package: its message, once.

Prefect logs an error in the task run, in the flow run and in the state of each, two of these with
the whole traceback. The messages of this package say what to mend; where the package raised them
says nothing to its users.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final

from prefect_geobox.client.model.errors import GeoboxError, InvalidResponseError

#: Prefect's loggers of runs.
_LOGGERS: Final = ("prefect.task_runs", "prefect.flow_runs")

#: How many runs are remembered whose error was logged.
_REMEMBERED: Final = 1000

#: The attribute of an error that was logged before.
_MARK: Final = "_geobox_is_logged"


class ErrorsOnce(logging.Filter):
    """Shortens the records of Prefect about errors that a user has to mend.

    The first has the message and no traceback; those that follow have the type of the error. Each
    gets the attribute `geobox_error`, the type.
    """

    def __init__(self) -> None:
        super().__init__()
        self._runs: OrderedDict[str, str] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Shortens a record; never drops it."""
        error = record.exc_info[1] if record.exc_info else None
        run = str(getattr(record, "task_run_id", None) or getattr(record, "flow_run_id", ""))
        # Prefect's own records quote the error; those of the user's code say what they want to say.
        is_quoted = error is not None and repr(error) in record.getMessage()
        if error is not None and is_quoted and is_for_user(error):
            self._shorten(record, error)
            self._runs[run] = type(error).__name__
            if len(self._runs) > _REMEMBERED:
                self._runs.popitem(last=False)
        elif run in self._runs and record.getMessage().startswith("Finished in state Failed("):
            record.msg, record.args = "Finished in state Failed", ()
            record.geobox_error = self._runs.pop(run)
        return True

    def _shorten(self, record: logging.LogRecord, error: BaseException) -> None:
        name = type(error).__name__
        is_first = not getattr(error, _MARK, False)
        shown = f"{name}: {error}" if is_first else f"{name}, as logged before"
        record.msg, record.args = record.getMessage().replace(repr(error), shown), ()
        record.exc_info = record.exc_text = None
        record.geobox_error = name
        setattr(error, _MARK, True)
        # Python prints an error again that ends a script: from the user's own code on.
        error.__traceback__ = None


def is_for_user(error: BaseException) -> bool:
    """Whether the message of an error says what its user has to do, so that no traceback helps.

    Args:
        error: The error, as it was raised.
    """
    if isinstance(error, InvalidResponseError):
        return False
    return isinstance(error, GeoboxError) or (isinstance(error, OSError) and _is_ours(error))


def _is_ours(error: BaseException) -> bool:
    if getattr(error, _MARK, False):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(module).startswith("prefect_geobox.")


def log_errors_once() -> None:
    """Has Prefect's loggers say the message of an error of this package once."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, ErrorsOnce) for each in logger.filters):
            logger.addFilter(ErrorsOnce())
