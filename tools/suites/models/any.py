"""Hands its input through."""


def invoke(given):
    return given
