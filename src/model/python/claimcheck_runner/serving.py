"""Serving: imports a file, loads its model, and answers for it until the server ends."""

import os
import socket
import sys
import threading

from .connections import listen
from .faults import NoModel, name_of_type, print_traceback, text_of_value
from .lifetime import Ending, die_with_server, keep_room_for_frames, or_die
from .model_file import load_file
from .printed_output import Heard, unwrap_output
from .protocol import SOCKET_VARIABLE, reports_descriptor
from .reports import Channel
from .workers import Workers


def serve(file):
    """Serves the model of a file on the socket that SOCKET_VARIABLE names; never returns.

    Ends the process with a reason on standard error where the model cannot be loaded.
    """
    ending = Ending()
    die_with_server(ending)
    keep_room_for_frames()
    # The environment is read before the file is imported, which may clear it.
    place = os.environ[SOCKET_VARIABLE]
    channel = Channel(reports_descriptor())
    # The streams are replaced before the file is imported: a logger keeps the stream that it finds.
    sys.stdout, sys.stderr = heard = Heard(sys.stdout, "stdout"), Heard(sys.stderr, "stderr")
    try:
        model = load_file(file)
        try:
            loaded = None if model.load is None else model.load()
            state = None if model.init is None else model.init(loaded)
            unwrap_output(heard)
        except BaseException as error:
            print_traceback(error)
            reason = f"{name_of_type(error)}: {text_of_value(error)}"
            raise NoModel(f"{file} could not be loaded: {reason}") from None
    except NoModel as error:
        print(error, file=sys.stderr, flush=True)
        sys.stdout.flush()
        # Threads that the file has started must not keep the process.
        os._exit(1)
    if model.cleanup is not None:
        ending.clean_up_with(lambda: model.cleanup(state))
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(None)
    listener.bind(place)
    listener.listen(128)
    workers = Workers(model, channel, loaded, state)
    threading.Thread(target=or_die, args=(listen, listener, workers), daemon=True).start()
    or_die(workers.work_here)
