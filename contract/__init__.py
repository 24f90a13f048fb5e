"""What every room of the house shares at its borders, and nothing else.

``errors``      one-line errors for users
``catalogue``   YAML files with a closed schema
``files``       atomic writes and content hashes
``cli``         ``python -m <package> <command>``
``outcome``     what became of a step: ok, not applicable, or failed, and why

This package imports none of ours; every other package may import it, except
``models.transformer``, which must run on a machine with torch and numpy alone.
"""
