# A model that does nothing: what is measured is everything around it.


def invoke(input):
    return input
