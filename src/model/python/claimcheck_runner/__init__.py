"""The runner of models in Python: imports a file, loads its model, answers pings and invocations.

It says the same as runner.ts, header for header. It reads and writes tables as src/table does.
It lives exactly as long as the server that started it: the server holds the other end of its
standard input.

The main thread loads the model and works with it. Another thread reads the connections: so the
replica answers a ping, and hears of a cancellation, while the model is at work. Further threads
work with the model only where a replica takes several invocations at once.

The modules, from the bottom up:

    protocol         headers, variables of the environment, content types
    faults           errors, and how they are told
    table_input      the rows of CSV, JSON and JSON Lines
    digits           numbers that a model hands through keep their digits
    plain_values     values of Python and of libraries, as what JSON can hold
    json_text        values to JSON
    frames           DataFrames to rows
    table_output     rows to tables
    reports          progress and lines that an invocation sends while it works
    printed_output   what an invocation prints
    invocation       one call, and what the model gets beside its input
    row_and_any      the two kinds of model: predict(rows, context) and invoke(input, context)
    scripts          the third kind: SageMaker scripts
    model_file       from a file to a model
    connections      the HTTP server
    workers          the threads that work with the model
    lifetime         how the process ends
    serving          the program of a replica
    inspecting       the program that only says what a file takes
"""
