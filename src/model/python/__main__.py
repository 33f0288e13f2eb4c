"""The program of a replica that serves a Python file.

    python3 <this folder> <file>             serves, on the socket that CLAIMCHECK_SOCKET names
    python3 <this folder> --inspect <file>   says what the file takes, and loads no model

It needs Python 3.9 and the standard library. An older Python reads this file as well: it gets a
sentence, and no error of syntax. So this file uses no syntax that an old Python lacks.
"""

import sys

if sys.version_info < (3, 9):
    sys.exit("Models in Python need Python 3.9 or newer; this is " + sys.version.split()[0] + ".")


def main():
    """Imports what the arguments ask for, and runs it.

    Python keeps bytecode beside the runner only for the user who owns the folder. Another user,
    root included, would leave files there that the owner cannot remove.
    """
    import os

    folder = os.path.dirname(os.path.realpath(__file__))
    # Python itself puts the folder there, unless PYTHONSAFEPATH is set.
    sys.path.insert(0, folder)
    as_told = sys.dont_write_bytecode
    sys.dont_write_bytecode = as_told or os.stat(folder).st_uid != os.geteuid()
    is_inspected = sys.argv[1] == "--inspect"
    file = sys.argv[2 if is_inspected else 1]
    if is_inspected:
        from claimcheck_runner.inspecting import inspect as work
    else:
        from claimcheck_runner.serving import serve as work
    sys.dont_write_bytecode = as_told
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    work(file)


if __name__ == "__main__":
    main()
