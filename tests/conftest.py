"""What holds for every test."""

from hypothesis import settings

# How long one example takes is the machine's affair: it may pause for longer than the usual 200 ms.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
