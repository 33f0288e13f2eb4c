"""How the process ends: with its server, on SIGTERM, and never by losing a thread in silence."""

import os
import queue
import sys
import threading

from .faults import print_traceback

_RECURSION_MIN = 500
"""Frames that this program needs, and far fewer than Python gives."""


def or_die(work, *parts):
    """Works, and ends the process when the work ends.

    A replica that has lost one of its threads must not live on and be waited for.
    """
    try:
        work(*parts)
    except BaseException as error:
        sys.__excepthook__(type(error), error, error.__traceback__)
    finally:
        os._exit(1)


class Ending:
    """The end of the process, which comes once.

    The model frees what it holds, and has five seconds for it.
    """

    seconds_max = 5

    def __init__(self):
        self.cleanup = None
        self.begun = threading.Lock()

    def clean_up_with(self, cleanup):
        """Makes SIGTERM end the process in this way as well.

        Without it that signal ends the process at once.
        """
        import signal

        self.cleanup = cleanup
        asked = queue.SimpleQueue()

        def watch():
            asked.get()
            self.come()

        # The handler does not do it itself: it runs in the midst of the model's work.
        threading.Thread(target=watch, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: asked.put(None))
        # A process that the model forks has nobody who watches. So SIGTERM is blocked in it until
        # the signal ends it at once again.
        os.register_at_fork(
            before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
            after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
        )
        for side in ("after_in_child", "after_in_parent"):
            unblock = {side: lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])}
            os.register_at_fork(**unblock)

    def come(self):
        """Ends the process, once the model has cleaned up."""
        if not self.begun.acquire(blocking=False):
            return
        code = 1
        try:
            if self.cleanup is not None:
                threading.Timer(self.seconds_max, os._exit, (1,)).start()
                self.cleanup()
            code = 0
        except BaseException as error:
            print_traceback(error)
        finally:
            os._exit(code)


def die_with_server(ending):
    """Ends the process when its standard input ends, which the server holds."""
    # The descriptor is a new one. So neither the model nor a program that it starts reads from it,
    # or waits for it.
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch():
        while os.read(watched, 1024):
            pass
        ending.come()

    threading.Thread(target=watch, daemon=True).start()


def keep_room_for_frames():
    """Keeps the limit of recursion above what this program needs, also where a model lowers it."""
    set_limit = sys.setrecursionlimit
    sys.setrecursionlimit = lambda limit: set_limit(max(limit, _RECURSION_MIN))
