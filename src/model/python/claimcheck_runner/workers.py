"""The threads that work with the model, and the answer of a call."""

import os
import queue
import threading
from json import loads as json_loads

from .connections import response
from .faults import BadInput, InvalidOutput, described, print_traceback
from .json_text import utf8
from .lifetime import or_die
from .printed_output import INVOCATION
from .protocol import FAILURE_HEADER, is_json, media_type, table_format_of

_JSON_LOOKED_AT_MAX = 1024 * 1024
"""Longest input that is looked into for whether it is JSON, in bytes."""


class Workers:
    """The threads that work with the model: the main one, and more only while it is not enough."""

    def __init__(self, model, channel, loaded, state):
        self.model = model
        self.channel = channel
        self.loaded = loaded
        self.state = state
        self.open = {}
        """The calls that have not been answered, in their order."""
        self.lock = threading.Lock()
        self.count = 1
        self.hints = queue.SimpleQueue()
        """One hint for each call that came.

        A hint may be lost: a worker that has none yet looks for itself before it waits.
        """
        self.answered = queue.SimpleQueue()
        self.process = os.getpid()

    def hand(self, call):
        """Takes a call to be worked on."""
        self.open[call] = True
        if len(self.open) > self.count and self.start_worker():
            self.count += 1
        self.hints.put(None)

    def start_worker(self):
        """Starts one more thread; returns False where there can be none."""
        try:
            work = (self.work, self.finish)
            threading.Thread(target=or_die, args=work, daemon=True).start()
            return True
        except RuntimeError:
            # The replica has as many threads as it may have. The call waits for one of those.
            return False

    def work_here(self):
        """Works in the main thread, for ever.

        An alarm or an interrupt that the model has asked for may break in here between any two
        steps. It must not break into an answer that is being sent: nobody would know how much had
        gone. So another thread sends it.
        """
        threading.Thread(target=or_die, args=(self.send_answers,), daemon=True).start()
        self.work(self.answered.put)

    def send_answers(self):
        """Sends the answers of the main thread, for ever."""
        while True:
            self.finish(self.answered.get())

    def work(self, hand_on):
        """Takes calls from their beginning to their end, for ever.

        An alarm may break in anywhere. The call then goes on from what is written down of it.
        """
        worker = _Worker()
        while True:  # noqa: PLR1702
            try:
                # The next alarm may ring at any of these lines, also while the error of the one
                # before is written down.
                while True:
                    try:
                        while True:
                            self.go_on(worker, hand_on)
                    except BaseException as error:
                        worker.error = error
            except BaseException as error:
                worker.error = error

    def go_on(self, worker, hand_on):
        """Takes the next call one step further, or waits for one."""
        call = self.call_of(worker)
        if call is None:
            self.hints.get()
            return
        if call.answer is None:
            if call.is_begun:
                call.answer = _failed(worker.error)
            else:
                worker.error = None
                call.is_begun = True
                call.answer = _reply(self.model, call)
        if os.getpid() != self.process:
            # The model has forked and let the fork return. The fork has no call of its own: its
            # answer could be taken for that of another run.
            os._exit(1)
        hand_on(call)
        call.is_handed_on = True

    def call_of(self, worker):
        """Returns the call that a worker has begun and not handed on.

        Without one it is the first call that nobody works on; None where there is none.
        """
        for call in list(self.open):
            with self.lock:
                call.worker = call.worker or worker
            if call.worker is worker and not call.is_handed_on:
                return call
        return None

    def finish(self, call):
        """Answers a call, and does so once however often it is handed on."""
        # The call is closed before its answer is sent. A caller who has the answer and pings
        # finds it no longer at work.
        if self.open.pop(call, False):
            call.reports.is_over = True
            call.connection.finish(call.answer)


class _Worker:
    """One of the threads, and the last error that broke into its work from outside."""

    error = None


def _reply(model, call):
    if call.context.cancelled:
        return b""
    before = INVOCATION.set(call.reports)
    try:
        return _answer(model, call)
    finally:
        INVOCATION.reset(before)
        # The reports end before the answer is sent: with it the attempt is over, and no report of
        # it is taken.
        call.reports.end()


def _answer(model, call):
    try:
        content_type, body = model.answer(call)
        if not content_type.isprintable() or not content_type.isascii():
            raise InvalidOutput(f"The output came with {content_type!a}, which is no content type.")
        return response("200 OK", body, ("content-type", content_type))
    # An exit is no Exception to Python, but must not end the replica without a word.
    except BaseException as error:
        return _failed(error, _type_hint(call))


def _type_hint(call):
    """Returns a hint for a failed run whose input looks like JSON and did not come as JSON."""
    is_told = is_json(call.content_type) or table_format_of(call.content_type) is not None
    begins_so = call.body[:64].lstrip()[:1] in (b"{", b"[")
    if is_told or len(call.body) > _JSON_LOOKED_AT_MAX or not begins_so:
        return ""
    try:
        json_loads(call.body)
    except (ValueError, RecursionError):
        return ""
    return (
        f" (The input looks like JSON but came as {media_type(call.content_type)}: "
        "send it with Content-Type: application/json.)"
    )


def _failed(error, hint=""):
    """Returns the answer of a run that an error has ended."""
    if not isinstance(error, (InvalidOutput, BadInput)):
        print_traceback(error)
    kind = "invalid-output" if isinstance(error, InvalidOutput) else "model-error"
    return response(
        "500 Internal Server Error",
        utf8(described(error) + (hint if kind == "model-error" else "")),
        ("content-type", "text/plain; charset=utf-8"),
        (FAILURE_HEADER, kind),
    )
