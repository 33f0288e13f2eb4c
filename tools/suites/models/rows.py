"""Hands its rows through."""


def predict(rows):
    return rows
