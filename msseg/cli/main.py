"""The `msseg` command: its subcommands, and how errors end.

Heavy libraries are imported inside the commands that need them, so that `msseg --help` answers at once.
"""

import logging
import os
import select
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import typer

from msseg.cli import agreement, check, compare, demo, evaluate, models, predict, report, show, train, tune
from msseg.errors import InputError, PartialFailureError

STOPPED = "stopped; what is finished stays, and --resume continues a run"
EXIT_CRASH, EXIT_INPUT, EXIT_PARTIAL, EXIT_INTERRUPTED = 1, 2, 3, 130
EXIT_UNREAD = 141
"""Standard output leads nowhere any more: `msseg ... | head`. What a shell says of programs that SIGPIPE ended."""
NO_PLUGINS = ("PYDANTIC_DISABLE_PLUGINS", "__all__")
"""Pydantic would look through all installed packages for plugins, which takes as long as importing it."""

app = typer.Typer(
    name="msseg",
    help="Segment lesions in MRI, membranes and cells in microscopy: train, predict, evaluate, report."
    " `msseg demo` shows it all on built-in data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help in plain text: importing the Markdown renderer takes longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command takes --debug, which shows the traceback of an error.",
)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("run")(train.run)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("agreement")(agreement.agreement)
app.command("report")(report.report)
app.command("models")(models.models)
app.command("layouts")(show.layouts)
app.command("networks")(show.networks)
app.command("losses")(show.losses)
app.command("schema")(show.schema)


def main() -> None:
    """Run the command line; every error ends in one clear message and an exit code that tells its kind."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _listen_to_warnings(debug)
    os.environ.setdefault(*NO_PLUGINS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _terminate)
    try:
        ended = app(args=arguments, prog_name="msseg", standalone_mode=False)
        if ended == EXIT_INTERRUPTED:  # what Typer makes of Ctrl-C; older ones raise Abort
            raise KeyboardInterrupt
        sys.stdout.flush()  # while a pipe that nobody reads can still be dealt with
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        stopper = _stopper(error)
        if stopper is None and isinstance(error, SystemExit):
            raise
        if debug:
            traceback.print_exc()
        sys.exit(_explain(stopper or error))


def _stopper(error: BaseException | None) -> BaseException | None:
    """The signal at the beginning of it (workers that got it as well raise errors after it), or the closed pipe."""
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        return error.__context__  # what click and rich make of it
    while error is not None and not isinstance(error, KeyboardInterrupt | _Terminated):
        error = error.__context__
    return error


class _Terminated(SystemExit):
    """A cluster's time is up, a container stops, a terminal is gone. What cleans up on the way out still does."""

    def __init__(self, number: int) -> None:
        """Take the signal, SIGTERM or SIGHUP; the exit code is 128 more, as a shell has it."""
        super().__init__(128 + number)


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise _Terminated(number)


def _explain(error: BaseException) -> int:
    if isinstance(error, BrokenPipeError) and _unread():
        with suppress(OSError, ValueError):  # or the interpreter complains when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD
    message, code = _message(error)
    with suppress(OSError):  # the terminal may be gone
        print(message, file=sys.stderr, flush=True)
    return code


def _unread() -> bool:
    """Whether it is standard output that nobody reads, and not the pipe to a worker."""
    with suppress(OSError, ValueError):
        if os.path.samestat(os.fstat(sys.stdout.fileno()), os.stat(os.devnull)):
            return True  # rich has noticed, and led it there
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # errors are always told
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def _message(error: BaseException) -> tuple[str, int]:
    """What is said about an error, and the exit code."""
    if isinstance(error, _Terminated):
        return STOPPED, int(str(error.code))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return STOPPED, EXIT_INTERRUPTED
    if hasattr(error, "format_message"):  # a usage error: click's, or of the copy of click that newer Typers carry
        return _usage(error), EXIT_INPUT
    if isinstance(error, InputError):
        return f"error: {error}", EXIT_INPUT
    if isinstance(error, PartialFailureError):
        return f"some cases failed: {error}", EXIT_PARTIAL
    return f"msseg crashed: {type(error).__name__}: {error} (--debug shows where; please report it)", EXIT_CRASH


def _usage(error: Any) -> str:
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(error.format_message())
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "msseg"
    return f"error: {message[:1].lower()}{message[1:]} (`{command} --help` tells more)"


class _WarningLines(logging.Handler):
    """One line on standard error for each warning that msseg logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it where standard error leads now: a progress bar moves it out of its way."""
        print(f"warning: {record.getMessage()}", file=sys.stderr)


def _listen_to_warnings(debug: bool) -> None:
    """Show our own warnings; those of libraries are for developers."""
    logging.getLogger("msseg").handlers = [_WarningLines(logging.WARNING)]
    if not debug:
        warnings.showwarning = _ignore
        logging.getLogger("nibabel").setLevel(logging.CRITICAL)  # its remarks on headers that it mends


def _ignore(*_: object, **__: object) -> None:
    pass
