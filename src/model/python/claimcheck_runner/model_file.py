"""From a file to a model."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location

from .faults import NoModel, name_of_type, print_traceback, text_of_value
from .row_and_any import AnyModel, RowModel
from .scripts import Script

_PROGRAM = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
"""The folder of the runner, which Python has put on sys.path."""


def load_file(file):
    """Returns the model of a file, imported and not loaded; raises NoModel where there is none."""
    file = os.path.abspath(file)
    try:
        module = _import_file(file)
    except BaseException as error:
        print_traceback(error)
        reason = f"{name_of_type(error)}: {text_of_value(error)}"
        raise NoModel(f"{file} cannot be imported: {reason}") from None
    names = ("predict", "invoke", *Script.functions)
    defined = {name for name in names if callable(getattr(module, name, None))}
    script = defined.intersection(Script.functions)
    if script:
        if script.isdisjoint(("model_fn", "predict_fn", "transform_fn")):
            found = " and ".join(sorted(script))
            raise NoModel(f"{file} defines {found}, but neither model_fn nor predict_fn.")
        return Script(module)
    if ("predict" in defined) == ("invoke" in defined):
        raise NoModel(
            f"{file} must define either predict(rows, context) or invoke(input, context), "
            "and not both; "
            "or model_fn, input_fn, predict_fn and output_fn, as a SageMaker script does."
        )
    return RowModel(module) if "predict" in defined else AnyModel(module)


def _import_file(file):
    """Imports the file as a module that is not __main__.

    So the part of a script that is only for running it stays undone.
    """
    _hide_runner()
    name = os.path.splitext(os.path.basename(file))[0]
    if name in sys.modules:
        name = "claimcheck_model"
    # The file can import its neighbours, as if it were run.
    sys.path.insert(0, os.path.dirname(file))
    sys.argv = [file]
    spec = spec_from_file_location(name, file)
    module = module_from_spec(spec)
    sys.modules[name] = module
    # It is compiled anew. Python tells a cached form from an older one by whole seconds, and the
    # file may have been edited within one.
    code = spec.loader.source_to_code(spec.loader.get_data(file), file)
    exec(code, module.__dict__)
    return module


def _hide_runner():
    """Makes the modules of the runner unknown to `import`.

    All of them are imported by now, and live on in the functions that they define. A model may
    have modules of the same names.
    """
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != _PROGRAM]
    for name in list(sys.modules):
        if name.partition(".")[0] == __package__:
            del sys.modules[name]
